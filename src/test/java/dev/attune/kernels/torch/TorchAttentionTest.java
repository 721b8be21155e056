package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.AttentionCall;
import org.junit.jupiter.api.Test;

class TorchAttentionTest extends TorchTestCase {
  private static final long SEED = 0x1234_5678_9ABCL;
  private static final long STREAM = Philox.stream(3, 4);

  /** One attention problem and its answer in double, from the definition alone. */
  private final class Problem {
    final DType dtype;
    final int[] cuQ;
    final int[] cuK;
    final int H;
    final int Hkv;
    final int D;
    final int qStride;
    final int kvStride;
    final float scale = 0.4f;
    final boolean causal;
    final int window;
    final float p;
    final int Nq;
    final int Nk;
    final double[] q;
    final double[] k;
    final double[] v;
    final double[] dout;
    final double[] out;
    final double[] lse;
    final double[] dq;
    final double[] dk;
    final double[] dv;

    Problem(
        DType dtype,
        int[] cuQ,
        int[] cuK,
        int H,
        int Hkv,
        int D,
        int extra,
        boolean causal,
        int window,
        float p) {
      this.dtype = dtype;
      this.cuQ = cuQ;
      this.cuK = cuK;
      this.H = H;
      this.Hkv = Hkv;
      this.D = D;
      this.qStride = H * D + extra;
      this.kvStride = Hkv * D + 2 * extra;
      this.causal = causal;
      this.window = window;
      this.p = p;
      this.Nq = cuQ[cuQ.length - 1];
      this.Nk = cuK[cuK.length - 1];
      q = normal(dtype, Nq * qStride);
      k = normal(dtype, Nk * kvStride);
      v = normal(dtype, Nk * kvStride);
      dout = normal(dtype, Nq * H * D);
      out = new double[Nq * H * D];
      lse = new double[H * Nq];
      dq = new double[Nq * H * D];
      dk = new double[Nk * Hkv * D];
      dv = new double[Nk * Hkv * D];
      for (int b = 0; b + 1 < cuQ.length; b++) {
        for (int h = 0; h < H; h++) {
          for (int i = cuQ[b]; i < cuQ[b + 1]; i++) {
            row(b, h, i);
          }
        }
      }
    }

    private void row(int b, int h, int i) {
      int keys = cuK[b + 1] - cuK[b];
      int last = i - cuQ[b] + keys - (cuQ[b + 1] - cuQ[b]);
      int kv = h / (H / Hkv);
      double[] weight = new double[keys];
      double sum = 0;
      for (int j = 0; j < keys; j++) {
        boolean hidden = causal && j > last || window > 0 && Math.abs(j - last) >= window;
        double score = 0;
        for (int d = 0; d < D; d++) {
          score += q[i * qStride + h * D + d] * k[(cuK[b] + j) * kvStride + kv * D + d];
        }
        weight[j] = hidden ? 0 : Math.exp(scale * score);
        sum += weight[j];
      }
      lse[h * Nq + i] = Math.log(sum);
      if (sum == 0) {
        return;
      }
      int threshold = Philox.dropoutThreshold(p);
      double[] kept = new double[keys];
      double[] dp = new double[keys];
      double delta = 0;
      for (int j = 0; j < keys; j++) {
        weight[j] /= sum;
        kept[j] = keeps(i, h, j, threshold) ? 1 / (1 - threshold / 65536.0) : 0;
        for (int d = 0; d < D; d++) {
          int at = (i * H + h) * D + d;
          double value = v[(cuK[b] + j) * kvStride + kv * D + d];
          out[at] += weight[j] * kept[j] * value;
          dp[j] += dout[at] * value * kept[j];
          dv[((cuK[b] + j) * Hkv + kv) * D + d] += weight[j] * kept[j] * dout[at];
        }
        delta += weight[j] * dp[j];
      }
      for (int j = 0; j < keys; j++) {
        double ds = weight[j] * (dp[j] - delta) * scale;
        for (int d = 0; d < D; d++) {
          dq[(i * H + h) * D + d] += ds * k[(cuK[b] + j) * kvStride + kv * D + d];
          dk[((cuK[b] + j) * Hkv + kv) * D + d] += ds * q[i * qStride + h * D + d];
        }
      }
    }

    private boolean keeps(int i, int h, int j, int threshold) {
      int[] words = new int[4];
      Philox.block(SEED, STREAM, (long) (i * H + h) << 32 | j / 8, words);
      return (words[j % 8 / 2] >>> (j % 2 * 16) & 0xFFFF) >= threshold;
    }

