package dev.attune.run;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.BaseLoad;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.generate.Completion;
import dev.attune.generate.Finish;
import dev.attune.generate.GenerationDefaults;
import dev.attune.generate.GenerationLoop;
import dev.attune.generate.LogitRules;
import dev.attune.generate.Request;
import dev.attune.generate.Sampling;
import dev.attune.hub.Progress;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.optim.AdamW;
import dev.attune.store.LoraConfig;
import dev.attune.tape.Tape;
import dev.attune.task.CausalLm;
import dev.attune.task.Task;
import dev.attune.task.TokenLoss;
import dev.attune.task.TokenObjective;
import dev.attune.task.TokenRow;
import dev.attune.text.TextTokenizer;
import dev.attune.train.TokenTrainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/**
 * A language model with an adapter in training, step by step: gradients, updates, samples, states
 * and folders, each on request. One thread opens, uses and closes it.
 */
public final class AdapterTraining implements AutoCloseable {
  /** Texts in work at a time while sampling. */
  private static final int STREAMS = 16;

  /**
   * Tokens of an example where nobody says how many there are: what is planned for costs memory.
   */
  public static final int USUAL_LENGTH = 2048;

  /**
   * How tokens are sampled.
   *
   * @param maxTokens of each text at most
   * @param ends tokens that end a text, as its last one; null: those that the model's folder names
   */
  public record Sample(Sampling sampling, int maxTokens, int[] ends) {}

  /**
   * What a training takes and reads.
   *
   * @param bytes of memory at the most
   * @param vocabulary V; ids of tokens are below
   * @param length tokens of an example at the most
   */
  public record Need(long bytes, int vocabulary, int length) {}

  private final RunConfig config;
  private final ModelFolder base;
  private final LoraConfig lora;
  private final Session session;
  private final TextTokenizer tokenizer;
  private final Task task;
  private final Model model;
  private final int[] ends;
  private final ReadWriteLock uses = new ReentrantReadWriteLock(); // of the tokenizer, by others
  private boolean isClosed; // of these
  private TokenTrainer trainer;
  private final ContentDigest.Contents contents; // null: nothing was loaded

