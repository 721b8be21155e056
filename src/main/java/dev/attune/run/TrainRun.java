package dev.attune.run;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Interruption;
import dev.attune.folder.ModelFiles;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelInstall;
import dev.attune.kernels.Peak;
import dev.attune.metrics.Metrics;
import dev.attune.optim.Optimizer;
import dev.attune.storage.AtomicFile;
import dev.attune.tape.Tape;
import dev.attune.task.Calibration;
import dev.attune.task.Objective;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.TrainResult;
import dev.attune.train.TrainingLoop;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * A training run from its config to a model folder:
 *
 * <ol>
 *   <li><b>plan</b> ({@link TrainPlan}): the options are checked, nothing is read;
 *   <li><b>prepare</b> ({@link PreparedRun}): the output folder is taken, the model loaded, the
 *       data tokenised;
 *   <li><b>begin or resume</b> ({@link Checkpoints}, {@link RunIdentity}): from the newest
 *       checkpoint, if that is of this very run;
 *   <li><b>train</b> ({@link TrainingLoop}): ends by itself, or stops on request and leaves a
 *       checkpoint;
 *   <li><b>install</b> ({@link ModelSave}): the model takes the place of the one before;
 *   <li><b>test</b>, then the checkpoints go: they have served their purpose.
 * </ol>
 */
public final class TrainRun {
  /**
   * What came out.
   *
   * @param training how the loop ended
   * @param evaluation metrics on validation data, or empty
   * @param test metrics on test data, or empty
   * @param table the metrics object behind the last of them, with its per-class table; or null
   * @param task what was learned
   * @param isAdapter whether the folder holds an adapter, not a whole model
   * @param peakMemoryBytes of the process
   * @param utilization share of what the hardware can do at most; NaN if not measured
   * @param modelFolder where the model is: in the output folder, unless there was no room
   * @param outputDir where all else is
   */
  public record Outcome(
      TrainResult training,
      Map<String, Double> evaluation,
      Map<String, Double> test,
      Metrics table,
      TaskType task,
      boolean isAdapter,
      long peakMemoryBytes,
      double utilization,
      Path modelFolder,
      Path outputDir) {}

  private final RunConfig config;
  private final Datasets datasets;
  private final Fold fold; // null: no cross-validation
  private final SharedBase.Seat seat; // null: the run is alone
  private final RunListener listener;
  private final BooleanSupplier stopRequested;

  /**
   * A run on the files that its options name.
   *
   * @param stopRequested asked after every step; once true the run saves a checkpoint and ends
   */
  public TrainRun(RunConfig config, RunListener listener, BooleanSupplier stopRequested) {
    this(config, null, null, null, listener, stopRequested);
  }

  /** The same on examples that are in memory; the options of files are not read then. */
  public TrainRun(
      RunConfig config, Datasets datasets, RunListener listener, BooleanSupplier stopRequested) {
    this(config, datasets, null, null, listener, stopRequested);
    if (config.smallInteger(RunOption.K_FOLD) != 0) {
      throw new InputException(
          RunOption.K_FOLD + " is for a cross-validation, whose runs are of parts of the data");
    }
  }

  /** One run of a cross-validation. */
  TrainRun(
      RunConfig config,
      Datasets datasets,
      Fold fold,
      RunListener listener,
      BooleanSupplier stopRequested) {
    this(config, datasets, fold, null, listener, stopRequested);
  }

  /** One run of a group. */
  TrainRun(
      RunConfig config, SharedBase.Seat seat, RunListener listener, BooleanSupplier stopRequested) {
    this(config, null, null, seat, listener, stopRequested);
  }

  private TrainRun(
      RunConfig config,
      Datasets datasets,
      Fold fold,
      SharedBase.Seat seat,
      RunListener listener,
      BooleanSupplier stopRequested) {
    this.config = config;
    this.datasets = datasets;
    this.fold = fold;
    this.seat = seat;
    this.listener = listener;
    this.stopRequested = stopRequested;
  }

