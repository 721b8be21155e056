package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TrainingData;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.BaseLoad;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.HeadChoice;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.generate.GenerationDefaults;
import dev.attune.generate.TextGeneration;
import dev.attune.hub.Progress;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.run.RunIdentity.Fact;
import dev.attune.store.Freezing;
import dev.attune.store.ParameterBuilder;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.track.ChromeTrace;
import dev.attune.track.TracedBackend;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** All that a training run needs before its first step: the model loaded, the data tokenised. */
final class PreparedRun implements AutoCloseable {
  private final TrainPlan plan;
  private final ModelFolder base;
  private final Data data;
  private final OutputFolder output;
  private final Session session;
  private final TextTokenizer tokenizer;
  private final AddedVocabulary added; // null: the vocabulary is as it was
  private final Model model;
  private DataReport report;
  private ContentDigest.Contents contents; // of what it begins from
  private RunIdentity identity; // null until it is asked for
  private Streaming stream; // null: the training data are read already
  private ChromeTrace trace; // null: nobody wants to know where time goes
  private SharedBase shared; // null: the run is alone

  private PreparedRun(
      TrainPlan plan,
      ModelFolder base,
      Data data,
      OutputFolder output,
      Session session,
      TextTokenizer tokenizer,
      AddedVocabulary added,
      Model model) {
    this.plan = plan;
    this.base = base;
    this.data = data;
    this.output = output;
    this.session = session;
    this.tokenizer = tokenizer;
    this.added = added;
    this.model = model;
  }

  /**
   * Prepares.
   *
   * @param datasets null, or null in it: the files that the options name
   * @param fold of a cross-validation; null: the run is none
   * @param shared what it has in common with others of a group; null: it is alone
   * @throws InputException on the first thing that makes training impossible or pointless
   */
  static PreparedRun of(
      TrainPlan asked, Datasets datasets, Fold fold, SharedBase shared, RunListener listener) {
    RunConfig given = asked.config();
    boolean needsFile = datasets == null || datasets.train() == null;
    Datasets.check(given, needsFile);
    Streaming.check(given, asked.task(), needsFile);
    (fold == null ? HeldOut.of(given, datasets) : HeldOut.FOLD).check(asked);
    OutputFolder.checkFree(
        Path.of(given.text(RunOption.OUTPUT_DIR)),
        given.flag(RunOption.OVERWRITE),
        given.flag(RunOption.RESUME));
    Progress fetching = Fetched.heardBy(listener);
    ModelFolder base =
        ModelFolder.openToTrain(
            given.text(RunOption.MODEL), given.text(RunOption.BASE_MODEL), fetching);
    if (base.isAdapter() && given.flag(RunOption.FROM_SCRATCH)) {
      throw new InputException(
          RunOption.FROM_SCRATCH + ": " + base.path() + " is an adapter; give its base model");
    }
    TrainPlan plan = base.isAdapter() ? asked.continuing(base) : asked.ofModel();
    RunConfig config = plan.config();
    plan.freezing().check(Families.layers(base.config()));
    LargeData large = new LargeData(config, listener::onNote);
    Opening opening = new Opening();
    try {
      boolean asTurns = plan.task().generates() && base.hasChatTemplate();
      RunConfig fetched = Fetched.data(config, fetching);
      Streaming stream =
          opening.add(Streaming.open(fetched, Datasets.options(fetched, plan.task(), asTurns)));
      Datasets known = stream == null ? datasets : stream.with(datasets);
      Subject subject =
          Subject.of(plan, base, Datasets.read(fetched, known, asTurns, large.rows()), fold);
      Task task = subject.data().task();
      HeadChoice head = subject.head();
      Data data = subject.data();
      OutputFolder output =
          opening.add(
              OutputFolder.prepare(
                  Path.of(config.text(RunOption.OUTPUT_DIR)),
                  fold,
                  config.flag(RunOption.OVERWRITE),
                  config.flag(RunOption.RESUME)));
      listener.onReserved(output::release);
      // The kernels are loaded meanwhile.
      Background<TextTokenizer> reading =
          Background.start(
              "attune-tokenizer",
              () -> shared == null ? base.openTokenizer() : shared.tokenizer(base));
      opening.add(() -> reading.discard(plain -> closeOwn(plain, shared)));
      ChromeTrace trace = config.flag(RunOption.PROFILE) ? new ChromeTrace() : null;
      Compute compute = compute(config, output);
      Session session =
          opening.add(
              shared != null
                  ? shared.session(compute)
                  : Session.open(
                      compute,
                      backend -> trace == null ? backend : TracedBackend.of(backend, trace)));
      TextTokenizer plain = reading.joinUninterruptibly();
      AddedVocabulary added = AddedVocabulary.of(config, base, plain);
      TextTokenizer tokenizer = added == null ? plain : opening.add(added.tokenizer());
      ParameterBuilder builder = builder(plan, base, session);
      if (shared != null) {
        builder.borrow(shared.declare(plan, base, task), true);
      }
      Model model =
          opening.add(
              task.model(
                  session.backend(),
                  added == null ? base.config() : added.config(base.config()),
                  plan.dropout(),
                  builder));
      PreparedRun run = new PreparedRun(plan, base, data, output, session, tokenizer, added, model);
      run.trace = trace;
      run.shared = shared;
      run.stream = stream;
      run.load(head, large, listener);
      return run;
    } catch (RuntimeException | Error e) {
      opening.closeAfter(e);
      throw e;
    }
  }

