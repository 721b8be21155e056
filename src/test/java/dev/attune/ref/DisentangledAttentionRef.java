package dev.attune.ref;

/**
 * Attention whose scores know content and relative position apart (He et al., DeBERTa, 2021), one
 * row of probabilities at a time: {@code q, k, v, out (N,H,D)} dense, {@code lse (H,N)}, {@code
 * posKey, posQuery (P,H,D)}.
 */
public final class DisentangledAttentionRef {
  /**
   * What both directions need to know.
   *
   * @param places (2 reach + 1) the row of the positions by the offset of the query from the key
   */
  public record Problem(
      int[] cu,
      int H,
      int D,
      int P,
      int[] places,
      double scale,
      float dropout,
      long seed,
      long stream) {
    public int reach() {
      return places.length / 2;
    }

    public int rows() {
      return cu[cu.length - 1];
    }

    int place(int i, int j) {
      return places[reach() + Math.max(-reach(), Math.min(reach(), i - j))];
    }

    double mask(Precision p, int row, int h, int j) {
      return new AttentionRef.Problem(cu, cu, H, H, D, scale, false, 0, dropout, seed, stream)
          .mask(p, row, h, j);
    }
  }

  /** Everything that forward writes. */
  public record Forward(double[] out, double[] lse) {}

  /** Everything that backward writes. */
  public record Backward(
      double[] dq, double[] dk, double[] dv, double[] dposKey, double[] dposQuery) {}

  private DisentangledAttentionRef() {}

  /**
   * @param posKey null: scores have no such term
   * @param posQuery null: scores have no such term
   */
  public static Forward forward(
      Precision p,
      Problem a,
      double[] q,
      double[] k,
      double[] v,
      double[] posKey,
      double[] posQuery) {
    int N = a.rows();
    double[] out = new double[N * a.H * a.D];
    double[] lse = new double[a.H * N];
    for (int b = 0; b + 1 < a.cu.length; b++) {
      for (int row = a.cu[b]; row < a.cu[b + 1]; row++) {
        for (int h = 0; h < a.H; h++) {
          double[] scores = scores(p, a, b, row, h, q, k, posKey, posQuery);
          double max = Double.NEGATIVE_INFINITY;
          for (double score : scores) {
            max = Math.max(max, score);
          }
          double sum = 0;
          double[] weights = new double[scores.length];
          for (int j = 0; j < scores.length; j++) {
            double weight = p.f32(Math.exp(p.f32(scores[j] - max)));
            sum = p.f32(sum + weight);
            weights[j] = p.stored(p.f32(weight * a.mask(p, row, h, j)));
          }
          lse[h * N + row] = p.f32(max + p.f32(Math.log(sum)));
          for (int d = 0; d < a.D; d++) {
            double value = 0;
            for (int j = 0; j < scores.length; j++) {
              value = p.f32(value + p.f32(weights[j] * v[at(a, a.cu[b] + j, h, d)]));
            }
            out[at(a, row, h, d)] = p.stored(value / sum);
          }
        }
      }
    }
    return new Forward(out, lse);
  }

  /** From the saved {@code out} and {@code lse} of forward. */
  public static Backward backward(
      Precision p,
      Problem a,
      double[] dout,
      double[] q,
      double[] k,
      double[] v,
      double[] posKey,
      double[] posQuery,
      double[] out,
      double[] lse) {
    int N = a.rows();
    Backward g =
        new Backward(
            new double[q.length],
            new double[k.length],
            new double[v.length],
            new double[a.P * a.H * a.D],
            new double[a.P * a.H * a.D]);
    for (int b = 0; b + 1 < a.cu.length; b++) {
      for (int row = a.cu[b]; row < a.cu[b + 1]; row++) {
        for (int h = 0; h < a.H; h++) {
          double[] scores = scores(p, a, b, row, h, q, k, posKey, posQuery);
          double delta = 0;
          for (int d = 0; d < a.D; d++) {
            delta = p.f32(delta + p.f32(dout[at(a, row, h, d)] * out[at(a, row, h, d)]));
          }
          for (int j = 0; j < scores.length; j++) {
            double mask = a.mask(p, row, h, j);
            double probability = p.f32(Math.exp(p.f32(scores[j] - lse[h * N + row])));
            double dprobability = 0;
            for (int d = 0; d < a.D; d++) {
              dprobability =
                  p.f32(dprobability + dout[at(a, row, h, d)] * v[at(a, a.cu[b] + j, h, d)]);
            }
            double kept = p.stored(p.f32(probability * mask));
            double dscore =
                p.stored(p.f32(probability * p.f32(p.f32(dprobability * mask) - delta)));
            int place = a.place(row - a.cu[b], j);
            for (int d = 0; d < a.D; d++) {
              int query = at(a, row, h, d);
              int key = at(a, a.cu[b] + j, h, d);
              int position = at(a, place, h, d);
              add(p, g.dv, key, kept * dout[query]);
              add(p, g.dq, query, dscore * k[key]);
              add(p, g.dk, key, dscore * q[query]);
              if (posKey != null) {
                add(p, g.dq, query, dscore * posKey[position]);
                add(p, g.dposKey, position, dscore * q[query]);
              }
              if (posQuery != null) {
                add(p, g.dk, key, dscore * posQuery[position]);
                add(p, g.dposQuery, position, dscore * k[key]);
              }
            }
          }
        }
      }
    }
    for (double[] scaled : new double[][] {g.dq, g.dk, g.dposKey, g.dposQuery}) {
      for (int i = 0; i < scaled.length; i++) {
        scaled[i] = p.stored(p.f32(scaled[i] * a.scale));
      }
    }
    for (int i = 0; i < v.length; i++) {
      g.dv[i] = p.stored(g.dv[i]);
    }
    return g;
  }

  private static void add(Precision p, double[] sums, int at, double value) {
    sums[at] = p.f32(sums[at] + p.f32(value));
  }

  /** Scaled scores of one row. */
  private static double[] scores(
      Precision p,
      Problem a,
      int b,
      int row,
      int h,
      double[] q,
      double[] k,
      double[] posKey,
      double[] posQuery) {
    double[] scores = new double[a.cu[b + 1] - a.cu[b]];
    for (int j = 0; j < scores.length; j++) {
      int place = a.place(row - a.cu[b], j);
      double sum = 0;
      for (int d = 0; d < a.D; d++) {
        double query = q[at(a, row, h, d)];
        double key = k[at(a, a.cu[b] + j, h, d)];
        sum = p.f32(sum + p.f32(query * key));
        if (posKey != null) {
          sum = p.f32(sum + p.f32(query * posKey[at(a, place, h, d)]));
        }
        if (posQuery != null) {
          sum = p.f32(sum + p.f32(key * posQuery[at(a, place, h, d)]));
        }
      }
      scores[j] = p.f32(sum * a.scale);
    }
    return scores;
  }

  private static int at(Problem a, int row, int h, int d) {
    return (row * a.H + h) * a.D + d;
  }
}