  /**
   * Checks options as far as they can be before anything is read.
   *
   * @throws InputException naming one that says what it may not
   */
  public static void check(RunConfig config) {
    TrainPlan.of(config);
    Datasets.check(config, true);
  }

  /**
   * Whether the run of an output folder has come to its end: its model is there, and no checkpoint
   * to go on from.
   *
   * @throws UncheckedIOException if the folder cannot be looked into
   */
  public static boolean isFinished(Path outputDir) {
    try {
      if (!Files.isDirectory(outputDir)) {
        return false;
      }
      ModelInstall.finish(outputDir);
      return ModelFolder.holdsModel(outputDir)
          && !Files.exists(OutputFolder.checkpoints(outputDir));
    } catch (IOException e) {
      throw new UncheckedIOException(
          outputDir + " cannot be looked into: " + OutputFolder.describe(e), e);
    }
  }

  /** Runs to the end, or to the request to stop. */
  public Outcome run() {
    Interruption preparing = new Interruption();
    preparing.begin();
    try {
      listener.onBegins(preparing);
      return run(preparing);
    } catch (RuntimeException e) {
      throw preparing.cause(e);
    } finally {
      preparing.end();
    }
  }

  private Outcome run(Interruption preparing) {
    SharedBase shared = seat == null ? null : seat.base();
    boolean goesOn = fold != null && fold.goesOn(); // from no checkpoint of its own, it may be
    TrainPlan plan = goesOn ? TrainPlan.of(config, config) : TrainPlan.of(config);
    try (PreparedRun run = PreparedRun.of(plan, datasets, fold, shared, listener)) {
      listener.onPrepared();
      preparing.end();
      reserve(run);
      try (Inference inference = new Inference(run.session().backend());
          Optimizer optimizer = run.plan().optimizer(run.model().parameters())) {
        compareWithStart(run, inference);
        Evaluator validating = run.data().validation(run.data().task(), inference);
        try (TrainingLoop trainer = trainer(run, optimizer, validating)) {
          if (run.trace() != null) {
            trainer.tell(run.trace());
          }
          return run(run, trainer, inference, validating);
        }
      }
    }
  }

  private Outcome run(
      PreparedRun run, TrainingLoop trainer, Inference inference, Evaluator validating) {
    DiskRoom room = checkRoom(run);
    try (Checkpoints checkpoints = checkpoints(run)) {
      long resumedAt = 0;
      if (config.flag(RunOption.RESUME)) {
        resumedAt = resume(run, trainer, checkpoints);
      } else {
        run.output().clear();
      }
      return run(run, trainer, inference, validating, checkpoints, resumedAt, room);
    }
  }

  private Outcome run(
      PreparedRun run,
      TrainingLoop trainer,
      Inference inference,
      Evaluator validating,
      Checkpoints checkpoints,
      long resumedAt,
      DiskRoom room) {
    try (MetricsFile metrics =
        MetricsFile.open(
            run.output().metricsFile(), resumedAt, run.plan().loggingSteps(), listener::onNote)) {
      begin(run);
      try (RunTracking tracking = RunTracking.begin(run, validating, fold, resumedAt, listener)) {
        return tracking.of(
            () ->
                told(
                    tracking,
                    run(
                        run,
                        trainer,
                        inference,
                        validating,
                        checkpoints,
                        room,
                        metrics,
                        tracking)));
      }
    }
  }

