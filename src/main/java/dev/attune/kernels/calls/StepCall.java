package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** The step block: values of a training step that lie in memory of the device. */
public final class StepCall {
  private StepCall() {}

  /** Rate 0, bias corrections and scales 1; not stopped. */
  public record Reset() implements Call {
    @Override
    public void fill(Frame frame) {}
  }

  /**
   * The values of the step that follows.
   *
   * @param streamBase added to the random streams of all ops
   * @param lossScale what gradients are multiplied by, before they are clipped
   */
  public record Set(
      long streamBase, float lr, float biasCorrection1, float biasCorrection2, float lossScale)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.any(streamBase).finite(lr).factor(biasCorrection1).factor(biasCorrection2);
      frame.finite(lossScale);
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
   * @param outNorm (1) f64 or 0: the norm, loss scale included
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
