package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import org.junit.jupiter.api.Test;

class TorchOptimizersTest extends TorchTestCase {
  private static final float LR = 1e-2f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPS = 1e-8f;
  private static final float DECAY = 0.1f;
  private static final int TARGETS = 2;
  private static final float CLIP = 0.5f; // of so many targets

  private static float correction(float beta, int step) {
    return (float) (1 - Math.pow(beta, step));
  }

  private void adamw(long w, long m, long v, long shadow, long grad, int count, int step) {
    update(step);
    backend.run(new AdamWCall.Flat(w, m, v, shadow, grad, count, BETA1, BETA2, EPS, DECAY, 1));
  }

  private void update(int step) {
    backend.run(new StepCall.Update(LR, correction(BETA1, step), correction(BETA2, step), TARGETS));
  }

  @Test
  void adamwFollowsItsFormula() {
    int count = 1003;
    double[] w = normal(DType.F32, count);
    double[] m = new double[count];
    double[] v = new double[count];
    long wAt = put(DType.F32, w);
    long mAt = put(DType.F32, m);
    long vAt = put(DType.F32, v);
    long shadowAt = poison(DType.BF16, count);
    for (int step = 1; step <= 3; step++) {
      double[] grad = normal(DType.F32, count);
      double bias1 = correction(BETA1, step);
      double bias2 = correction(BETA2, step);
      for (int i = 0; i < count; i++) {
        double g = CLIP * grad[i];
        w[i] -= LR * (double) DECAY * w[i];
        m[i] += (1 - (double) BETA1) * (g - m[i]);
        v[i] = BETA2 * v[i] + (1 - (double) BETA2) * g * g;
        w[i] -= LR / bias1 * m[i] / (Math.sqrt(v[i]) / Math.sqrt(bias2) + EPS);
      }
      adamw(wAt, mAt, vAt, shadowAt, put(DType.F32, grad), count, step);
    }
    assertClose(w, get(DType.F32, wAt, count), "weight");
    assertClose(m, get(DType.F32, mAt, count), "m");
    assertClose(v, get(DType.F32, vAt, count), "v");
    assertArrayEquals(
        round(DType.BF16, get(DType.F32, wAt, count)), get(DType.BF16, shadowAt, count));
  }

  @Test
  void adamwRowsEqualsAdamwBitForBit() {
    int V = 13;
    int C = 37;
    double[] w = normal(DType.F32, V * C);
    byte[] state = new byte[V];
    long dense = put(DType.F32, w);
    long denseM = put(DType.F32, new double[V * C]);
    long denseV = put(DType.F32, new double[V * C]);
    long sparse = put(DType.F32, w);
    long sparseM = put(DType.F32, new double[V * C]);
    long sparseV = put(DType.F32, new double[V * C]);
    long stateAt = backend.allocate(V, false);
    for (int step = 1; step <= 4; step++) {
      double[] denseGrad = new double[V * C];
      double[] sparseGrad = new double[V * C];
      java.util.Arrays.fill(sparseGrad, Double.NaN);
      for (int row = 0; row < V; row++) {
        boolean used = row % (step + 1) == 1;
        state[row] = (byte) (used ? 2 : state[row] == 0 ? 0 : 1);
        for (int c = 0; used && c < C; c++) {
          denseGrad[row * C + c] = (float) random.nextGaussian();
          sparseGrad[row * C + c] = denseGrad[row * C + c];
        }
      }
      backend.view(stateAt, V).put(state);
      adamw(dense, denseM, denseV, 0, put(DType.F32, denseGrad), V * C, step);
      backend.run(
          new AdamWCall.Rows(
              sparse,
              sparseM,
              sparseV,
              put(DType.F32, sparseGrad),
              stateAt,
              V,
              C,
              BETA1,
              BETA2,
              EPS,
              DECAY,
              1));
    }
    assertArrayEquals(get(DType.F32, dense, V * C), get(DType.F32, sparse, V * C));
    assertArrayEquals(get(DType.F32, denseM, V * C), get(DType.F32, sparseM, V * C));
    assertArrayEquals(get(DType.F32, denseV, V * C), get(DType.F32, sparseV, V * C));

    backend.view(stateAt, V).put(5, (byte) 3);
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                backend.run(
                    new AdamWCall.Rows(
                        sparse, sparseM, sparseV, dense, stateAt, V, C, BETA1, BETA2, EPS, DECAY,
                        1)));
    assertEquals("adamw_rows: row_state[5] is 3, must be 0..2", e.getMessage());
    backend.free(stateAt, V);
  }

  @Test
  void sgdFollowsPyTorch() {
    int count = 57;
    for (boolean nesterov : new boolean[] {true, false}) {
      double[] w = normal(DType.F32, count);
      double[] buffer = new double[count];
      long wAt = put(DType.F32, w);
      long bufferAt = put(DType.F32, buffer);
      long shadowAt = poison(DType.BF16, count);
      for (int step = 0; step < 3; step++) {
        double[] grad = normal(DType.F32, count);
        for (int i = 0; i < count; i++) {
          double g = CLIP * grad[i] + DECAY * w[i];
          buffer[i] = step == 0 ? g : BETA1 * buffer[i] + g;
          w[i] -= LR * (nesterov ? g + BETA1 * buffer[i] : buffer[i]);
        }
        update(1);
        backend.run(
            new SgdCall.Flat(
                wAt, bufferAt, shadowAt, put(DType.F32, grad), count, BETA1, DECAY, 1, nesterov));
      }
      assertClose(w, get(DType.F32, wAt, count), "weight");
      assertClose(buffer, get(DType.F32, bufferAt, count), "momentum");
      assertArrayEquals(
          round(DType.BF16, get(DType.F32, wAt, count)), get(DType.BF16, shadowAt, count));
    }
  }

  @Test
  void sumOfSquaresIsExactToDouble() {
    for (int count : new int[] {0, 1, 4095, 4096, 4097, 3 * 4096 + 5, (1 << 20) + 4096 + 3}) {
      double[] inp = normal(DType.F32, count);
      double expected = 0;
      for (double x : inp) {
        expected += x * x;
      }
      long out = backend.allocate(8, false);
      backend.run(new SumOfSquaresCall.Flat(out, put(DType.F32, inp), count));
      assertEquals(expected, backend.view(out, 8).getDouble(), 1e-12 * expected);
      backend.free(out, 8);
    }
  }

  @Test
  void sumOfSquaresOfRows() {
    int C = 33;
    int[] rows = {4, 0, 7};
    double[] table = normal(DType.F32, 9 * C);
    double expected = 0;
    for (int row : rows) {
      for (int c = 0; c < C; c++) {
        expected += table[row * C + c] * table[row * C + c];
      }
    }
    long out = backend.allocate(8, false);
    backend.run(new SumOfSquaresCall.Rows(out, put(DType.F32, table), put(rows), rows.length, C));
    assertEquals(expected, backend.view(out, 8).getDouble(), 1e-12 * expected);
    backend.run(new SumOfSquaresCall.Rows(out, 0, 0, 0, C));
    assertEquals(0, backend.view(out, 8).getDouble());
    backend.free(out, 8);
  }
}
