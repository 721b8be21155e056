package dev.attune.ref;

/** Unit vectors of the first D columns of rows, and their gradient. */
public final class L2NormalizeRef {
  private L2NormalizeRef() {}

  public record Forward(double[] out, double[] rnorm) {}

  public static Forward forward(Precision p, double[] inp, int N, int D, int stride, double scale) {
    double[] out = new double[N * D];
    double[] rnorm = new double[N];
    for (int n = 0; n < N; n++) {
      double squares = 0;
      for (int c = 0; c < D; c++) {
        double x = inp[n * stride + c];
        squares = p.f32(squares + p.f32(x * x));
      }
      rnorm[n] = p.f32(1 / Math.max(p.f32(Math.sqrt(squares)), 1e-12));
      for (int c = 0; c < D; c++) {
        out[n * D + c] = p.f32(p.f32(inp[n * stride + c] * rnorm[n]) * scale);
      }
    }
    return new Forward(out, rnorm);
  }

  /** What is added to the gradient of inp, whose rows are {@code stride} apart. */
  public static double[] backward(
      Precision p,
      double[] dinp,
      double[] dout,
      double[] inp,
      double[] rnorm,
      int N,
      int D,
      int stride,
      double scale) {
    double[] sum = dinp.clone();
    for (int n = 0; n < N; n++) {
      double along = 0;
      for (int c = 0; c < D; c++) {
        along = p.f32(along + p.f32(p.f32(inp[n * stride + c] * rnorm[n]) * dout[n * D + c]));
      }
      for (int c = 0; c < D; c++) {
        double unit = p.f32(inp[n * stride + c] * rnorm[n]);
        double across = p.f32(dout[n * D + c] - p.f32(unit * along));
        int at = n * stride + c;
        sum[at] = p.f32(sum[at] + p.f32(p.f32(across * rnorm[n]) * scale));
      }
    }
    return sum;
  }
}
