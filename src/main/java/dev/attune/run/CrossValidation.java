package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.WholeJson;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelNames;
import dev.attune.data.RowCache;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFiles;
import dev.attune.folder.ModelFolder;
import dev.attune.hub.Progress;
import dev.attune.run.RunIdentity.Fact;
import dev.attune.storage.AtomicFile;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * K training runs with the same options, each of which holds out another part of the training data
 * and is measured on it. {@code OUTPUT/fold-k} holds what each leaves; {@code
 * OUTPUT/cross_validation.json} the metrics of all; {@code OUTPUT/predictions.jsonl} what the runs
 * say of the rows that they did not learn, each row once, in the order of the file.
 */
public final class CrossValidation {
  /**
   * One fold.
   *
   * @param number from 1
   * @param steps optimizer steps of its run
   * @param rows that were held out
   * @param metrics on them, by name
   */
  public record FoldResult(int number, long steps, int rows, Map<String, Double> metrics) {}

  /**
   * What came out.
   *
   * @param folds that are done, in their order
   * @param mean of each metric over the folds; empty where it was interrupted
   * @param standardError of that mean: the standard deviation (of n - 1) over the root of n
   * @param predictions the file of all rows; null: interrupted, or a task without predictions
   * @param outputDir where all is
   * @param interrupted whether it was told to stop; a resume goes on in the fold at hand
   * @param task what was learned
   */
  public record Outcome(
      List<FoldResult> folds,
      Map<String, Double> mean,
      Map<String, Double> standardError,
      Path predictions,
      Path outputDir,
      boolean interrupted,
      TaskType task) {}

  /** What decides what is measured on, beside the folds. */
  private static final List<RunOption> OTHER_DATA =
      List.of(
          RunOption.VALIDATION_FILE,
          RunOption.VALIDATION_SPLIT,
          RunOption.TEST_FILE,
          RunOption.TEST_SPLIT,
          RunOption.MAX_EVAL_SAMPLES);

  private final RunConfig config;
  private final Datasets datasets;
  private final RunListener listener;
  private final BooleanSupplier stopRequested;
  private final int count;

  /**
   * A cross-validation as the options say.
   *
   * @param datasets whose training examples are in memory; null: the file that the options name
   * @param stopRequested as of {@link TrainRun}
   */
  public CrossValidation(
      RunConfig config, Datasets datasets, RunListener listener, BooleanSupplier stopRequested) {
    this.config = config;
    this.datasets = datasets;
    this.listener = listener;
    this.stopRequested = stopRequested;
    this.count = config.smallInteger(RunOption.K_FOLD);
  }

  /** Whether a run's options ask for one. */
  public static boolean isAskedFor(RunConfig config) {
    return config.smallInteger(RunOption.K_FOLD) != 0;
  }

