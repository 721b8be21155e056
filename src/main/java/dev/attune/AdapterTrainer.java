package dev.attune;

import dev.attune.generate.Completion;
import dev.attune.run.AdapterTraining;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.task.TokenObjective;
import dev.attune.task.TokenRow;
import dev.attune.train.TokenTrainer;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The low-level door: training of a language model's adapter by somebody who writes the loop
 * himself, out of gradients, updates and samples.
 *
 * <pre>{@code
 * try (AdapterTrainer trainer = AdapterTrainer.open("gpt2", o -> o.rank(8))) {
 *   int[] prompt = trainer.encode("Once upon a time");
 *   int[] completion = trainer.encode(" there was a fox.");
 *   trainer.forwardBackward(
 *       List.of(TokenExample.completion(prompt, completion, 1)), LossFunction.crossEntropy());
 *   trainer.optimStep(AdamSettings.of(1e-4)).join();
 * }
 * }</pre>
 *
 * <p>Calls may come from any thread. They return at once and are done one after the other, in the
 * order in which they came, so whoever asks for the next one before he has the result of the last
 * keeps the processor busy. A call that fails changes nothing unless it says so, its future has the
 * reason ({@link InvalidInputException}, {@link TrainingDivergedException}, {@link
 * InsufficientMemoryException}, {@link IllegalStateException}), and those behind it are done all
 * the same. What is done when a future completes runs on other threads than that of the engine.
 *
 * <p>{@link #close} waits for what was asked for; a later call is an {@link IllegalStateException}.
 */
public final class AdapterTrainer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  /** The adapter and how it is computed; each method returns this. */
  public static final class Options {
    private final Map<RunOption, String> options = new EnumMap<>(RunOption.class);

    private Options() {
      set(RunOption.TASK, "causal-lm");
    }

    /** Rank of the adapter; needed unless a folder of one is opened. */
    public Options rank(int value) {
      return set(RunOption.LORA_R, value);
    }

    /** It is scaled by alpha / rank; twice the rank unless given. */
    public Options alpha(double value) {
      return set(RunOption.LORA_ALPHA, value);
    }

    /** Dropout on its input; 0 unless given. */
    public Options loraDropout(double value) {
      return set(RunOption.LORA_DROPOUT, value);
    }

    /** Names of the products that get one; all unless given. */
    public Options targets(String... names) {
      return set(RunOption.LORA_TARGETS, String.join(",", names));
    }

    /** Replaces every dropout of the model. */
    public Options dropout(double value) {
      return set(RunOption.DROPOUT, value);
    }

    /** The folder or name of an adapter's base model, where it is not what the adapter says. */
    public Options baseModel(String model) {
      return set(RunOption.BASE_MODEL, model);
    }

    /** Of new weights and dropout; 42 unless given. */
    public Options seed(long value) {
      return set(RunOption.SEED, value);
    }

    /** The type of activations. */
    public Options precision(Precision value) {
      return set(RunOption.PRECISION, value.name().toLowerCase(Locale.ROOT));
    }

    /** Where to train. */
    public Options device(Device value) {
      String name = value == Device.LIBTORCH ? "torch" : value.name().toLowerCase(Locale.ROOT);
      return set(RunOption.BACKEND, name);
    }

    /** Threads of the CPU; 0, the default: all cores. The result does not depend on it. */
    public Options threads(int value) {
      return set(RunOption.THREADS, value);
    }

    /** How the frozen weights are held. */
    public Options weights(WeightFormat value) {
      switch (value) {
        case NF4 -> set(RunOption.LOAD_IN_4BIT, true);
        case INT8 -> set(RunOption.LOAD_IN_8BIT, true);
        case BF16 -> set(RunOption.LOAD_IN_BF16, true);
        case AUTO -> {}
      }
      return this;
    }

    private Options set(RunOption option, Object value) {
      options.put(option, Objects.requireNonNull(value).toString());
      return this;
    }

    private RunConfig config(String model) {
      RunConfig.Builder builder = RunConfig.builder(CommandOptions.TRAIN);
      options.forEach(builder::set);
      return builder.set(RunOption.MODEL, model).build();
    }
  }

  private final ExecutorService engine;
  private final AdapterTraining training;

  private AdapterTrainer(ExecutorService engine, AdapterTraining training) {
    this.engine = engine;
    this.training = training;
  }

  /** Opens the adapter in a folder, to be trained further. */
  public static AdapterTrainer open(Path folder) {
    return open(folder, options -> {});
  }

  /** The model or adapter in a folder, with options. */
  public static AdapterTrainer open(Path folder, Consumer<Options> options) {
    return open(folder.toString(), options);
  }

  /**
   * Opens a model, to which a new adapter is trained, or an adapter, which is trained further.
   *
   * @param model its folder, or its name on the Hugging Face Hub: what is not on this machine is
   *     fetched
   * @throws InvalidInputException if there is none, or an option is wrong
   * @throws InsufficientMemoryException if there is no room
   */
  public static AdapterTrainer open(String model, Consumer<Options> options) {
    Options chosen = new Options();
    options.accept(chosen);
    ExecutorService engine =
        Executors.newSingleThreadExecutor(
            work -> {
              Thread thread = new Thread(work, "attune-adapter-trainer");
              thread.setDaemon(true);
              return thread;
            });
    try {
      return Faults.translated(
          () ->
              new AdapterTrainer(
                  engine,
                  onEngine(
                      engine,
                      () ->
                          AdapterTraining.open(
                              chosen.config(model),
                              note -> LOG.log(System.Logger.Level.INFO, Faults.words(note))))));
    } catch (RuntimeException | Error e) {
      engine.shutdown();
      throw e;
    }
  }

  /** A device belongs to the thread that opens it. */
  private static AdapterTraining onEngine(
      ExecutorService engine, Supplier<AdapterTraining> opening) {
    try {
      return CompletableFuture.supplyAsync(opening, engine).join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      if (e.getCause() instanceof Error cause) {
        throw cause;
      }
      throw e;
    }
  }

  /** The tokens of a text, with those that the tokenizer adds. */
  public int[] encode(String text) {
    return Faults.translated(() -> training.encode(text));
  }

  /** The text of tokens, special ones left out. */
  public String decode(int[] tokens) {
    return Faults.translated(() -> training.decode(tokens));
  }

  /**
   * Computes a loss, and adds its gradient to those that wait for {@link #optimStep}.
   *
   * <p>Where it fails for another reason than its examples, all gradients that waited are dropped,
   * for some of them are of this call.
   *
   * @param examples at least one; they are copied by the time that this returns
   */
  public CompletableFuture<ForwardBackwardResult> forwardBackward(
      List<TokenExample> examples, LossFunction loss) {
    List<TokenRow> rows = rows(examples);
    return submit(training -> result(training.forwardBackward(rows, loss.loss())));
  }

  /** The same without a gradient and without dropout: what a model finds of given tokens. */
  public CompletableFuture<ForwardBackwardResult> forward(
      List<TokenExample> examples, LossFunction loss) {
    List<TokenRow> rows = rows(examples);
    return submit(training -> result(training.forward(rows, loss.loss())));
  }

  private static List<TokenRow> rows(List<TokenExample> examples) {
    return examples.stream().map(TokenExample::row).toList();
  }

  private static ForwardBackwardResult result(TokenObjective.Found found) {
    return new ForwardBackwardResult(found.loss(), found.logprobs());
  }

  /**
   * Updates the weights by the sum of the gradients that wait. Without any it fails with an {@link
   * IllegalStateException}; with some that are not finite it leaves the weights as they are, and
   * drops them.
   */
  public CompletableFuture<OptimStepResult> optimStep(AdamSettings settings) {
    Objects.requireNonNull(settings, "settings");
    return submit(
        training -> {
          TokenTrainer.Update update =
              training.step(settings.config(), settings.learningRate(), settings.maxGradientNorm());
          return new OptimStepResult(update.steps(), update.gradNorm());
        });
  }

  /**
   * Continues a prompt by the weights as they are when its turn comes.
   *
   * @param prompt token ids, at least one
   * @param count texts
   */
  public CompletableFuture<List<SampledTokens>> sample(
      int[] prompt, SampleOptions options, int count) {
    int[] ids = prompt.clone();
    AdapterTraining.Sample how = options.sample();
    return submit(
        training ->
            training.sample(ids, how, count).stream().map(AdapterTrainer::sampled).toList());
  }

  /** The same for a text. */
  public CompletableFuture<List<SampledTokens>> sample(
      String prompt, SampleOptions options, int count) {
    return sample(encode(prompt), options, count);
  }

  private static SampledTokens sampled(Completion done) {
    double[] logprobs = done.logprobs().stream().mapToDouble(one -> one.logprob()).toArray();
    return new SampledTokens(done.tokens(), logprobs, Generator.reason(done.finish()));
  }

  /**
   * Saves weights, moments and counts, by which {@link #loadState} goes on to the same bytes. Fails
   * with an {@link IllegalStateException} while gradients wait for an update.
   */
  public CompletableFuture<Void> saveState(Path folder) {
    return submit(
        training -> {
          training.saveState(folder, AdapterTrainer::note);
          return null;
        });
  }

  /**
   * Goes on from a state that was saved here, or by another trainer that was opened in the same
   * way; gradients that wait are dropped. Fails with an {@link InvalidInputException}, and changes
   * nothing, where the state is of another model or adapter.
   */
  public CompletableFuture<Void> loadState(Path folder) {
    return submit(
        training -> {
          training.loadState(folder, AdapterTrainer::note);
          return null;
        });
  }

  /**
   * Writes the adapter into a folder as PEFT does, in place of one that was there: {@link
   * Generator#open} reads it.
   */
  public CompletableFuture<Void> saveAdapter(Path folder) {
    return submit(
        training -> {
          training.saveAdapter(folder);
          return null;
        });
  }

  private static void note(String note) {
    LOG.log(System.Logger.Level.WARNING, () -> Faults.words(note));
  }

  private <T> CompletableFuture<T> submit(Function<AdapterTraining, T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    Runnable call =
        () -> {
          try {
            T value = Faults.translated(() -> work.apply(training));
            // On another thread: what follows must not hold up the engine.
            result.completeAsync(() -> value);
          } catch (RuntimeException e) {
            result.completeAsync(
                () -> {
                  throw e;
                });
          } catch (Error e) {
            result.completeAsync(
                () -> {
                  throw e;
                });
          }
        };
    // Not between the last task of close and the end of the engine.
    synchronized (this) {
      if (engine.isShutdown()) {
        throw new IllegalStateException("the trainer is closed");
      }
      engine.execute(call);
    }
    return result;
  }

  @Override
  public void close() {
    synchronized (this) {
      if (!engine.isShutdown()) {
        engine.execute(training::close);
        engine.shutdown();
      }
    }
    boolean interrupted = false;
    try {
      while (!engine.isTerminated()) {
        try {
          engine.awaitTermination(1, TimeUnit.DAYS);
        } catch (InterruptedException e) {
          interrupted = true; // what was asked for is done first
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