  /** A run that goes on computes as it was begun. */
  private static Compute compute(RunConfig config, OutputFolder output) {
    Compute compute = Compute.of(config);
    return config.flag(RunOption.RESUME)
        ? CheckpointStore.peek(output.checkpoints())
            .map(state -> RunIdentity.goingOn(compute, state))
            .orElse(compute)
        : compute;
  }

  static ParameterBuilder builder(TrainPlan plan, ModelFolder base, Session session) {
    ParameterBuilder builder =
        Adapters.builder(
            plan.config(), plan.lora(), base.isAdapter() ? base.path() : null, session.precision());
    builder.freeze(plan.freezing());
    if (plan.isAsBegun()) {
      builder.goOn();
    }
    return builder;
  }

  /** Loads the weights while the text is tokenised; then tells what both found. */
  private void load(HeadChoice head, LargeData large, RunListener listener) {
    RunConfig config = plan.config();
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    Background<ModelWeights.Loaded> weights =
        Background.start("attune-weights", () -> loadWeights(head, threads));
    ModelWeights.Loaded loaded;
    try {
      report =
          data.encode(
              config, tokenizer, maxLength(), threads, large.tokens(), listener::onTokenised);
    } finally {
      loaded = weights.join();
    }
    listener.onBase(baseContent(contents.all(), tokenizer));
    listener.onDataReport(report);
    report.throwIfFatal();
    int vocabulary = config().path("vocab_size").asInt();
    data.checkVocabulary(vocabulary);
    if (stream != null) {
      data.stream(first -> streamed(first, vocabulary));
      Optional.of(stream.note()).filter(note -> !note.isEmpty()).ifPresent(listener::onNote);
    }
    if (added != null) {
      listener.onNote(added.note());
    }
    if (plan.generation() != null) {
      data.prepareAnswers(
          new TextGeneration(plan.generation(), tokenizer, GenerationDefaults.of(base)),
          model.maxLength());
      if (session.backend().device() == DeviceKind.CPU) {
        checkAnswerRoom(listener);
      }
    }
    if (base.isAdapter()) {
      listener.onNote(
          "training goes on with the adapter "
              + base.path()
              + " of "
              + baseName()
              + ": rank "
              + plan.lora().rank()
              + ", alpha "
              + plan.lora().alpha());
    }
    Frozen.check(model.parameters(), loaded.created(), plan.lora() != null);
    if (!plan.freezing().equals(Freezing.NOTHING)) {
      listener.onNote(Frozen.note(model.parameters()));
    }
    if (plan.lora() != null && !config.isGiven(RunOption.LEARNING_RATE)) {
      listener.onNote(
          RunOption.LEARNING_RATE
              + " is "
              + config.text(RunOption.LEARNING_RATE)
              + ", the default of adapters");
    }
    if (config.isGiven(RunOption.EPOCHS) && plan.trainer().maxSteps() > 0) {
      listener.onNote(
          "the run ends as "
              + RunOption.MAX_STEPS.with(plan.trainer().maxSteps())
              + " says, in whose place "
              + RunOption.EPOCHS.with(config.text(RunOption.EPOCHS))
              + " would count");
    }
    TextLength.note(maxLength(), model).ifPresent(listener::onNote);
    Integer ofTask = data.task().usualLength();
    int usual = ofTask != null ? ofTask : config.smallInteger(RunOption.MAX_LENGTH);
    TextLength.tokenizerNote(
            maxLength(),
            config.isGiven(RunOption.MAX_LENGTH),
            Math.min(usual, model.statedLength()),
            tokenizer)
        .ifPresent(listener::onNote);
    String defaults = config.usualOnes();
    if (!defaults.isEmpty()) {
      listener.onNote("defaults of " + RunOption.TASK.with(plan.task().name()) + ": " + defaults);
    }
    data.task().notes(tokenizer, maxLength()).forEach(listener::onNote);
    boolean isNew = !loaded.created().isEmpty();
    if (isNew != head.keeps()) {
      head.note().ifPresent(listener::onNote);
    }
    if (config.flag(RunOption.FROM_SCRATCH)) {
      listener.onNote(
          "all weights are new, as "
              + RunOption.FROM_SCRATCH
              + " says: matrices normal with deviation "
              + model.initializerRange()
              + ", norms 1, biases 0");
    } else if (isNew) {
      listener.onNote("new weights: " + String.join(", ", loaded.created()));
    }
    TrainedModel.unusedNote(loaded.unused()).ifPresent(listener::onNote);
    base.tokenizerNote().ifPresent(listener::onNote);
  }