    void check(String what) {
      int B = cuQ.length - 1;
      long outAt = poison(dtype, out.length);
      long lseAt = poison(lse.length);
      long qAt = put(dtype, q);
      long kAt = put(dtype, k);
      long vAt = put(dtype, v);
      long cuQAt = put(cuQ);
      long cuKAt = put(cuK);
      backend.run(
          new AttentionCall.Forward(
              outAt,
              lseAt,
              qAt,
              kAt,
              vAt,
              cuQAt,
              cuKAt,
              new AttentionCall.Problem(
                  qStride, kvStride, B, Nq + Nk, H, Hkv, D, scale, causal, window, p, SEED, STREAM,
                  dtype)));
      assertClose(dtype, out, get(dtype, outAt, out.length), what + " out");
      assertClose(lse, get(DType.F32, lseAt, lse.length), what + " lse");

      long dqAt = poison(dtype, Nq * qStride);
      long dkAt = poison(dtype, Nk * kvStride);
      long dvAt = poison(dtype, Nk * kvStride);
      backend.run(
          new AttentionCall.Backward(
              dqAt,
              dkAt,
              dvAt,
              put(dtype, dout),
              qAt,
              kAt,
              vAt,
              outAt,
              lseAt,
              cuQAt,
              cuKAt,
              new AttentionCall.Problem(
                  qStride, kvStride, B, Nq + Nk, H, Hkv, D, scale, causal, window, p, SEED, STREAM,
                  dtype)));
      assertClose(dtype, dq, rows(dqAt, Nq, qStride, H * D), what + " dq");
      assertClose(dtype, dk, rows(dkAt, Nk, kvStride, Hkv * D), what + " dk");
      assertClose(dtype, dv, rows(dvAt, Nk, kvStride, Hkv * D), what + " dv");
    }

    /** The dense part of strided rows; what lies between must still be poison. */
    private double[] rows(long address, int rows, int stride, int width) {
      double[] all = get(dtype, address, rows * stride);
      double[] dense = new double[rows * width];
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < stride; c++) {
          if (c < width) {
            dense[r * width + c] = all[r * stride + c];
          } else {
            assertEquals(Double.NaN, all[r * stride + c], "gap of row " + r);
          }
        }
      }
      return dense;
    }
  }

  @Test
  void raggedSequences() {
    int[] cu = {0, 3, 4, 4, 13};
    for (DType dtype : DTYPES) {
      new Problem(dtype, cu, cu, 2, 2, 4, 0, false, 0, 0).check("plain");
      new Problem(dtype, cu, cu, 2, 2, 4, 5, true, 0, 0).check("causal, strided");
      new Problem(dtype, cu, cu, 4, 2, 4, 3, true, 2, 0).check("causal, window, grouped");
      new Problem(dtype, cu, cu, 4, 1, 3, 1, false, 4, 0).check("window, one key/value head");
    }
  }

  @Test
  void queriesAndKeysOfDifferentLengths() {
    int[] cuQ = {0, 2, 5, 9, 11, 11};
    int[] cuK = {0, 6, 6, 8, 11, 12};
    for (DType dtype : DTYPES) {
      for (boolean causal : new boolean[] {false, true}) {
        new Problem(dtype, cuQ, cuK, 4, 2, 4, 2, causal, 0, 0).check("causal " + causal);
        new Problem(dtype, cuQ, cuK, 4, 2, 4, 2, causal, 3, 0.3f).check("dropout " + causal);
      }
    }
  }

  @Test
  void dropoutUsesTheBlocksOfTheContract() {
    int[] cu = {0, 17, 26};
    for (DType dtype : DTYPES) {
      new Problem(dtype, cu, cu, 4, 2, 4, 0, false, 0, 0.25f).check("dropout");
      new Problem(dtype, cu, cu, 2, 2, 4, 1, true, 5, 0.5f).check("causal dropout");
    }
  }

  @Test
  void sequencesLargerThanATile() {
    int[] cuQ = {0, 3, 560};
    int[] cuK = {0, 9, 620};
    new Problem(DType.F32, cuQ, cuK, 4, 2, 2, 0, true, 300, 0.2f).check("rows in tiles");
    int[] cu = {0, 260};
    new Problem(DType.BF16, cu, cu, 6, 3, 2, 3, false, 0, 0.2f).check("heads in tiles");
  }
}
