package dev.attune.kernels.torch;

import dev.attune.core.DType;
import dev.attune.kernels.calls.StepCall;
import java.nio.ByteBuffer;

/** The step block. */
final class TorchStep {
  private long streamBase;
  private double divisor;
  private float lr;
  private float biasCorrection1;
  private float biasCorrection2;
  private float gradScale;
  private boolean stopped;

  TorchStep() {
    reset();
  }

  void reset() {
    streamBase = 0;
    update(new StepCall.Update(0f, 1f, 1f, 1));
    stopped = false;
  }

  void streamBase(StepCall.StreamBase call) {
    streamBase = call.streamBase();
  }

  void update(StepCall.Update call) {
    divisor = call.targets() * (double) call.meanWeight();
    lr = call.lr();
    biasCorrection1 = call.biasCorrection1();
    biasCorrection2 = call.biasCorrection2();
    gradScale = (float) (1.0 / divisor);
  }

  void watch(StepCall.Watch call) {
    if (call.count() > 0
        && !TorchTensors.view(call.losses(), DType.F32, call.count())
            .isfinite()
            .all()
            .item_bool()) {
      stopped = true;
    }
  }

  void clip(StepCall.Clip call) {
    ByteBuffer sums = TorchMemory.view(call.sumsOfSquares(), call.count() * Double.BYTES);
    double sum = 0;
    for (int i = 0; i < call.count(); i++) {
      sum += sums.getDouble(i * Double.BYTES);
    }
    double norm = Math.sqrt(sum) / divisor;
    stopped |= !Double.isFinite(norm);
    double factor = call.maxNorm() > 0 ? Math.min(1, call.maxNorm() / (norm + 1e-6)) : 1;
    gradScale = (float) (factor / divisor);
    if (call.outNorm() != 0) {
      TorchMemory.view(call.outNorm(), Double.BYTES).putDouble(0, norm);
    }
  }

  /** The mask of an op that draws from {@code stream}. */
  TorchDropout dropout(float p, long seed, long stream) {
    return new TorchDropout(p, seed, stream + streamBase);
  }

  /** The rounding of an op that draws from {@code stream}. */
  TorchRounding rounding(long seed, long stream) {
    return new TorchRounding(seed, stream + streamBase);
  }

  boolean stopped() {
    return stopped;
  }

  float lr() {
    return lr;
  }

  float biasCorrection1() {
    return biasCorrection1;
  }

  float biasCorrection2() {
    return biasCorrection2;
  }

  float gradScale() {
    return gradScale;
  }
}
