package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A training run in this process, with what it said. */
final class RecordedRun implements RunListener {
  private final RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
  private final List<String> notes = new ArrayList<>();
  private long stopAfter = Long.MAX_VALUE;
  private long step;
  private long actsAfter = Long.MAX_VALUE;
  private Runnable action = () -> {};
  private DataReport report;

  /** A short run on the cpu. */
  RecordedRun(Path model, Path train, Path output) {
    with(RunOption.MODEL, model.toString());
    with(RunOption.TRAIN_FILE, train.toString());
    with(RunOption.OUTPUT_DIR, output.toString());
    with(RunOption.BACKEND, "cpu");
    with(RunOption.PRECISION, "fp32");
    with(RunOption.THREADS, "1");
    with(RunOption.LEARNING_RATE, "1e-3");
    with(RunOption.BATCH_SIZE, "16");
    with(RunOption.MAX_STEPS, "6");
  }

  RecordedRun with(RunOption option, String value) {
    config.set(option, value);
    return this;
  }

  RecordedRun with(RunOption flag) {
    return with(flag, "true");
  }

  /** Stops on request after a step, which leaves a checkpoint. */
  RecordedRun stoppedAfter(long steps) {
    stopAfter = steps;
    return this;
  }

  /** Does something after a step, on the thread of the run. */
  RecordedRun after(long steps, Runnable what) {
    actsAfter = steps;
    action = what;
    return this;
  }

  /** The same run as one of a group. */
  TrainGroup.Asked asked() {
    return new TrainGroup.Asked(config.build(), this);
  }

  RunConfig config() {
    return config.build();
  }

  TrainRun.Outcome run() {
    return new TrainRun(config.build(), this, () -> step >= stopAfter).run();
  }

  /** The same as a cross-validation. */
  CrossValidation.Outcome crossValidate() {
    return new CrossValidation(config.build(), null, this, () -> step >= stopAfter).run();
  }

  /** What it refuses to run with. */
  String refusal() {
    try {
      run();
    } catch (InputException e) {
      return RunOption.worded(e.getMessage());
    }
    throw new AssertionError("it was not refused; it said " + notes);
  }

  List<String> notes() {
    return notes;
  }

  /** What was found in the data of a run that was not refused. */
  DataReport report() {
    return report;
  }

  @Override
  public void onNote(String note) {
    notes.add(note);
  }

  @Override
  public void onDataReport(DataReport made) {
    report = made;
  }

  @Override
  public void onModel(String model, long parameters, String backend, String precision) {}

  @Override
  public void onStep(Step done) {
    step = done.step();
    if (step == actsAfter) {
      action.run();
    }
  }

  @Override
  public void onEvaluation(long at, double epoch, Map<String, Double> metrics, boolean best) {}

  @Override
  public void onCheckpoint(long at) {}
}
