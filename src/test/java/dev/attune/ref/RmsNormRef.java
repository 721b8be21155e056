package dev.attune.ref;

/**
 * {@code sum = inp + residual; out = sum * rstd * weight, rstd = 1 / sqrt(mean(sum^2) + eps)},
 * group by group: N dense groups of C.
 */
public final class RmsNormRef {
  private RmsNormRef() {}

  /** Everything that forward writes. */
  public record Forward(double[] out, double[] sum, double[] rstd) {}

  /** Everything that backward writes. */
  public record Backward(double[] dinp, double[] dweight) {}

  /** {@code residual} may be null: then sum is inp. */
  public static Forward forward(
      Precision p, double[] inp, double[] residual, double[] weight, int N, int C, double eps) {
    Forward forward = new Forward(new double[N * C], new double[N * C], new double[N]);
    for (int n = 0; n < N; n++) {
      double squares = 0;
      for (int i = n * C; i < (n + 1) * C; i++) {
        forward.sum[i] = residual == null ? inp[i] : p.stored(p.f32(inp[i] + residual[i]));
        squares = p.f32(squares + p.f32(forward.sum[i] * forward.sum[i]));
      }
      double rstd = p.f32(1 / p.f32(Math.sqrt(p.f32(p.f32(squares / C) + eps))));
      for (int i = n * C; i < (n + 1) * C; i++) {
        forward.out[i] = p.stored(p.f32(p.f32(forward.sum[i] * rstd) * weight[i - n * C]));
      }
      forward.rstd[n] = rstd;
    }
    return forward;
  }

  /** {@code dsumExtra} and {@code oldWeight} may be null: zero, and overwritten. */
  public static Backward backward(
      Precision p,
      double[] dout,
      double[] dsumExtra,
      double[] sum,
      double[] rstd,
      double[] weight,
      int N,
      int C,
      double[] oldWeight) {
    Backward backward = new Backward(new double[N * C], new double[C]);
    for (int n = 0; n < N; n++) {
      double mean = 0;
      for (int i = n * C; i < (n + 1) * C; i++) {
        int c = i - n * C;
        double normal = p.f32(sum[i] * rstd[n]);
        mean = p.f32(mean + p.f32(p.f32(dout[i] * weight[c]) * normal));
        backward.dweight[c] = p.f32(backward.dweight[c] + p.f32(dout[i] * normal));
      }
      mean = p.f32(mean / C);
      for (int i = n * C; i < (n + 1) * C; i++) {
        double normal = p.f32(sum[i] * rstd[n]);
        double gradient = p.f32(dout[i] * weight[i - n * C]);
        double dsum = p.f32(rstd[n] * p.f32(gradient - p.f32(normal * mean)));
        backward.dinp[i] = p.stored(dsumExtra == null ? dsum : p.f32(dsum + dsumExtra[i]));
      }
    }
    for (int c = 0; c < C; c++) {
      backward.dweight[c] = p.f32(backward.dweight[c] + (oldWeight == null ? 0 : oldWeight[c]));
    }
    return backward;
  }
}
