package dev.attune;

import dev.attune.core.FileOps;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.run.CrossValidation;
import dev.attune.run.Datasets;
import dev.attune.run.RunConfig;
import dev.attune.run.RunListener;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Fine-tunes a model. What is not set has the default of {@code attune train --help}; every setter
 * returns this.
 *
 * <pre>{@code
 * Trainer.classification("minilm")
 *     .train(examples)
 *     .validation(more)
 *     .epochs(6)
 *     .learningRate(1e-4)
 *     .onStep(step -> System.out.println(step.loss()))
 *     .saveTo(Path.of("out"));
 * }</pre>
 *
 * <p>The model is named ("minilm"), a Hugging Face folder, or named as on the Hugging Face Hub
 * ({@code ORG/NAME}, {@code ORG/NAME@REVISION}). Data may be in memory or in files as the command
 * line reads them. Where a name of the hub is given, and nowhere else, what is not on this machine
 * is fetched. One thread uses a trainer at a time; its listeners hear on that thread.
 *
 * @param <E> the kind of example
 */
public final class Trainer<E> extends TrainingOptions<Trainer<E>> {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  /** Where examples come from: a file, or memory. */
  private record Source(String file, List<Example> examples) {
    /** What is in memory; null: a file, which the run reads. */
    static Dataset held(Source source, String name) {
      return source == null || source.file != null
          ? null
          : new Dataset(Path.of(name), source.examples);
    }
  }

  private final BiFunction<Integer, ? super E, Example> reader;
  private Source train;
  private Source validation;
  private Source test;
  private Consumer<TrainingStep> onStep;
  private Consumer<Evaluation> onEvaluation;
  private BooleanSupplier stopWhen;

  private Trainer(String task, String model, BiFunction<Integer, ? super E, Example> reader) {
    super(task, model);
    this.reader = reader;
  }

  @Override
  Trainer<E> self() {
    return this;
  }

  /** A trainer of a {@link Classifier}: one of several labels for each text or pair. */
  public static Trainer<LabeledText> classification(String model) {
    return new Trainer<>(
        "classification",
        model,
        (row, e) -> new Example(row, e.text(), e.pair(), e.label(), null, null, Map.of()));
  }

  /**
   * A trainer of a {@link Classifier} from few examples of each label: vectors that are alike where
   * labels are, then a logistic regression on them.
   */
  public static Trainer<LabeledText> fewShot(String model) {
    return new Trainer<>(
        "few-shot",
        model,
        (row, e) -> new Example(row, e.text(), e.pair(), e.label(), null, null, Map.of()));
  }

  /**
   * A trainer of a {@link MultiLabelClassifier} from few examples of each label: as {@link
   * #fewShot}, with a regression for each label.
   */
  public static Trainer<MultiLabeledText> fewShotMultiLabel(String model) {
    return new Trainer<>(
        "few-shot-multi-label",
        model,
        (row, e) -> Example.ofLabels(row, e.text(), e.pair(), e.labels()));
  }

  /** A trainer of a {@link MultiLabelClassifier}: any number of labels for each text or pair. */
  public static Trainer<MultiLabeledText> multiLabelClassification(String model) {
    return new Trainer<>(
        "multi-label-classification",
        model,
        (row, e) -> Example.ofLabels(row, e.text(), e.pair(), e.labels()));
  }

  /** A trainer of a {@link Regressor}: a number for each text or pair. */
  public static Trainer<ScoredText> regression(String model) {
    return new Trainer<>(
        "regression",
        model,
        (row, e) ->
            new Example(row, e.text(), e.pair(), Double.toString(e.score()), null, null, Map.of()));
  }

  /** A trainer of a {@link Tagger}: a tag for each word. */
  public static Trainer<TaggedWords> tokens(String model) {
    return new Trainer<>(
        "token-classification", model, (row, e) -> Example.ofTokens(row, e.words(), e.tags()));
  }

  /** A trainer of a {@link QuestionAnswerer}: where a text answers a question. */
  public static Trainer<AnsweredQuestion> questionAnswering(String model) {
    return new Trainer<>("question-answering", model, (row, e) -> e.example(row));
  }

  /** A trainer of a {@link Generator}: a language model. */
  public static Trainer<LanguageExample> causalLm(String model) {
    return new Trainer<>("causal-lm", model, (row, e) -> e.example(row));
  }

