package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The step block: what it tells ops that draw masks, clipping, and what stops the optimizers. */
class StepTest {
  private static final int COUNT = 1001; // whole vectors, and a rest

  private static Buffer floats(Backend backend, int seed, double least) {
    Random random = new Random(seed);
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(COUNT * Float.BYTES).order(ByteOrder.nativeOrder());
    for (int i = 0; i < COUNT; i++) {
      bytes.putFloat((float) (least + random.nextDouble()));
    }
    Buffer buffer = Buffer.allocate(backend, bytes.capacity(), false);
    buffer.write(0, bytes.flip());
    return buffer;
  }

  private static void put(Buffer buffer, int index, float value) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.nativeOrder());
    buffer.write((long) index * Float.BYTES, bytes.putFloat(value).flip());
  }

  /**
   * A store and its optimizer, the same each time; gives the block of its backend back as it was.
   */
  private static final class Store implements AutoCloseable {
    final Backend backend;
    final Buffer weight;
    final Buffer m;
    final Buffer v;
    final Buffer grad;
    final Buffer sum;
    final Buffer norm;

    Store(Backend backend) {
      this.backend = backend;
      weight = floats(backend, 1, -0.5);
      m = floats(backend, 2, -0.5);
      v = floats(backend, 3, 0);
      grad = floats(backend, 4, -0.5);
      sum = Buffer.allocate(backend, Double.BYTES, false);
      norm = Buffer.allocate(backend, Double.BYTES, false);
      backend.run(new StepCall.Reset());
    }

    double clip(long targets, float maxNorm) {
      backend.run(new StepCall.Update(1e-2f, 0.1f, 0.001f, targets));
      backend.run(new SumOfSquaresCall.Flat(sum.address(), grad.address(), COUNT));
      backend.run(new StepCall.Clip(norm.address(), sum.address(), 1, maxNorm));
      ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.nativeOrder());
      norm.read(0, bytes);
      return bytes.getDouble(0);
    }

    void adamw() {
      backend.run(
          new AdamWCall.Flat(
              weight.address(),
              m.address(),
              v.address(),
              0,
              grad.address(),
              COUNT,
              0.9f,
              0.999f,
              1e-8f,
              0.01f,
              1f));
    }

    /** Without momentum and decay: what it takes off the weight is lr * gradScale * gradient. */
    void sgd() {
      backend.run(
          new SgdCall.Flat(weight.address(), 0, 0, grad.address(), COUNT, 0f, 0f, 1f, false));
    }

    float[] weights() {
      return Host.floats(weight, 0, COUNT);
    }

    @Override
    public void close() {
      backend.run(new StepCall.Reset());
      for (Buffer buffer : new Buffer[] {weight, m, v, grad, sum, norm}) {
        buffer.close();
      }
    }
  }

  private static double norm(Store store) {
    double sum = 0;
    for (float g : Host.floats(store.grad, 0, COUNT)) {
      sum += (double) g * g;
    }
    return Math.sqrt(sum);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void gradientsAreDividedByTheTargetsAndClipped(Target target) {
    for (float maxNorm : new float[] {0f, 0.5f, 1e6f}) {
      try (Store store = new Store(target.backend())) {
        double expected = norm(store) / 3;
        double actual = store.clip(3, maxNorm);
        assertEquals(expected, actual, 1e-6 * expected);
        double factor = maxNorm == 0 ? 1 : Math.min(1, maxNorm / (actual + 1e-6));
        float[] before = store.weights();
        store.sgd();
        float[] after = store.weights();
        float[] grad = Host.floats(store.grad, 0, COUNT);
        for (int i = 0; i < COUNT; i++) {
          double step = 1e-2 * factor / 3 * grad[i];
          assertEquals(before[i] - step, after[i], 1e-7, "max norm " + maxNorm + " at " + i);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void withoutClippingTheUpdateAloneSaysTheScale(Target target) {
    try (Store clipped = new Store(target.backend());
        Store plain = new Store(target.backend())) {
      clipped.clip(7, 0f);
      clipped.adamw();
      plain.backend.run(new StepCall.Update(1e-2f, 0.1f, 0.001f, 7));
      plain.adamw();
      assertArrayEquals(clipped.weights(), plain.weights());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void afterANormThatIsNotFiniteNothingIsUpdatedUntilReset(Target target) {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      try (Store store = new Store(target.backend())) {
        float[] before = store.weights();
        float good = Host.floats(store.grad, 0, 1)[0];
        put(store.grad, 0, bad);
        assertFalse(Double.isFinite(store.clip(1, 1f)));
        store.adamw();
        store.sgd();
        assertArrayEquals(before, store.weights());
        put(store.grad, 0, good);
        assertTrue(Double.isFinite(store.clip(1, 1f)));
        store.adamw();
        assertArrayEquals(before, store.weights(), "a later gradient was good");
        store.backend.run(new StepCall.Reset());
        store.clip(1, 1f);
        store.adamw();
        assertTrue(store.weights()[0] != before[0]);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void afterALossThatIsNotFiniteNothingIsUpdatedUntilReset(Target target) {
    Backend backend = target.backend();
    for (int bad : new int[] {0, 517, COUNT - 1}) {
      for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
        try (Buffer losses = floats(backend, 5, 0);
            Store store = new Store(backend)) {
          backend.run(new StepCall.Watch(losses.address(), COUNT));
          store.clip(1, 1f);
          store.adamw();
          float[] before = store.weights();
          put(losses, bad, value);
          backend.run(new StepCall.Watch(losses.address(), COUNT));
          put(losses, bad, 1f);
          backend.run(new StepCall.Watch(losses.address(), COUNT)); // a later loss is good
          assertTrue(Double.isFinite(store.clip(1, 1f)));
          store.adamw();
          assertArrayEquals(before, store.weights(), value + " at " + bad);
          backend.run(new StepCall.Reset());
          store.clip(1, 1f);
          store.adamw();
          assertFalse(Arrays.equals(before, store.weights()));
        }
      }
    }
  }

  /** The key of a step is added to the stream of each op. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void masksAreThoseOfTheSumOfStreams(Target target) {
    Backend backend = target.backend();
    long step = Philox.stream(5, 0);
    try (Buffer inp = floats(backend, 1, 1);
        Buffer out = Buffer.allocate(backend, COUNT * Float.BYTES, false)) {
      final float[] summed = dropout(backend, inp, out, step + 8);
      final float[] before = dropout(backend, inp, out, 8);
      backend.run(new StepCall.StreamBase(step));
      assertArrayEquals(summed, dropout(backend, inp, out, 8));
      assertFalse(Arrays.equals(before, summed));
      backend.run(new StepCall.Reset());
      assertArrayEquals(before, dropout(backend, inp, out, 8));
    }
  }

  private static float[] dropout(Backend backend, Buffer inp, Buffer out, long stream) {
    backend.run(new DropoutCall(out.address(), inp.address(), COUNT, 0.5f, 3, stream, DType.F32));
    return Host.floats(out, 0, COUNT);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badValuesAreRefused(Target target) {
    Backend backend = target.backend();
    refused(backend, new StepCall.Update(Float.NaN, 1f, 1f, 1), "lr");
    refused(backend, new StepCall.Update(1f, 0f, 1f, 1), "bias_correction1");
    refused(backend, new StepCall.Update(1f, 1f, 2f, 1), "bias_correction2");
    refused(backend, new StepCall.Update(1f, 1f, 1f, 0), "targets");
    refused(backend, new StepCall.Watch(0, 1), "losses");
    refused(backend, new StepCall.Clip(0, 0, 1, 1f), "sums_of_squares");
    refused(backend, new StepCall.Clip(0, 8, 1, -1f), "max_norm");
  }

  private static void refused(Backend backend, Call call, String argument) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> backend.run(call));
    assertTrue(e.getMessage().contains(argument), e.getMessage());
  }
}