  /** A run that goes on may do with less, as it did: its texts need not become that long. */
  private void checkAnswerRoom(RunListener listener) {
    try {
      data.checkAnswerRoom(model, session.precision(), session.backend().reservableBytes());
    } catch (InputException e) {
      if (!plan.isAsBegun()) {
        throw e;
      }
      listener.onNote("memory may not do for evaluations: " + e.getMessage());
    }
  }

  private TrainingData streamed(EncodedDataset first, int vocabulary) {
    return stream.data(
        data.task(),
        plan.newHead() ? List.of() : base.labelNames(),
        data.task().encoder(tokenizer, maxLength(), Purpose.TRAINING),
        first,
        maxLength(),
        vocabulary);
  }

  private ModelWeights.Loaded loadWeights(HeadChoice head, int threads) {
    ContentDigest.Contents known = shared == null ? null : shared.load(threads);
    ModelWeights.Loaded loaded;
    if (base.isAdapter()) {
      loaded = AdapterWeights.load(base.path(), base.adapter(), base.base(), model);
    } else if (plan.config().flag(RunOption.FROM_SCRATCH)) {
      loaded = ModelWeights.draw(model, plan.trainer().seed());
    } else {
      loaded =
          ModelWeights.load(
              base.base(),
              model,
              new BaseLoad(
                  plan.trainer().seed(),
                  head.keeps(),
                  plan.lora(),
                  Set.of(),
                  added == null ? null : added.rows()));
    }
    contents =
        known != null
            ? known
            : ContentDigest.contents(base, plan.task().settingsFiles(base), threads);
    return loaded;
  }

  /**
   * The base model by its name, or by the whole path of its folder: as an adapter that is trained
   * here is to name it.
   */
  String baseName() {
    return baseName(plan.config(), base);
  }

  /** The same of a model that a config names. */
  static String baseName(RunConfig config, ModelFolder base) {
    String moved = config.text(RunOption.BASE_MODEL);
    String name = base.isAdapter() ? base.adapter().base() : config.text(RunOption.MODEL);
    String counts = moved == null ? name : moved;
    Path folder = Path.of(counts);
    return Files.isDirectory(folder) ? folder.toAbsolutePath().normalize().toString() : counts;
  }

  /**
   * What a run begins from, by content: another one where a weight, the configuration or the
   * tokenizer is another.
   *
   * @param weights digest of the model's files
   */
  static String baseContent(String weights, TextTokenizer tokenizer) {
    return weights + "-" + ContentDigest.ofTokenizer(tokenizer);
  }

  /** What the base that an adapter is opened with is, by content. */
  String baseContent() {
    return contents.base();
  }

  /** What a resume compares. */
  RunIdentity identity() {
    if (identity == null) {
      identity = new RunIdentity(plan.config(), facts(), stream == null ? 0 : stream.firstRows());
    }
    return identity;
  }

  private Map<Fact, String> facts() {
    Map<Fact, String> facts = new EnumMap<>(Fact.class);
    facts.put(Fact.BASE_MODEL, contents.all());
    facts.put(Fact.TOKENIZER, ContentDigest.ofTokenizer(tokenizer));
    if (added != null) {
      facts.put(Fact.ADDED_TOKENS, AddedVocabulary.fingerprint(plan.config()));
    }
    if (plan.config().text(RunOption.GENERATOR) != null) {
      ModelFolder generator =
          ModelFolder.open(Path.of(plan.config().text(RunOption.GENERATOR)), null);
      facts.put(
          Fact.GENERATOR,
          ContentDigest.ofModel(
              generator,
              List.of(),
              Backends.threads(plan.config().smallInteger(RunOption.THREADS))));
    }
    facts.put(Fact.TRAINING_DATA, data.trainFingerprint());
    if (data.task().labelTemplate() != null) {
      facts.put(Fact.LABEL_TEMPLATE, data.task().labelTemplate());
    }
    facts.put(Fact.VALIDATION_DATA, data.validationFingerprint());
    if (plan.generation() != null) {
      facts.put(Fact.GENERATION, ContentDigest.ofTexts(List.of(base.generation().toString())));
    }
    facts.put(Fact.PRECISION, session.precisionName());
    facts.put(Fact.BACKEND, session.backend().arithmetic());
    return facts;
  }

  TrainPlan plan() {
    return plan;
  }

  ModelFolder base() {
    return base;
  }

  /** The config.json of the model that is trained, but for its task. */
  ObjectNode config() {
    return added == null ? base.config() : added.config(base.config());
  }

  Data data() {
    return data;
  }

  DataReport report() {
    return report;
  }

  OutputFolder output() {
    return output;
  }

  Session session() {
    return session;
  }

  /** Where time goes; null: nobody wants to know. */
  ChromeTrace trace() {
    return trace;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  Model model() {
    return model;
  }

  int maxLength() {
    return plan.maxLength(model, data.task().usualLength(), tokenizer);
  }

  @Override
  public void close() {
    if (stream != null) {
      stream.close();
    }
    model.close();
    closeOwn(tokenizer, added == null ? shared : null);
    session.close();
    output.close();
  }

  /** That of a group is the group's. */
  private static void closeOwn(TextTokenizer tokenizer, SharedBase shared) {
    if (shared == null) {
      tokenizer.close();
    }
  }
}