  /** Runs all folds, or goes on with those that are not done. */
  public Outcome run() {
    check();
    TrainPlan plan = TrainPlan.of(config);
    boolean needsFile = datasets == null || datasets.train() == null;
    Datasets.check(config, needsFile);
    Streaming.check(config, plan.task(), needsFile);
    boolean resumes = config.flag(RunOption.RESUME);
    Path folder = Path.of(config.text(RunOption.OUTPUT_DIR));
    checkFolder(folder);
    Compute asked = Compute.of(config);
    if (resumes) {
      asked = RunIdentity.goingOn(asked, begun(folder));
    }
    Progress fetching = Fetched.heardBy(listener);
    ModelFolder base =
        ModelFolder.openToTrain(
            config.text(RunOption.MODEL), config.text(RunOption.BASE_MODEL), fetching);
    Dataset rows =
        Datasets.read(
                Fetched.data(config, fetching),
                datasets,
                plan.task().generates() && base.hasChatTemplate(),
                RowCache.none())
            .train();
    Map<Fact, String> facts = facts(plan.task(), base, rows, asked);
    Compute compute = asked.goingOn(facts.get(Fact.BACKEND), facts.get(Fact.PRECISION));
    try (OutputFolder output =
        OutputFolder.prepare(folder, null, config.flag(RunOption.OVERWRITE), resumes)) {
      listener.onReserved(output::release);
      output.checkFoldsFree();
      for (int number = 1; number <= count; number++) {
        Task task = Subject.checkFold(plan, base, rows, new Fold(number, count));
        if (task.labelTemplate() != null) {
          facts.put(Fact.LABEL_TEMPLATE, task.labelTemplate());
        }
      }
      RunIdentity identity = new RunIdentity(config, facts);
      if (resumes) {
        JsonNode begun = begun(output.folder());
        identity.checkSame(begun);
        identity.checkSameLength(begun);
      }
      Runnable begin = resumes ? () -> {} : () -> begin(output.folder(), identity);
      return run(plan.task(), rows, compute, output.folder(), begin);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + folder + ": " + OutputFolder.describe(e), e);
    }
  }

  private void check() {
    if (count < 2) {
      throw new InputException(
          RunOption.K_FOLD + " is " + count + "; it must be at least 2, for example 5");
    }
    for (RunOption option : OTHER_DATA) {
      if (config.isGiven(option)) {
        throw new InputException(
            RunOption.K_FOLD
                + " and "
                + option
                + " are both given; with folds every row of "
                + RunOption.TRAIN_FILE
                + " is measured on once, and nothing else is");
      }
    }
    if (datasets != null && (datasets.validation() != null || datasets.test() != null)) {
      throw new InputException(
          "a cross-validation measures on every training example once, and takes no validation or"
              + " test examples beside them");
    }
  }

  /** Refuses a folder that holds something else, or what nobody asked to go on with. */
  private void checkFolder(Path folder) {
    boolean begun = Files.exists(OutputFolder.crossValidation(folder));
    boolean isOther = Files.exists(OutputFolder.checkpoints(folder)) || holdsModel(folder);
    if (isOther || begun && !config.flag(RunOption.RESUME) && !config.flag(RunOption.OVERWRITE)) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder)
              + (isOther
                  ? " holds a run that is no cross-validation; give another folder"
                  : " already holds a cross-validation; give "
                      + RunOption.OVERWRITE
                      + " to replace it, "
                      + RunOption.RESUME
                      + " to go on with it, or another folder"));
    }
  }

  /** What the folds have in common; the backend is open for as long as it takes to ask it. */
  private Map<Fact, String> facts(TaskType task, ModelFolder base, Dataset rows, Compute compute) {
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    Map<Fact, String> facts = new EnumMap<>(Fact.class);
    facts.put(Fact.BASE_MODEL, ContentDigest.ofModel(base, task.settingsFiles(base), threads));
    facts.put(
        Fact.TRAINING_DATA,
        ContentDigest.ofTexts(rows.examples().stream().map(Example::toString).toList()));
    LabelNames names = LabelNames.parse(config.text(RunOption.LABEL_NAMES));
    facts.put(
        Fact.LABEL_NAMES, names == null ? "none" : ContentDigest.ofTexts(names.map().names()));
    try (TextTokenizer tokenizer = base.openTokenizer();
        Session session = Session.open(compute)) {
      facts.put(Fact.TOKENIZER, ContentDigest.ofTokenizer(tokenizer));
      if (config.isGiven(RunOption.ADD_TOKENS)) {
        facts.put(Fact.ADDED_TOKENS, AddedVocabulary.fingerprint(config));
      }
      facts.put(Fact.PRECISION, session.precisionName());
      facts.put(Fact.BACKEND, session.backend().arithmetic());
    }
    return facts;
  }

  /** What the cross-validation that is to go on noted of itself. */
  private static JsonNode begun(Path folder) {
    Path summary = OutputFolder.crossValidation(folder);
    if (!Files.exists(summary)) {
      throw new InputException(
          RunOption.RESUME + ": " + folder + " holds no cross-validation to go on with");
    }
    try {
      return WholeJson.read(summary);
    } catch (IOException e) {
      throw new InputException(
          RunOption.RESUME + ": " + summary + " cannot be read: " + OutputFolder.describe(e), e);
    }
  }

  private static boolean holdsModel(Path folder) {
    try {
      return ModelFolder.holdsModel(folder);
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT_DIR.with(folder) + " cannot be read: " + OutputFolder.describe(e), e);
    }
  }

  /** Takes the place of what was there, once the first fold is about to take its first step. */
  private static void begin(Path folder, RunIdentity identity) {
    try {
      clear(folder);
      ObjectNode begun = JsonNodeFactory.instance.objectNode();
      identity.writeTo(begun);
      write(OutputFolder.crossValidation(folder), begun);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + folder + ": " + OutputFolder.describe(e), e);
    }
  }

  /** Removes what an earlier cross-validation left. */
  private static void clear(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        boolean isFold = OutputFolder.isNamedAsFold(file) && Files.exists(file.resolve("run.yaml"));
        if (isFold && file.equals(OutputFolder.fold(folder, 1))) {
          new FoldFolder(file).clear(); // the run that begins is at work there
        } else if (isFold) {
          FileOps.SYSTEM.deleteTree(file);
        }
      }
    }
    FileOps.SYSTEM.delete(predictionsFile(folder));
  }

  private static Path predictionsFile(Path folder) {
    return folder.resolve("predictions.jsonl");
  }

  private Outcome run(TaskType task, Dataset rows, Compute compute, Path folder, Runnable begin)
      throws IOException {
    boolean resumes = config.flag(RunOption.RESUME);
    List<FoldResult> results = new ArrayList<>();
    boolean isFirst = true; // of those that are run now
    for (int number = 1; number <= count; number++) {
      Path place = OutputFolder.fold(folder, number);
      FoldFolder fold = new FoldFolder(place);
      if (!resumes || fold.done() == null) {
        listener.onPreparing(left(number, results.size()));
        listener.onNote("fold " + number + " of " + count);
        boolean interrupted =
            stopRequested.getAsBoolean()
                || new TrainRun(
                        foldConfig(place, compute, resumes),
                        new Datasets(rows, null, null),
                        new Fold(number, count, resumes),
                        new Once(listener, isFirst, begin),
                        stopRequested)
                    .run()
                    .training()
                    .interrupted();
        if (interrupted) {
          return new Outcome(results, Map.of(), Map.of(), null, folder, true, task);
        }
        isFirst = false;
      } else {
        listener.onNote("fold " + number + " of " + count + " is done already");
      }
      FoldFolder.Done done = fold.done();
      results.add(new FoldResult(number, done.steps(), done.rows(), done.metrics()));
    }
    return end(task, results, folder);
  }

  private String left(int number, int done) {
    return "stopped while fold "
        + number
        + " of "
        + count
        + " was prepared, with "
        + done
        + " done; go on with the same command and "
        + RunOption.RESUME;
  }

  /** A fold that was begun goes on from its checkpoint, where there is one. */
  private RunConfig foldConfig(Path place, Compute compute, boolean resumes) {
    boolean goesOn = resumes && Files.isDirectory(OutputFolder.checkpoints(place));
    return compute
        .in(config)
        .with(RunOption.OUTPUT_DIR, place.toString())
        .with(RunOption.RESUME, Boolean.toString(goesOn))
        .with(RunOption.OVERWRITE, Boolean.toString(!goesOn));
  }

  private Outcome end(TaskType task, List<FoldResult> results, Path folder) throws IOException {
    Map<String, Double> means = new LinkedHashMap<>();
    Map<String, Double> errors = new LinkedHashMap<>();
    for (String metric : results.get(0).metrics().keySet()) {
      double[] values =
          results.stream()
              .mapToDouble(fold -> fold.metrics().getOrDefault(metric, Double.NaN))
              .toArray();
      double mean = 0;
      for (double value : values) {
        mean += value / values.length;
      }
      double squares = 0;
      for (double value : values) {
        squares += (value - mean) * (value - mean);
      }
      means.put(metric, mean);
      errors.put(metric, Math.sqrt(squares / (values.length - 1) / values.length));
    }
    Path predictions = task.predicts() ? joined(folder) : null;
    Outcome outcome = new Outcome(results, means, errors, predictions, folder, false, task);
    ObjectNode summary = (ObjectNode) WholeJson.read(OutputFolder.crossValidation(folder));
    summary.setAll(toJson(outcome));
    write(OutputFolder.crossValidation(folder), summary);
    return outcome;
  }

  /** The results for programs. */
  public static ObjectNode toJson(Outcome outcome) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("k_fold", outcome.folds().size());
    ObjectNode mean = json.putObject("eval");
    outcome.mean().forEach(mean::put);
    ObjectNode error = json.putObject("standard_error");
    outcome.standardError().forEach(error::put);
    for (FoldResult fold : outcome.folds()) {
      ObjectNode entry = json.withArray("folds").addObject();
      entry.put("fold", fold.number()).put("steps", fold.steps()).put("rows", fold.rows());
      ObjectNode metrics = entry.putObject("eval");
      fold.metrics().forEach(metrics::put);
    }
    return json;
  }

  /** The predictions of all folds, by row. */
  private Path joined(Path folder) throws IOException {
    List<FoldFolder.Line> lines = new ArrayList<>();
    for (int number = 1; number <= count; number++) {
      lines.addAll(new FoldFolder(OutputFolder.fold(folder, number)).predictions());
    }
    lines.sort(Comparator.comparingInt(FoldFolder.Line::number));
    try (AtomicFile file = AtomicFile.create(predictionsFile(folder))) {
      for (FoldFolder.Line line : lines) {
        file.writer().write(line.text() + "\n");
      }
      file.commit();
    }
    return predictionsFile(folder);
  }

  private static void write(Path file, ObjectNode json) throws IOException {
    AtomicFile.write(file, ModelFiles.format(json));
  }

  /** Passes on what a run says; what all folds say of model and data, of the first alone. */
  private static final class Once extends ForwardingRunListener {
    private final boolean isFirst;
    private final Runnable begin;
    private boolean hasBegun;

    Once(RunListener next, boolean isFirst, Runnable begin) {
      super(next);
      this.isFirst = isFirst;
      this.begin = begin;
    }

    @Override
    public void onNote(String note) {
      if (isFirst || hasBegun || note.startsWith("resuming")) {
        super.onNote(note);
      }
    }

    /** The folds say it, in one line for all. */
    @Override
    public void onPreparing(String left) {}

    @Override
    public void onDataReport(DataReport report) {
      if (isFirst) {
        super.onDataReport(report);
      }
    }

    @Override
    public void onModel(String model, long parameters, String backend, String precision) {
      hasBegun = true;
      if (isFirst) {
        begin.run();
        super.onModel(model, parameters, backend, precision);
      }
    }
  }
}
