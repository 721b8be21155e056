package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.Activation;
import org.junit.jupiter.api.Test;

class TorchElementwiseTest extends TorchTestCase {
  private static final int COUNT = 101;

  /** Multipliers of a dropout mask, from its definition. */
  static double[] mask(int count, float p, long seed, long stream) {
    int threshold = Philox.dropoutThreshold(p);
    double[] mask = new double[count];
    for (int e = 0; e < count; e++) {
      mask[e] = Philox.keeps(seed, stream, e, threshold) ? 1 / (1 - threshold / 65536.0) : 0;
    }
    return mask;
  }

  @Test
  void activationForwardAndBackward() {
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        double[] inp = normal(dtype, COUNT);
        double[] dout = normal(dtype, COUNT);
        double[] old = normal(dtype, COUNT);
        double[] out = new double[COUNT];
        double[] dinp = new double[COUNT];
        for (int i = 0; i < COUNT; i++) {
          out[i] = TorchLinearTest.apply(activation, inp[i]);
          dinp[i] = dout[i] * TorchLinearTest.slope(activation, inp[i]);
        }
        long inpAt = put(dtype, inp);
        long outAt = poison(dtype, COUNT);
        backend.run(new ActivationCall.Forward(outAt, inpAt, COUNT, activation, dtype));
        assertClose(dtype, out, get(dtype, outAt, COUNT), activation + " out");

        long doutAt = put(dtype, dout);
        long dinpAt = put(dtype, old);
        backend.run(new ActivationCall.Backward(dinpAt, doutAt, inpAt, COUNT, activation, true, dtype));
        assertClose(dtype, add(old, dinp), get(dtype, dinpAt, COUNT), activation + " += dinp");
        backend.run(new ActivationCall.Backward(dinpAt, doutAt, inpAt, COUNT, activation, false, dtype));
        assertClose(dtype, dinp, get(dtype, dinpAt, COUNT), activation + " dinp");

        backend.run(new ActivationCall.Backward(doutAt, doutAt, inpAt, COUNT, activation, false, dtype));
        assertClose(dtype, dinp, get(dtype, doutAt, COUNT), activation + " dinp in place");
        backend.run(new ActivationCall.Forward(inpAt, inpAt, COUNT, activation, dtype));
        assertClose(dtype, out, get(dtype, inpAt, COUNT), activation + " out in place");
      }
    }
  }

  @Test
  void dropoutFollowsPhilox() {
    for (DType dtype : DTYPES) {
      for (float p : new float[] {0, 0.1f, 0.5f, 0.999f}) {
        double[] inp = normal(dtype, COUNT);
        double[] mask = mask(COUNT, p, -5, Philox.stream(7, 9));
        double[] expected = new double[COUNT];
        for (int i = 0; i < COUNT; i++) {
          expected[i] = inp[i] * mask[i];
        }
        long inpAt = put(dtype, inp);
        long outAt = poison(dtype, COUNT);
        backend.run(new DropoutCall(outAt, inpAt, COUNT, p, -5, Philox.stream(7, 9), dtype));
        assertClose(dtype, expected, get(dtype, outAt, COUNT), "p " + p);
        backend.run(new DropoutCall(inpAt, inpAt, COUNT, p, -5, Philox.stream(7, 9), dtype));
        assertClose(dtype, expected, get(dtype, inpAt, COUNT), "in place, p " + p);
      }
    }
  }

  @Test
  void dropoutCountsElementsAcrossTiles() {
    int count = (1 << 22) + 13;
    float p = 0.5f;
    long tensor = poison(count);
    backend.run(new FillZeroCall(tensor, 4L * count));
    backend.run(new ActivationCall.Forward(tensor, tensor, count, Activation.NONE, DType.F32));
    double[] ones = new double[32];
    java.util.Arrays.fill(ones, 1);
    long from = count - 32L;
    backend.run(new CopyCall(tensor + 4 * from, put(DType.F32, ones), 4 * 32));
    backend.run(new DropoutCall(tensor, tensor, count, p, 1, 2, DType.F32));
    double[] actual = get(DType.F32, tensor + 4 * from, 32);
    for (int i = 0; i < 32; i++) {
      boolean keeps = Philox.keeps(1, 2, from + i, Philox.dropoutThreshold(p));
      assertEquals(keeps ? 2 : 0, actual[i], "element " + (from + i));
    }
  }

  @Test
  void droppedInfinityIsZero() {
    double[] infinite = new double[64];
    java.util.Arrays.fill(infinite, Double.POSITIVE_INFINITY);
    long out = poison(64);
    backend.run(new DropoutCall(out, put(DType.F32, infinite), 64, 0.5f, 1, 2, DType.F32));
    double[] actual = get(DType.F32, out, 64);
    for (int i = 0; i < 64; i++) {
      boolean keeps = Philox.keeps(1, 2, i, Philox.dropoutThreshold(0.5f));
      assertEquals(keeps ? Double.POSITIVE_INFINITY : 0, actual[i]);
    }
  }

  @Test
  void castRoundsToNearestEvenAndAccumulatesInF32() {
    double[] wide = normal(DType.F32, COUNT);
    long narrow = poison(DType.BF16, COUNT);
    backend.run(new CastCall(narrow, put(DType.F32, wide), COUNT, false, DType.BF16, DType.F32));
    double[] rounded = round(DType.BF16, wide);
    assertArrayEquals(rounded, get(DType.BF16, narrow, COUNT));

    long back = poison(COUNT);
    backend.run(new CastCall(back, narrow, COUNT, false, DType.F32, DType.BF16));
    assertArrayEquals(rounded, get(DType.F32, back, COUNT));

    backend.run(new CastCall(narrow, put(DType.F32, wide), COUNT, true, DType.BF16, DType.F32));
    assertArrayEquals(
        round(DType.BF16, round(DType.F32, add(rounded, wide))), get(DType.BF16, narrow, COUNT));
    backend.run(new CastCall(back, put(DType.BF16, rounded), COUNT, true, DType.F32, DType.BF16));
    assertArrayEquals(add(rounded, rounded), get(DType.F32, back, COUNT));
  }
}
