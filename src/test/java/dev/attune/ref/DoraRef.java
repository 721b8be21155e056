package dev.attune.ref;

/**
 * Weight-decomposed adapters (Liu et al., DoRA, 2024): the norms of the rows of {@code weight (F,C)
 * + scale * up (F,R) * down (R,C)}, and columns multiplied by magnitude over norm.
 */
public final class DoraRef {
  private DoraRef() {}

  /** Everything that the norms decide, one entry for each row. */
  public record Gain(double[] gain, double[] excess, double[] norm) {}

  /** Everything that backward writes. */
  public record Backward(double[] dinp, double[] dmagnitude) {}

  /** Of all rows of the weight given. */
  public static Gain gain(
      Precision p,
      double[] weight,
      double[] down,
      double[] up,
      double[] magnitude,
      int F,
      int C,
      int R,
      double scale) {
    Gain out = new Gain(new double[F], new double[F], new double[F]);
    for (int f = 0; f < F; f++) {
      double squares = 0;
      for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int r = 0; r < R; r++) {
          sum = p.f32(sum + p.f32(up[f * R + r] * down[r * C + c]));
        }
        double x = p.f32(weight[f * C + c] + p.f32(scale * sum));
        squares = p.f32(squares + p.f32(x * x));
      }
      double norm = p.f32(Math.sqrt(squares));
      out.norm[f] = norm;
      out.gain[f] = norm == 0 ? 0 : p.f32(magnitude[f] / norm);
      out.excess[f] = norm == 0 ? -1 : p.f32(p.f32(magnitude[f] - norm) / norm);
    }
    return out;
  }

  /** {@code old} null: overwritten; {@code bias} may be null. */
  public static double[] forward(
      Precision p, double[] old, double[] inp, double[] gain, double[] bias, int N, int F) {
    double[] out = new double[N * F];
    for (int i = 0; i < N * F; i++) {
      double value = p.f32(gain[i % F] * inp[i]);
      value = p.f32(value + (bias == null ? 0 : bias[i % F]));
      out[i] = p.stored(p.f32(value + (old == null ? 0 : old[i])));
    }
    return out;
  }

  /** Dense rows; {@code old} null: overwritten. */
  public static Backward backward(
      Precision p,
      double[] dout,
      double[] inp,
      double[] gain,
      double[] norm,
      double[] old,
      int N,
      int F) {
    Backward backward = new Backward(new double[N * F], new double[F]);
    for (int f = 0; f < F; f++) {
      double sum = 0;
      for (int n = 0; n < N; n++) {
        sum = p.f32(sum + p.f32(dout[n * F + f] * inp[n * F + f]));
        backward.dinp[n * F + f] = p.stored(p.f32(gain[f] * dout[n * F + f]));
      }
      double share = norm[f] == 0 ? 0 : p.f32(sum / norm[f]);
      backward.dmagnitude[f] = p.f32(share + (old == null ? 0 : old[f]));
    }
    return backward;
  }
}