  /**
   * A trainer of a {@link Generator} by which of two answers is better (direct preference
   * optimization). The model, which knows how to answer already, is compared with what it was
   * before.
   */
  public static Trainer<PreferenceExample> preferences(String model) {
    return new Trainer<>("dpo", model, (row, e) -> e.example(row));
  }

  /** A trainer of a {@link MaskFiller}: a masked language model, of texts as they are. */
  public static Trainer<String> maskedLanguage(String model) {
    return new Trainer<>("masked-lm", model, (row, e) -> Example.of(row, e, null));
  }

  /**
   * A trainer of ELECTRA's discriminator, which finds tokens that are none of the text, from texts
   * as they are: what it leaves is a model for others to be trained from.
   *
   * @param generator folder of the masked language model that replaces tokens
   */
  public static Trainer<String> replacedTokens(String model, Path generator) {
    Trainer<String> trainer =
        new Trainer<>("replaced-token-detection", model, (row, e) -> Example.of(row, e, null));
    return trainer.set(RunOption.GENERATOR, Objects.requireNonNull(generator, "generator"));
  }

  /**
   * A trainer of an {@link Embedder}: vectors of texts, of which like ones are near. The loss,
   * where {@link #loss} does not say, is the usual one for the kind of examples.
   */
  public static Trainer<RelatedTexts> embedding(String model) {
    return new Trainer<>("embedding", model, (row, e) -> e.example(row));
  }

  /** What to learn. The examples are read now, once. */
  public Trainer<E> train(Iterable<? extends E> examples) {
    train = read(examples.iterator());
    return this;
  }

  /** What to learn. The stream is consumed now. */
  public Trainer<E> train(Stream<? extends E> examples) {
    train = read(examples.iterator());
    return this;
  }

  /**
   * What to learn, in a file: CSV, TSV, JSON lines or a JSON list, SQuAD's JSON, Parquet, CoNLL or
   * text, by its ending, which may be followed by .gz or .zst; or in a folder of such files. How
   * they are written can be said by {@link #option}: "format", "encoding", "delimiter", "quoting".
   */
  public Trainer<E> train(Path file) {
    return train(file.toString());
  }

  /** The same, or {@code hf://datasets/ORG/NAME/path/file.csv} of the Hugging Face Hub. */
  public Trainer<E> train(String file) {
    train = new Source(file, null);
    return this;
  }

  /** What to evaluate on while training. */
  public Trainer<E> validation(Iterable<? extends E> examples) {
    validation = read(examples.iterator());
    return this;
  }

  /** What to evaluate on while training. The stream is consumed now. */
  public Trainer<E> validation(Stream<? extends E> examples) {
    validation = read(examples.iterator());
    return this;
  }

  /** What to evaluate on while training, in a file. */
  public Trainer<E> validation(Path file) {
    return validation(file.toString());
  }

  /** The same, named as for {@link #train(String)}. */
  public Trainer<E> validation(String file) {
    validation = new Source(file, null);
    return this;
  }

  /** What to evaluate on once, at the end. */
  public Trainer<E> test(Iterable<? extends E> examples) {
    test = read(examples.iterator());
    return this;
  }

  /** What to evaluate on once, at the end. The stream is consumed now. */
  public Trainer<E> test(Stream<? extends E> examples) {
    test = read(examples.iterator());
    return this;
  }

  /** What to evaluate on once, at the end, in a file. */
  public Trainer<E> test(Path file) {
    return test(file.toString());
  }

  /** The same, named as for {@link #train(String)}. */
  public Trainer<E> test(String file) {
    test = new Source(file, null);
    return this;
  }

  private Source read(Iterator<? extends E> examples) {
    List<Example> out = new ArrayList<>();
    while (examples.hasNext()) {
      out.add(reader.apply(out.size() + 1, Objects.requireNonNull(examples.next(), "example")));
    }
    return new Source(null, out);
  }

  /** Hears of each optimizer step. What it throws ends the run. */
  public Trainer<E> onStep(Consumer<TrainingStep> listener) {
    onStep = onStep == null ? listener : onStep.andThen(listener);
    return this;
  }

  /** Hears of each evaluation. What it throws ends the run. */
  public Trainer<E> onEvaluation(Consumer<Evaluation> listener) {
    onEvaluation = onEvaluation == null ? listener : onEvaluation.andThen(listener);
    return this;
  }

  /** Asked after every step: once true, the run saves a checkpoint and ends. */
  public Trainer<E> stopWhen(BooleanSupplier condition) {
    stopWhen = condition;
    return this;
  }

