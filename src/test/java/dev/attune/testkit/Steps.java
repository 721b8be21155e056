package dev.attune.testkit;

import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.StepCall;
import dev.attune.optim.GradientNorm;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Training steps put together by hand, where a test looks at what lies between their parts. */
public final class Steps {
  private Steps() {}

  /** The key of a backend's dropout masks; whoever uses the backend next finds it as it was. */
  public record Key(Backend backend) implements AutoCloseable {
    /** The masks of the passes that follow are those of this step. */
    public void step(long step) {
      backend.run(new StepCall.StreamBase(Philox.stream(step, 0)));
    }

    @Override
    public void close() {
      backend.run(new StepCall.Reset());
    }
  }

  /** After backward: all gradients are defined. */
  public static void complete(Parameters parameters) {
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().publish(0);
    }
    parameters.zeroUnwritten();
  }

  /** The norm of gradients that are complete. */
  public static double norm(Parameters parameters) {
    Backend backend = parameters.backend();
    backend.run(new StepCall.Update(0f, 1f, 1f, 1));
    try (GradientNorm norm = new GradientNorm(parameters)) {
      norm.clip(parameters.rowSparse() == null ? 0 : parameters.rowSparse().rowCount(), 0);
      ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.nativeOrder());
      backend.download(bytes, norm.address());
      return bytes.getDouble(0);
    }
  }

  /** A gradient over the number of targets, in the order of the model folder. */
  public static float[] meanGradient(Parameters parameters, Segment segment, int targets) {
    float[] stored =
        Host.floats(parameters.gradients(), segment.first(), Math.toIntExact(segment.count()));
    float[] out = new float[stored.length];
    segment.layout().toFolder(FloatBuffer.wrap(stored), FloatBuffer.wrap(out));
    for (int i = 0; i < out.length; i++) {
      out[i] /= targets;
    }
    return out;
  }

  /** After the update: the gradients are forgotten. */
  public static void end(Parameters parameters) {
    parameters.changed();
    parameters.forgetWritten();
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().zeroGradients(parameters.rowSparse().rowCount());
      parameters.rowSparse().endStep();
    }
  }
}
