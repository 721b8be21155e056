package dev.attune.ref;

import dev.attune.core.Philox;

/**
 * Variable-length multi-head attention, one row of probabilities at a time: {@code q (Nq,H,D)},
 * {@code k, v (Nk,Hkv,D)} dense, {@code out (Nq,H,D)}, {@code lse (H,Nq)}.
 */
public final class AttentionRef {
  /**
   * What both directions need to know.
   *
   * @param window 0: no limit; else how far a query sees, itself included: back, and ahead too
   *     where it is not causal
   * @param bias (H, 2 reach + 1) added to scaled scores by the offset of the key from the query's
   *     place, clamped to the reach; null: none
   */
  public record Problem(
      int[] cuQ,
      int[] cuK,
      int H,
      int Hkv,
      int D,
      double scale,
      boolean causal,
      int window,
      float dropout,
      long seed,
      long stream,
      int reach,
      double[] bias) {
    public Problem(
        int[] cuQ,
        int[] cuK,
        int H,
        int Hkv,
        int D,
        double scale,
        boolean causal,
        int window,
        float dropout,
        long seed,
        long stream) {
      this(cuQ, cuK, H, Hkv, D, scale, causal, window, dropout, seed, stream, 0, null);
    }

    public Problem withBias(int reach, double[] bias) {
      return new Problem(
          cuQ, cuK, H, Hkv, D, scale, causal, window, dropout, seed, stream, reach, bias);
    }

    /** Where the bias of query i and key j of sequence b lies. */
    int biasAt(int b, int h, int i, int j) {
      int offset = j - place(b, i);
      return h * (2 * reach + 1) + reach + Math.max(-reach, Math.min(reach, offset));
    }

    /** The key at which query i of sequence b stands. */
    int place(int b, int i) {
      return i + (cuK[b + 1] - cuK[b]) - (cuQ[b + 1] - cuQ[b]);
    }

    int queries() {
      return cuQ[cuQ.length - 1];
    }

    int keys() {
      return cuK[cuK.length - 1];
    }

    /** Whether query i of sequence b sees its key j. */
    boolean sees(int b, int i, int j) {
      int ahead = j - place(b, i);
      return (!causal || ahead <= 0) && (window == 0 || Math.abs(ahead) < window);
    }

    /** The factor that dropout gives to the probability of packed row {@code row} and key j. */
    double mask(Precision p, int row, int h, int j) {
      int threshold = Philox.dropoutThreshold(dropout);
      if (threshold == 0) {
        return 1;
      }
      int[] words = new int[4];
      Philox.block(seed, stream, (long) row * H + h << 32 | j / 8, words);
      int lane = j % 8;
      int bits = words[lane / 2] >>> lane % 2 * 16 & 0xFFFF;
      return bits < threshold ? 0 : p.f32(1 / (1 - threshold / 65536.0));
    }
  }

  /** Everything that forward writes. */
  public record Forward(double[] out, double[] lse) {}

  /** Everything that backward writes. */
  public record Backward(double[] dq, double[] dk, double[] dv, double[] dbias) {}

  private AttentionRef() {}

  public static Forward forward(Precision p, Problem a, double[] q, double[] k, double[] v) {
    Forward forward =
        new Forward(new double[a.queries() * a.H * a.D], new double[a.H * a.queries()]);
    for (int b = 0; b + 1 < a.cuQ.length; b++) {
      int keys = a.cuK[b + 1] - a.cuK[b];
      for (int row = a.cuQ[b]; row < a.cuQ[b + 1]; row++) {
        for (int h = 0; h < a.H; h++) {
          double[] scores = scores(p, a, b, row, h, q, k);
          double max = Double.NEGATIVE_INFINITY;
          for (double score : scores) {
            max = Math.max(max, score);
          }
          double[] weights = new double[keys];
          double sum = 0;
          for (int j = 0; j < keys && max > Double.NEGATIVE_INFINITY; j++) {
            double weight = p.f32(Math.exp(p.f32(scores[j] - max)));
            sum = p.f32(sum + weight);
            weights[j] = weight == 0 ? 0 : p.stored(p.f32(weight * a.mask(p, row, h, j)));
          }
          forward.lse[h * a.queries() + row] =
              sum == 0 ? Double.NEGATIVE_INFINITY : p.f32(max + p.f32(Math.log(sum)));
          for (int d = 0; d < a.D && sum > 0; d++) {
            double out = 0;
            for (int j = 0; j < keys; j++) {
              out = p.f32(out + p.f32(weights[j] * v[index(a, b, j, h, d)]));
            }
            forward.out[(row * a.H + h) * a.D + d] = p.stored(out / sum);
          }
        }
      }
    }
    return forward;
  }

