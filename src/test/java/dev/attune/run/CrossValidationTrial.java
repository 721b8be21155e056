package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A model, data and options of a cross-validation, and what a run of it says. */
abstract class CrossValidationTrial {
  static final int ROWS = 61;

  @TempDir Path scratch;
  Path model;
  Path train;
  Path output;

  @BeforeEach
  void makeModelAndData() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), ROWS, 1);
    output = scratch.resolve("out");
  }

  final RunConfig.Builder options(Path folder) {
    return RunConfig.builder(CommandOptions.TRAIN)
        .set(RunOption.MODEL, model.toString())
        .set(RunOption.TRAIN_FILE, train.toString())
        .set(RunOption.OUTPUT_DIR, folder.toString())
        .set(RunOption.BACKEND, "cpu")
        .set(RunOption.PRECISION, "fp32")
        .set(RunOption.THREADS, "1")
        .set(RunOption.LEARNING_RATE, "1e-3")
        .set(RunOption.BATCH_SIZE, "16")
        .set(RunOption.MAX_STEPS, "4")
        .set(RunOption.K_FOLD, "3");
  }

  /** What it said; stops after so many steps of all runs. */
  static final class Heard implements RunListener {
    final List<String> notes = new ArrayList<>();
    private final long stopAfter;
    int steps;
    int reports;
    int trained;
    String left;
    DataReport report;
    Runnable midway = () -> {}; // what happens after the first step

    Heard(long stopAfter) {
      this.stopAfter = stopAfter;
    }

    boolean stops() {
      return steps >= stopAfter;
    }

    @Override
    public void onNote(String note) {
      notes.add(RunOption.worded(note));
    }

    @Override
    public void onPreparing(String message) {
      left = RunOption.worded(message);
    }

    @Override
    public void onDataReport(DataReport made) {
      reports++;
      report = made;
    }

    @Override
    public void onModel(String name, long parameters, String backend, String precision) {}

    @Override
    public void onStep(Step step) {
      steps++;
      if (steps == 1) {
        midway.run();
      }
    }

    @Override
    public void onTrained() {
      trained++;
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {}
  }

  static CrossValidation.Outcome run(RunConfig.Builder options, Heard heard) {
    return new CrossValidation(options.build(), null, heard, heard::stops).run();
  }

  final String refusalAnew(RunConfig.Builder options) {
    return RunOption.worded(
        assertThrows(InputException.class, () -> run(options, new Heard(99))).getMessage());
  }
}
