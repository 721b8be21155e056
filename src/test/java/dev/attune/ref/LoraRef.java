package dev.attune.ref;

/**
 * The second product of a low-rank adapter: {@code out (N,F) += scale * low (N,R) * up (F,R)^T},
 * all of it dense.
 */
public final class LoraRef {
  private LoraRef() {}

  /** Everything that backward writes. */
  public record Backward(double[] dlow, double[] dup) {}

  /** old + product. */
  public static double[] forward(
      Precision p, double[] old, double[] low, double[] up, int N, int F, int R, double scale) {
    double[] out = new double[N * F];
    for (int n = 0; n < N; n++) {
      for (int f = 0; f < F; f++) {
        double sum = 0;
        for (int r = 0; r < R; r++) {
          sum = p.f32(sum + p.f32(low[n * R + r] * up[f * R + r]));
        }
        out[n * F + f] = p.stored(p.f32(old[n * F + f] + p.f32(scale * sum)));
      }
    }
    return out;
  }

  /** {@code oldUp} may be null: overwritten. */
  public static Backward backward(
      Precision p,
      double[] dout,
      double[] low,
      double[] up,
      double[] oldUp,
      int N,
      int F,
      int R,
      double scale) {
    Backward backward = new Backward(new double[N * R], new double[F * R]);
    for (int n = 0; n < N; n++) {
      for (int r = 0; r < R; r++) {
        double sum = 0;
        for (int f = 0; f < F; f++) {
          sum = p.f32(sum + p.f32(dout[n * F + f] * up[f * R + r]));
        }
        backward.dlow[n * R + r] = p.stored(p.f32(scale * sum));
      }
    }
    for (int f = 0; f < F; f++) {
      for (int r = 0; r < R; r++) {
        double sum = 0;
        for (int n = 0; n < N; n++) {
          sum = p.f32(sum + p.f32(dout[n * F + f] * low[n * R + r]));
        }
        int i = f * R + r;
        backward.dup[i] = p.f32(p.f32(scale * sum) + (oldUp == null ? 0 : oldUp[i]));
      }
    }
    return backward;
  }
}