  /** From the saved {@code out} and {@code lse} of forward. */
  public static Backward backward(
      Precision p,
      Problem a,
      double[] dout,
      double[] q,
      double[] k,
      double[] v,
      double[] out,
      double[] lse) {
    Backward backward =
        new Backward(
            new double[q.length],
            new double[k.length],
            new double[v.length],
            new double[a.bias == null ? 0 : a.bias.length]);
    for (int b = 0; b + 1 < a.cuQ.length; b++) {
      int keys = a.cuK[b + 1] - a.cuK[b];
      for (int row = a.cuQ[b]; row < a.cuQ[b + 1]; row++) {
        for (int h = 0; h < a.H; h++) {
          int query = (row * a.H + h) * a.D;
          double[] scores = scores(p, a, b, row, h, q, k);
          double delta = 0;
          for (int d = 0; d < a.D; d++) {
            delta = p.f32(delta + p.f32(dout[query + d] * out[query + d]));
          }
          for (int j = 0; j < keys; j++) {
            if (!a.sees(b, row - a.cuQ[b], j)) {
              continue;
            }
            double mask = a.mask(p, row, h, j);
            double probability = p.f32(Math.exp(p.f32(scores[j] - lse[h * a.queries() + row])));
            // Rounded once, as matrix products do: summed as delta is, the two would cancel without
            // an error where a query sees one key, which no program can be held to.
            double dprobability = 0;
            for (int d = 0; d < a.D; d++) {
              dprobability = p.f32(dprobability + dout[query + d] * v[index(a, b, j, h, d)]);
            }
            double kept = p.stored(p.f32(probability * mask));
            double gradient = p.f32(probability * p.f32(p.f32(dprobability * mask) - delta));
            if (a.bias != null) {
              int at = a.biasAt(b, h, row - a.cuQ[b], j);
              backward.dbias[at] = p.f32(backward.dbias[at] + gradient);
            }
            double dscore = p.stored(gradient);
            for (int d = 0; d < a.D; d++) {
              int key = index(a, b, j, h, d);
              backward.dv[key] = p.f32(backward.dv[key] + p.f32(kept * dout[query + d]));
              backward.dk[key] = p.f32(backward.dk[key] + p.f32(dscore * q[query + d]));
              backward.dq[query + d] = p.f32(backward.dq[query + d] + p.f32(dscore * k[key]));
            }
          }
        }
      }
    }
    for (int i = 0; i < q.length; i++) {
      backward.dq[i] = p.stored(p.f32(backward.dq[i] * a.scale));
    }
    for (int i = 0; i < k.length; i++) {
      backward.dk[i] = p.stored(p.f32(backward.dk[i] * a.scale));
      backward.dv[i] = p.stored(backward.dv[i]);
    }
    return backward;
  }

  /** Scaled scores of one row; -infinity where the key is not seen. */
  private static double[] scores(
      Precision p, Problem a, int b, int row, int h, double[] q, double[] k) {
    double[] scores = new double[a.cuK[b + 1] - a.cuK[b]];
    for (int j = 0; j < scores.length; j++) {
      double sum = 0;
      for (int d = 0; d < a.D; d++) {
        sum = p.f32(sum + p.f32(q[(row * a.H + h) * a.D + d] * k[index(a, b, j, h, d)]));
      }
      double score = p.f32(sum * a.scale);
      if (a.bias != null) {
        score = p.f32(score + a.bias[a.biasAt(b, h, row - a.cuQ[b], j)]);
      }
      scores[j] = a.sees(b, row - a.cuQ[b], j) ? score : Double.NEGATIVE_INFINITY;
    }
    return scores;
  }

  /** Where element d of key j, as seen by head h, lies in k and v. */
  private static int index(Problem a, int b, int j, int h, int d) {
    return ((a.cuK[b] + j) * a.Hkv + h / (a.H / a.Hkv)) * a.D + d;
  }
}