  /**
   * Trains, and writes the model into a folder that Transformers loads unchanged.
   *
   * <p>An interrupt of the calling thread is a request to stop: the run saves a checkpoint after
   * the step in hand and returns; {@link TrainingResult#stopped} is then true, and the thread's
   * interrupt flag is set.
   *
   * @throws InvalidInputException if the data, the model, an option or the folder is wrong; nothing
   *     was changed
   * @throws InsufficientMemoryException if there is no room
   * @throws TrainingDivergedException if the loss stops being finite
   */
  public TrainingResult saveTo(Path folder) {
    RunConfig config = config(folder).build();
    return run((data, listener, stop) -> result(new TrainRun(config, data, listener, stop).run()));
  }

  /**
   * Cross-validation: trains as often as there are folds, each time on all examples but a fold's,
   * and measures on that fold. Every example is in one fold; labels are spread evenly over them,
   * equal texts are in one. It leaves the metrics in the folder, and the predictions of each
   * example by the model that had not learned it; no model.
   *
   * @param folds at least 2
   * @throws InvalidInputException likewise
   */
  public CrossValidationResult crossValidate(int folds, Path folder) {
    RunConfig config = config(folder).set(RunOption.K_FOLD, Integer.toString(folds)).build();
    return run(
        (data, listener, stop) ->
            result(new CrossValidation(config, data, listener, stop).run(), true));
  }

  /** The same where the metrics are all that is wanted: no file is left. */
  public CrossValidationResult crossValidate(int folds) {
    Path folder = null;
    try {
      folder = Files.createTempDirectory("attune-folds");
      RunConfig config = config(folder).set(RunOption.K_FOLD, Integer.toString(folds)).build();
      return run(
          (data, listener, stop) ->
              result(new CrossValidation(config, data, listener, stop).run(), false));
    } catch (IOException e) {
      throw new AttuneException("there is no temporary folder: " + e.getMessage(), e);
    } finally {
      remove(folder);
    }
  }

  private static void remove(Path folder) {
    try {
      if (folder != null) {
        FileOps.SYSTEM.deleteTree(folder);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, () -> folder + " cannot be removed: " + e);
    }
  }

  /** What is done on a thread of its own, with the examples that are in memory. */
  private interface Work<T> {
    T run(Datasets data, RunListener listener, BooleanSupplier stop);
  }

  private <T> T run(Work<T> work) {
    if (train == null) {
      throw new InvalidInputException("there is nothing to learn: call train first", null);
    }
    return Faults.translated(
        () ->
            RunThread.run(
                "attune-train",
                thread -> {
                  Datasets data =
                      new Datasets(
                          Source.held(train, "the training examples"),
                          Source.held(validation, "the validation examples"),
                          Source.held(test, "the test examples"));
                  BooleanSupplier stop =
                      () ->
                          thread.isInterrupted()
                              || stopWhen != null && thread.onCaller(stopWhen::getAsBoolean);
                  return work.run(data, new RunEvents(thread, onStep, onEvaluation), stop);
                }));
  }

  private RunConfig.Builder config(Path folder) {
    RunConfig.Builder builder = configured();
    file(builder, RunOption.TRAIN_FILE, train);
    file(builder, RunOption.VALIDATION_FILE, validation);
    file(builder, RunOption.TEST_FILE, test);
    return builder.set(RunOption.OUTPUT_DIR, folder.toString());
  }

  private static void file(RunConfig.Builder builder, RunOption option, Source source) {
    if (source != null && source.file() != null) {
      builder.set(option, source.file());
    }
  }

  private static TrainingResult result(TrainRun.Outcome outcome) {
    var training = outcome.training();
    return new TrainingResult(
        training.steps(),
        training.epochs(),
        training.trainLoss(),
        training.evaluation(),
        outcome.test(),
        training.tokensPerSecond(),
        training.interrupted(),
        training.stoppedEarly(),
        outcome.modelFolder());
  }

  private static CrossValidationResult result(CrossValidation.Outcome outcome, boolean keepsFiles) {
    return new CrossValidationResult(
        outcome.folds().stream()
            .map(
                fold ->
                    new CrossValidationResult.Fold(
                        fold.number(), fold.rows(), fold.steps(), fold.metrics()))
            .toList(),
        outcome.mean(),
        outcome.standardError(),
        outcome.interrupted(),
        keepsFiles ? outcome.predictions() : null);
  }
}
