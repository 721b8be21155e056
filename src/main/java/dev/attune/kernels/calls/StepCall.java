package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * The step block: values of a training step that lie in memory, where the kernels of the step read
 * them. So its calls are the same for all steps, and a device can record them once.
 */
public final class StepCall {
  private StepCall() {}

  /** Stream base and rate 0, bias corrections and targets 1; not stopped. */
  public record Reset() implements Call {
    @Override
    public void fill(Frame frame) {}
  }

  /** What is added to the random streams of all ops: the step's key of the dropout masks. */
  public record StreamBase(long streamBase) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.any(streamBase);
    }
  }

  /**
   * The values of the update that follows.
   *
   * @param targets at least 1: what gradients are divided by, times {@code meanWeight}
   * @param meanWeight what a target counts in the mean
   */
  public record Update(
      float lr, float biasCorrection1, float biasCorrection2, long targets, float meanWeight)
      implements Call {
    /** Of targets that all count alike. */
    public Update(float lr, float biasCorrection1, float biasCorrection2, long targets) {
      this(lr, biasCorrection1, biasCorrection2, targets, 1f);
    }

    @Override
    public void fill(Frame frame) {
      frame.finite(lr).factor(biasCorrection1).factor(biasCorrection2);
      frame.dim(targets).positive(meanWeight);
    }
  }

  /** Stops the optimizers where one of {@code count} losses is not finite. */
  public record Watch(long losses, long count) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.reads(losses).count(count);
    }
  }

  /**
   * Measures the norm of the gradients and clips them; stops the optimizers where it is not finite.
   *
   * @param outNorm (1) f64 or 0: the norm of the gradients, divided by the targets
   * @param sumsOfSquares (count) f64
   * @param maxNorm 0: gradients are not clipped
   */
  public record Clip(long outNorm, long sumsOfSquares, long count, float maxNorm) implements Call {
    @Override
    public void fill(Frame frame) {
      frame.mayWrite(outNorm).reads(sumsOfSquares).count(count).notNegative(maxNorm);
    }
  }
}