  private Outcome run(
      PreparedRun run,
      TrainingLoop trainer,
      Inference inference,
      Evaluator validating,
      Checkpoints checkpoints,
      DiskRoom room,
      MetricsFile metrics,
      RunTracking tracking) {
    TrainResult result =
        trainer.run(
            metrics.before(tracking.listener()),
            metrics.before(new CheckpointModels(checkpoints, run, listener)),
            stopRequested);
    if (seat != null) {
      seat.job().end();
    }
    tracking.traced();
    double utilization = utilization(run.session(), result);
    if (result.interrupted()) {
      return outcome(run, run.output().folder(), result, Map.of(), null, utilization);
    }
    Task task = run.data().fitted(run.data().task(), run.model(), tape(run), inference);
    Evaluator last = validating;
    if (task.isCalibrated()) {
      Calibration calibration = task.calibration(run.data().validation());
      inference.run(run.model(), tape(run), run.data().validation(), null, calibration);
      task = calibration.calibrated();
      last = run.data().validation(task, inference);
      result = result.withEvaluation(last.evaluate(run.model(), tape(run)));
    }
    Path place = run.output().folder();
    if (fold == null || config.flag(RunOption.KEEP_FOLD_MODELS)) {
      place =
          new ModelSave(
                  run.output(),
                  room.modelBytes(),
                  config.number(RunOption.SAVE_RETRY_MINUTES),
                  listener,
                  stopRequested)
              .save(TrainedFolder.of(run, task, result));
    }
    if (fold != null) {
      new FoldFolder(run.output().folder())
          .finish(fold, run.data(), task, run.model(), tape(run), inference, result);
    }
    Evaluator testing = run.data().test(task, inference);
    Map<String, Double> test = Map.of();
    Comparison comparison = tracking.comparison(task);
    if (testing != null) {
      last = testing;
      test =
          comparison == null
              ? testing.evaluate(run.model(), tape(run))
              : testing.evaluate(run.model(), tape(run), run.data().testing(task, comparison::add));
      metrics.test(result.steps(), test);
      tracking.test(result.steps(), test);
    } else if (comparison != null && tracking.looksAtValidation(run.data(), result.tokens())) {
      inference.run(
          run.model(),
          tape(run),
          run.data().validation(),
          Objective.read(task),
          run.data().validating(task, comparison::add));
    }
    tracking.judged(last == null ? null : last.metrics(), comparison, testing != null);
    metrics.sync(); // once the checkpoints are gone, nothing else has these lines
    checkpoints.end();
    return outcome(run, place, result, test, last, utilization);
  }

  private static Outcome told(RunTracking tracking, Outcome outcome) {
    tracking.ended(
        outcome.training().interrupted(),
        RunDocuments.summary(
            outcome.training(),
            outcome.training().evaluation(),
            outcome.test(),
            outcome.peakMemoryBytes(),
            outcome.utilization(),
            outcome.modelFolder()));
    return outcome;
  }

  /** Takes the memory that training needs beside activations, which get the rest. */
  private void reserve(PreparedRun run) {
    Session session = run.session();
    session.prepareTraining(run.model());
    session.leave(run.data().answerCacheBytes(run.model(), session.precision()));
    if (seat != null) {
      seat.base().admit(run.plan(), run.model());
    }
  }

  /** The weights are those that the run begins with: a checkpoint is loaded later. */
  private void compareWithStart(PreparedRun run, Inference inference) {
    long begin = System.nanoTime();
    int sequences = run.data().compareWithStart(run.model(), tape(run), inference, stopRequested);
    if (sequences > 0) {
      listener.onNote(
          String.format(
              Locale.ROOT,
              "the reference is the model as it is now: its log-probabilities of %s were computed"
                  + " once, in %.1f s",
              Count.many(sequences, "answer"),
              (System.nanoTime() - begin) * 1e-9));
    }
  }

  private Tape tape(PreparedRun run) {
    return run.session().tape(run.plan().trainer().seed());
  }

  private TrainingLoop trainer(PreparedRun run, Optimizer optimizer, Evaluator validating) {
    tape(run).useCheckpoints(config.flag(RunOption.GRADIENT_CHECKPOINTING));
    return new TrainingLoop(
        run.data().task(),
        run.model(),
        optimizer,
        tape(run),
        run.data().train(),
        validating,
        run.plan().trainer(),
        seat == null ? null : seat.job());
  }

  private Checkpoints checkpoints(PreparedRun run) {
    int kept = config.smallInteger(RunOption.SAVE_TOTAL_LIMIT);
    return new Checkpoints(
        run.output().checkpoints(),
        kept,
        run.identity(),
        config.flag(RunOption.SAVE_LAST),
        run.session().backend(),
        listener::onNote);
  }

