package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.MseCall;
import dev.attune.core.DType;
import org.junit.jupiter.api.Test;

class TorchLossesTest extends TorchTestCase {
  private int N = 6;
  private int K = 9;
  private static final int IGNORE = -100;
  private static final float SCALE = 0.37f;

  @Test
  void crossEntropyWithSmoothingAndIgnoredRows() {
    crossEntropy(0, IGNORE, 8, 3, 3, IGNORE);
  }

  @Test
  void crossEntropyOfMoreRowsThanATile() {
    N = 5;
    K = 100_000;
    crossEntropy(0, 99_999, 5, IGNORE, 31_000);
  }

  private void crossEntropy(int... labels) {
    for (DType dtype : DTYPES) {
      for (float smoothing : new float[] {0, 0.1f}) {
        double[] logits = normal(dtype, N * K);
        logits[4] = round(dtype, 80);
        logits[3 * K] = round(dtype, -90);
        double[] losses = new double[N];
        double[] dlogits = new double[N * K];
        for (int n = 0; n < N; n++) {
          row(logits, labels[n], smoothing, n, losses, dlogits);
        }
        long lossesAt = poison(N);
        long dlogitsAt = poison(dtype, N * K);
        long logitsAt = put(dtype, logits);
        long labelsAt = put(labels);
        backend.run(new CrossEntropyCall(
            lossesAt, dlogitsAt, logitsAt, labelsAt, N, K, IGNORE, smoothing, SCALE, dtype));
        assertClose(losses, get(DType.F32, lossesAt, N), "losses");
        assertClose(dtype, dlogits, get(dtype, dlogitsAt, N * K), "dlogits");

        long evaluated = poison(N);
        backend.run(new CrossEntropyCall(
            evaluated, 0, logitsAt, labelsAt, N, K, IGNORE, smoothing, SCALE, dtype));
        assertArrayEquals(get(DType.F32, lossesAt, N), get(DType.F32, evaluated, N));
        assertArrayEquals(logits, get(dtype, logitsAt, N * K), "logits unchanged");
        backend.run(new CrossEntropyCall(
            evaluated, logitsAt, logitsAt, labelsAt, N, K, IGNORE, smoothing, SCALE, dtype));
        assertArrayEquals(get(dtype, dlogitsAt, N * K), get(dtype, logitsAt, N * K), "in place");
      }
    }
  }

  private void row(
      double[] logits, int label, float smoothing, int n, double[] losses, double[] dlogits) {
    if (label == IGNORE) {
      return;
    }
    double largest = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < K; k++) {
      largest = Math.max(largest, logits[n * K + k]);
    }
    double sum = 0;
    for (int k = 0; k < K; k++) {
      sum += Math.exp(logits[n * K + k] - largest);
    }
    for (int k = 0; k < K; k++) {
      double logProbability = logits[n * K + k] - largest - Math.log(sum);
      double target = (k == label ? 1.0 - smoothing : 0) + (double) smoothing / K;
      losses[n] -= target * logProbability;
      dlogits[n * K + k] = (Math.exp(logProbability) - target) * SCALE;
    }
  }

  @Test
  void labelOutsideTheClassesIsNamed() {
    long logits = put(DType.F32, normal(DType.F32, 2 * K));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                backend.run(new CrossEntropyCall(
                    poison(2), 0, logits, put(1, K), 2, K, IGNORE, 0, 1, DType.F32)));
    assertEquals(
        "crossEntropy: labels[1] = 9; it must be 0..8, or -100 to be ignored", e.getMessage());
  }

  @Test
  void mseAndItsGradient() {
    for (DType dtype : DTYPES) {
      double[] pred = normal(dtype, N);
      double[] targets = normal(DType.F32, N);
      double[] losses = new double[N];
      double[] dpred = new double[N];
      for (int n = 0; n < N; n++) {
        losses[n] = Math.pow(pred[n] - targets[n], 2);
        dpred[n] = 2 * (pred[n] - targets[n]) * SCALE;
      }
      long lossesAt = poison(N);
      long dpredAt = poison(dtype, N);
      backend.run(new MseCall(lossesAt, dpredAt, put(dtype, pred), put(DType.F32, targets), N, SCALE, dtype));
      assertClose(losses, get(DType.F32, lossesAt, N), "losses");
      assertClose(dtype, dpred, get(dtype, dpredAt, N), "dpred");
      backend.run(new MseCall(lossesAt, 0, put(dtype, pred), put(DType.F32, targets), N, SCALE, dtype));
      assertClose(losses, get(DType.F32, lossesAt, N), "losses alone");
    }
  }
}
