package dev.attune.train;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.tape.Tape;
import dev.attune.testkit.Host;
import dev.attune.testkit.TestTasks;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A loop over 256 random texts with a tiny classifier, and all that it stands on. */
final class LoopTrial implements AutoCloseable {
  static final Rates RATES = Rates.of(Schedule.Kind.LINEAR, 1e-3, 0);
  private static final int VOCABULARY = 27;
  private static final int LONGEST = 20;

  private final CpuBackend backend;
  private final Model model;
  private final Tape tape;
  private final Inference inference;
  private final Optimizer optimizer;
  private final TrainingLoop loop;

  /** Evaluates nothing. */
  LoopTrial(Path folder, TrainerConfig config, DType dtype, Float dropout, int threads) {
    this(folder, config, dtype, dropout, threads, 0);
  }

  /**
   * @param folder of the model
   * @param dropout null: the model's own
   * @param held texts to evaluate on; 0: nothing is evaluated
   */
  LoopTrial(Path folder, TrainerConfig config, DType dtype, Float dropout, int threads, int held) {
    backend = new CpuBackend(threads);
    model = Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, dropout);
    tape = new Tape(backend, new Arena(backend, 1 << 28), dtype, config.seed());
    inference = new Inference(backend);
    ModelWeights.load(folder, model, config.seed());
    model.parameters().enableTraining();
    Evaluator evaluator =
        held == 0 ? null : new Evaluator(TestTasks.CLASSIFICATION, data(held), inference);
    optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
    try {
      loop =
          new TrainingLoop(
              TestTasks.CLASSIFICATION, model, optimizer, tape, data(256), evaluator, config);
    } catch (RuntimeException e) {
      closeParts();
      throw e;
    }
  }

  /** Texts of random tokens, whose first says their label. */
  private static EncodedDataset data(int examples) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    for (int i = 0; i < examples; i++) {
      int length = 1 + (int) Math.floorMod(Philox.bits64(5, 1, i), (long) LONGEST);
      int[] ids = new int[length];
      for (int t = 0; t < length; t++) {
        ids[t] = (int) Math.floorMod(Philox.bits64(5, 2 + i, t), (long) VOCABULARY);
      }
      builder.add(ids, new int[length], ids[0] & 1);
    }
    return builder.build();
  }

  TrainingLoop loop() {
    return loop;
  }

  float[] weights() {
    return Host.floats(model.parameters().weights(), 0, (int) model.parameters().size());
  }

  @Override
  public void close() {
    loop.close();
    closeParts();
  }

  private void closeParts() {
    optimizer.close();
    inference.close();
    tape.close();
    model.close();
    backend.close();
  }

  /** Hears the losses and, after each step, of anything else a test wants to look at. */
  static class Recorder implements TrainListener {
    private final List<Double> losses = new ArrayList<>();
    private final Runnable afterStep;

    Recorder(Runnable afterStep) {
      this.afterStep = afterStep;
    }

    List<Double> losses() {
      return losses;
    }

    @Override
    public void onStep(Step step) {
      losses.add(step.loss());
      afterStep.run();
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {}
  }
}