  /** Goes on from the newest checkpoint; returns the step after which, 0 where there is none. */
  private long resume(PreparedRun run, TrainingLoop trainer, Checkpoints checkpoints) {
    long batches = run.data().train().batchesPerEpoch(run.plan().trainer().batchSize());
    Optional<Checkpoints.Resumed> resumed = checkpoints.loadLatest(trainer.buffers(), batches);
    if (resumed.isEmpty()) {
      listener.onNote("there is no checkpoint to resume; starting from the beginning");
      return 0;
    }
    boolean lacksBest = resumed.get().lacksBest();
    boolean goesOn = trainer.resume(resumed.get().state(), lacksBest);
    long step = resumed.get().state().path("step").asLong();
    listener.onNote("resuming after step " + step);
    if (lacksBest) {
      listener.onNote(
          "no checkpoint has the best weights that it names: those from here on are compared, so"
              + " that the run may end with others than it would have");
    }
    if (goesOn) {
      listener.onNote(
          "the run had stopped early after step "
              + step
              + " and goes on, for it has become longer; "
              + RunOption.EARLY_STOPPING_PATIENCE
              + " begins anew");
    }
    return step;
  }

  /** Leaves what says how the run was made, and tells the listener. */
  private void begin(PreparedRun run) {
    OutputFolder output = run.output();
    try {
      AtomicFile.write(output.runFile(), run.plan().config().toCommentedYaml());
      AtomicFile.write(
          output.dataReportFile(), ModelFiles.format(run.report().toJson(listener::worded)));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + output.folder() + ": " + OutputFolder.describe(e), e);
    }
    listener.onModel(
        config.text(RunOption.MODEL),
        run.model().parameters().count(),
        run.session().backend().description(),
        run.session().precisionName());
  }

  private DiskRoom checkRoom(PreparedRun run) {
    DiskRoom room =
        DiskRoom.of(
            run.model().parameters().size(),
            run.plan().lora() == null ? run.model().parameters().count() : 0,
            fold == null ? 1 : fold.modelsLeft(config.flag(RunOption.KEEP_FOLD_MODELS)),
            config.integer(RunOption.SAVE_STEPS) > 0,
            config.flag(RunOption.SAVE_LAST),
            config.smallInteger(RunOption.SAVE_TOTAL_LIMIT),
            run.plan().trainer().evaluations().keepsBest());
    try {
      room.check(run.output().folder(), run.output().bytesOfCheckpoints() + bytesOfOldFolds(run));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot look at " + run.output().folder() + ": " + OutputFolder.describe(e), e);
    }
    return room;
  }

  /** What an earlier cross-validation left of other folds, which goes when the first begins. */
  private long bytesOfOldFolds(PreparedRun run) throws IOException {
    if (fold == null || fold.number() > 1 || config.flag(RunOption.RESUME)) {
      return 0;
    }
    long bytes = 0;
    try (Stream<Path> files = Files.list(run.output().folder().toAbsolutePath().getParent())) {
      for (Path file : files.filter(OutputFolder::isNamedAsFold).toList()) {
        bytes += file.endsWith("fold-1") ? 0 : OutputFolder.bytesOf(file);
      }
    }
    return bytes;
  }

  private static double utilization(Session session, TrainResult result) {
    return result.flopsPerSecond() > 0
        ? result.flopsPerSecond() / Peak.of(session.backend(), session.precision())
        : Double.NaN;
  }

  private Outcome outcome(
      PreparedRun run,
      Path modelFolder,
      TrainResult result,
      Map<String, Double> test,
      Evaluator last,
      double utilization) {
    return new Outcome(
        result,
        result.evaluation(),
        test,
        last == null ? null : last.metrics(),
        run.plan().task(),
        run.plan().lora() != null,
        ProcessMemory.peakBytes(run.session().backend(), tape(run).arena()),
        utilization,
        modelFolder,
        run.output().folder());
  }
}
