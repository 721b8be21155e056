package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.core.Check;

/**
 * Runs training steps on a backend. Results may come later than the work is asked for: {@link
 * HostSteps} has each at once, {@link DeviceSteps} runs ahead of them.
 */
interface StepRunner extends AutoCloseable {
  /**
   * An optimizer update.
   *
   * @param targets of all micro-batches of the step: what the summed loss is divided by
   */
  record Update(float learningRate, long targets) {}

  /**
   * What became of a step.
   *
   * @param loss mean over the targets
   * @param gradNorm of its gradient, before clipping
   */
  record Result(double loss, double gradNorm) {
    boolean isFinite() {
      return Double.isFinite(loss) && Double.isFinite(gradNorm);
    }
  }

  /**
   * Forward and backward of a micro-batch and, with the last one of a step, the update: unless a
   * loss or a gradient is not finite.
   *
   * @param microStep keys the dropout masks; different for every micro-batch
   * @param update null where more micro-batches follow
   * @return product FLOPs of the micro-batch
   */
  long run(Batch batch, long microStep, Update update);

  /** How many steps' results may be left waiting, so that the device never does. */
  int lead();

  /** The result of the oldest step that was not asked for yet. Waits for it. */
  Result result();

  /**
   * The runner for a backend. ATTUNE_CUDA_GRAPHS=0 keeps a device from recording graphs.
   *
   * @throws dev.attune.core.InputException if that variable is neither 0 nor 1
   */
  static StepRunner of(TrainingParts parts) {
    if (parts.parameters().backend().deviceStep() == null) {
      return new HostSteps(parts);
    }
    String graphs = System.getenv().getOrDefault("ATTUNE_CUDA_GRAPHS", "1");
    Check.input(
        graphs.equals("0") || graphs.equals("1"),
        "ATTUNE_CUDA_GRAPHS is '%s'; allowed are 0 and 1",
        graphs);
    return new DeviceSteps(parts, graphs.equals("1"));
  }

  @Override
  void close();
}