  private AdapterTraining(
      RunConfig config,
      ModelFolder base,
      LoraConfig lora,
      Session session,
      TextTokenizer tokenizer,
      Task task,
      Model model,
      ContentDigest.Contents contents) {
    this.config = config;
    this.base = base;
    this.lora = lora;
    this.session = session;
    this.tokenizer = tokenizer;
    this.task = task;
    this.model = model;
    this.contents = contents;
    Set<Integer> all = new TreeSet<>(GenerationDefaults.of(base).ends());
    tokenizer.vocabulary().eosId().ifPresent(all::add);
    this.ends = all.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * Opens the model that a config names, with new adapters as its options have them, or with those
   * of the folder, which are trained further.
   *
   * @param config of {@link CommandOptions#TRAIN}
   * @param fetching hears of what is fetched
   */
  public static AdapterTraining open(RunConfig config, Progress fetching) {
    return open(config, fetching, UnaryOperator.identity(), true);
  }

  /**
   * What a training takes, found by a rehearsal on a backend that computes nothing: nothing is read
   * but what says how the model is made.
   *
   * @param config as for {@link #open}
   * @param length tokens that an example, and a prompt with what is sampled, have at most; null: as
   *     many as the model reads, and {@link #USUAL_LENGTH} at most
   */
  public static Need need(RunConfig config, Integer length, Progress fetching) {
    PlannedBackend.Taken taken = new PlannedBackend.Taken();
    // What the CPU would take is close to what a device would, whose memory is not to be taken.
    try (AdapterTraining planned =
        open(
            config.with(RunOption.BACKEND, BackendKind.CPU.name().toLowerCase(Locale.ROOT)),
            fetching,
            backend -> PlannedBackend.of(backend, taken),
            false)) {
      return planned.need(taken, length);
    }
  }

  private Need need(PlannedBackend.Taken taken, Integer asked) {
    int most = Math.min(model.maxLength(), model.statedLength());
    int length = asked == null ? Math.min(USUAL_LENGTH, most) : asked;
    Check.input(
        length >= 2 && length <= most,
        "%s is %d; it must be from 2 to %d, the positions of the model",
        RunOption.MAX_LENGTH,
        length,
        most);
    trainer.rehearse(length);
    long bytes =
        taken.bytes()
            - tape().arena().reservedBytes()
            + tape().arena().highWaterBytes()
            + GenerationLoop.cacheBytes(
                (TransformerModel) model, session.precision(), STREAMS, length);
    return new Need(bytes, (int) model.vocabulary().rows(), length);
  }

  /**
   * The same on a backend in another's place.
   *
   * @param seen what stands there
   * @param loads whether weights are read
   */
  static AdapterTraining open(
      RunConfig config, Progress fetching, UnaryOperator<Backend> seen, boolean loads) {
    Compute compute = Compute.of(config);
    compute.precision().checkIsFloat();
    ModelFolder base =
        ModelFolder.openToTrain(
            config.required(RunOption.MODEL), config.text(RunOption.BASE_MODEL), fetching);
    LoraConfig lora = base.isAdapter() ? base.adapter().lora() : Adapters.of(config);
    if (lora == null) {
      throw new InputException(
          RunOption.LORA_R + " is 0; adapters are trained here, whose rank is at least 1");
    }
    RunConfig said = base.isAdapter() ? Adapters.continued(config, lora, base.path()) : config;
    Task task = new CausalLm(false);
    Session session = Session.open(compute, seen);
    TextTokenizer tokenizer = null;
    Model model = null;
    try {
      tokenizer = base.openTokenizer();
      model =
          task.model(
              session.backend(),
              base.config(),
              said.probability(RunOption.DROPOUT),
              Adapters.builder(
                  said, lora, base.isAdapter() ? base.path() : null, session.precision()));
      ContentDigest.Contents contents = null;
      if (loads) {
        load(said, base, lora, model);
        contents = contents(said, base);
      }
      AdapterTraining training =
          new AdapterTraining(said, base, lora, session, tokenizer, task, model, contents);
      training.begin();
      return training;
    } catch (RuntimeException | Error e) {
      if (model != null) {
        model.close();
      }
      if (tokenizer != null) {
        tokenizer.close();
      }
      session.close();
      throw e;
    }
  }

  private static ContentDigest.Contents contents(RunConfig config, ModelFolder base) {
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    return ContentDigest.contents(base, CausalLm.TYPE.settingsFiles(base), threads);
  }

  /**
   * What a training would begin from: {@link #content()}, without weights being loaded.
   *
   * @param config as for {@link #open}
   * @throws InputException if it cannot be begun from
   */
  public static String content(RunConfig config) {
    ModelFolder base =
        ModelFolder.openToTrain(
            config.required(RunOption.MODEL), config.text(RunOption.BASE_MODEL), Progress.silent());
    return contents(config, base).all();
  }

  private static void load(RunConfig config, ModelFolder base, LoraConfig lora, Model model) {
    if (base.isAdapter()) {
      AdapterWeights.load(base.path(), base.adapter(), base.base(), model);
    } else {
      ModelWeights.load(
          base.base(),
          model,
          new BaseLoad(config.integer(RunOption.SEED), true, lora, Set.of(), null));
    }
  }

  private void begin() {
    model.parameters().enableTraining();
    model.parameters().prepare(session.precision());
    long cache =
        GenerationLoop.cacheBytes(
            (TransformerModel) model, session.precision(), STREAMS, model.statedLength());
    session.leave(Math.min(cache, session.backend().reservableBytes() / 2));
    trainer = new TokenTrainer(model, tape());
  }

  /** What all calls compute on. */
  Tape tape() {
    return session.tape(config.integer(RunOption.SEED));
  }

  /** The tokens of a text, with those that the tokenizer adds; any thread may ask. */
  public int[] encode(String text) {
    return whileOpen(() -> tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids());
  }

  /** The text of tokens, special ones left out; any thread may ask. */
  public String decode(int[] tokens) {
    return whileOpen(() -> tokenizer.decode(tokens, true));
  }

  private <T> T whileOpen(Supplier<T> work) {
    uses.readLock().lock();
    try {
      Check.state(!isClosed, "the trainer is closed");
      return work.get();
    } finally {
      uses.readLock().unlock();
    }
  }

  /** See {@link TokenTrainer#forwardBackward}. */
  public TokenObjective.Found forwardBackward(List<TokenRow> rows, TokenLoss loss) {
    return trainer.forwardBackward(rows, loss);
  }

  /** See {@link TokenTrainer#forward}. */
  public TokenObjective.Found forward(List<TokenRow> rows, TokenLoss loss) {
    return trainer.forward(rows, loss);
  }

  /** See {@link TokenTrainer#step}. */
  public TokenTrainer.Update step(AdamW.Config adamw, double learningRate, double maxGradNorm) {
    return trainer.step(adamw, learningRate, maxGradNorm);
  }

  /** See {@link TokenTrainer#pending}. */
  public int pending() {
    return trainer.pending();
  }

  /** See {@link TokenTrainer#steps}. */
  public long steps() {
    return trainer.steps();
  }

  /**
   * Continues a prompt several times by the weights as they are. A token that ends a text is its
   * last one.
   *
   * @param count texts, whose random choices differ
   */
  public List<Completion> sample(int[] prompt, Sample how, int count) {
    if (count < 1) {
      throw new InputException(count + " samples are asked for; it must be at least 1");
    }
    for (int id : prompt) {
      long V = model.vocabulary().rows();
      Check.input(id >= 0 && id < V, "the prompt has the token %d; ids are 0 to %d", id, V - 1);
    }
    int[] stops = how.ends() == null ? ends : how.ends();
    Completion[] done = new Completion[count];
    int context = (int) Math.min((long) prompt.length + how.maxTokens(), model.statedLength());
    try (GenerationLoop loop =
        new GenerationLoop(
            (TransformerModel) model, tape(), Math.min(count, STREAMS), Math.max(2, context))) {
      for (int i = 0; i < count; i++) {
        int at = i;
        // Its ends are no ends to the loop, which would leave them out.
        Request request =
            new Request(
                prompt,
                how.sampling(),
                LogitRules.NONE,
                how.maxTokens(),
                new int[0],
                i,
                0,
                token -> Arrays.stream(stops).noneMatch(end -> end == token));
        loop.submit(
            request,
            completion ->
                done[at] =
                    completion.finish() == Finish.STOP
                        ? new Completion(completion.tokens(), Finish.END, completion.logprobs())
                        : completion);
      }
      loop.run();
    }
    return List.of(done);
  }

  /** What a state takes on the disk, but for a few kilobytes. */
  public long stateBytes() {
    return trainer.buffers().values().stream().mapToLong(Buffer::sizeBytes).sum();
  }

  /** What the adapter's folder takes on the disk at the most, its tokenizer left out. */
  public long adapterBytes() {
    return model.parameters().weights().sizeBytes();
  }

  /**
   * Saves weights, moments and counts: {@link #loadState} goes on from them to the same bytes.
   *
   * @throws IllegalStateException if gradients wait for an update, which no state holds
   */
  public void saveState(Path folder, Consumer<String> note) {
    Check.state(
        trainer.pending() == 0,
        "the gradients of %d calls wait for an update, which a state does not hold: update first",
        trainer.pending());
    saveWithoutGradients(folder, note);
  }

  /**
   * The same while gradients may wait for an update: they go on waiting here, and are not in the
   * state.
   */
  public void saveWithoutGradients(Path folder, Consumer<String> note) {
    AdapterState.save(folder, trainer, madeWith(), note);
  }

  /**
   * Goes on from what {@link #saveState} saved; gradients that wait for an update are dropped.
   *
   * @throws InputException if there is nothing, or it is of another model, adapter or arithmetic:
   *     nothing has changed then
   */
  public void loadState(Path folder, Consumer<String> note) {
    AdapterState.load(folder, trainer, madeWith(), note);
  }

  /** A digest of the files that it begins from: weights, configuration, an adapter's own. */
  public String content() {
    return contents.all();
  }

  /**
   * What the training that saved a state had begun from: its {@link #content()}.
   *
   * @throws InputException if there is no sound state in the folder
   */
  public static String contentOfState(Path folder, Consumer<String> note) {
    return AdapterState.base(folder, note);
  }

  /** All that the next bytes depend on beside the state. */
  private ObjectNode madeWith() {
    return JsonNodeFactory.instance
        .objectNode()
        .put(AdapterState.BASE, contents.all())
        .put("adapter", Adapters.described(lora))
        .put("seed", config.integer(RunOption.SEED))
        .put("dropout", String.valueOf(config.text(RunOption.DROPOUT)))
        .put("weight format", HeldWeights.of(config).name())
        .put("precision", session.precisionName())
        .put("backend", session.backend().arithmetic());
  }

  /**
   * Writes the adapter as PEFT has it, with the tokenizer, in place of one that was in the folder.
   *
   * @throws InputException if the folder holds another model
   */
  public void saveAdapter(Path folder) {
    ObjectNode attune = JsonNodeFactory.instance.objectNode();
    task.describe(attune, attune);
    String name = PreparedRun.baseName(config, base);
    attune.put("task", task.name());
    attune.put("base_model", name);
    attune.put(ContentDigest.BASE_CONTENT, contents.base());
    attune.put("max_length", model.statedLength());
    attune.put("steps", trainer.steps());
    FinishedModel finished =
        FinishedModel.adapter(
            model,
            lora,
            name,
            task.type().peftType(),
            base.hasOwnVocabulary(),
            tokenizer,
            base.generationConfig(),
            attune);
    if (isSame(folder, base.path()) || isSame(folder, base.base())) {
      throw new InputException(
          folder + " holds the model that is trained; give another folder to the adapter");
    }
    boolean replaces = ModelFolder.isAdapter(folder);
    try (OutputFolder output = OutputFolder.prepare(folder, null, replaces, false)) {
      finished.install(output.folder());
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the adapter could not be saved in " + folder + ": " + OutputFolder.describe(e), e);
    }
  }

  private static boolean isSame(Path one, Path other) {
    return one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
  }

  /** Waits for those who encode and decode. */
  @Override
  public void close() {
    uses.writeLock().lock();
    TokenTrainer last = trainer;
    // The last first, each also where one before it fails.
    try (session;
        tokenizer;
        model;
        last) {
      isClosed = true;
    } finally {
      uses.writeLock().unlock();
    }
  }
}
