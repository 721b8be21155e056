package dev.attune.ref;

/**
 * {@code sum = dropout(inp) + residual; out = dropout((sum - mean) * rstd * weight + bias)}, row by
 * row; the two masks use stream and stream + 1.
 */
public final class LayerNormRef {
  private LayerNormRef() {}

  /** Everything that forward writes. */
  public record Forward(double[] out, double[] sum, double[] mean, double[] rstd) {}

  /** Everything that backward writes. */
  public record Backward(double[] dinp, double[] dresidual, double[] dweight, double[] dbias) {}

  /** {@code residual} may be null. */
  public static Forward forward(
      Precision p,
      double[] inp,
      double[] residual,
      double[] weight,
      double[] bias,
      int N,
      int C,
      double eps,
      float pInp,
      float pOut,
      long seed,
      long stream) {
    double[] maskInp = DropoutRef.mask(p, N * C, pInp, seed, stream);
    double[] maskOut = DropoutRef.mask(p, N * C, pOut, seed, stream + 1);
    Forward forward =
        new Forward(new double[N * C], new double[N * C], new double[N], new double[N]);
    for (int n = 0; n < N; n++) {
      double total = 0;
      for (int i = n * C; i < (n + 1) * C; i++) {
        double dropped = maskInp[i] == 0 ? 0 : p.f32(inp[i] * maskInp[i]);
        forward.sum[i] = p.stored(residual == null ? dropped : p.f32(dropped + residual[i]));
        total = p.f32(total + forward.sum[i]);
      }
      double mean = p.f32(total / C);
      double squares = 0;
      for (int i = n * C; i < (n + 1) * C; i++) {
        double centred = p.f32(forward.sum[i] - mean);
        squares = p.f32(squares + p.f32(centred * centred));
      }
      double rstd = p.f32(1 / p.f32(Math.sqrt(p.f32(p.f32(squares / C) + eps))));
      for (int i = n * C; i < (n + 1) * C; i++) {
        int c = i - n * C;
        double normal = p.f32(p.f32(forward.sum[i] - mean) * rstd);
        double affine = p.f32(p.f32(normal * weight[c]) + (bias == null ? 0 : bias[c]));
        forward.out[i] = maskOut[i] == 0 ? 0 : p.stored(affine * maskOut[i]);
      }
      forward.mean[n] = mean;
      forward.rstd[n] = rstd;
    }
    return forward;
  }

  /**
   * {@code dsumExtra}, {@code oldResidual}, {@code oldWeight}, {@code oldBias} may be null: zero
   * and overwritten.
   */
  public static Backward backward(
      Precision p,
      double[] dout,
      double[] dsumExtra,
      double[] sum,
      double[] mean,
      double[] rstd,
      double[] weight,
      int N,
      int C,
      float pInp,
      float pOut,
      long seed,
      long stream,
      double[] oldResidual,
      double[] oldWeight,
      double[] oldBias) {
    double[] maskInp = DropoutRef.mask(p, N * C, pInp, seed, stream);
    double[] maskOut = DropoutRef.mask(p, N * C, pOut, seed, stream + 1);
    Backward backward =
        new Backward(new double[N * C], new double[N * C], new double[C], new double[C]);
    for (int n = 0; n < N; n++) {
      double meanOfGradient = 0;
      double meanOfProduct = 0;
      for (int i = n * C; i < (n + 1) * C; i++) {
        int c = i - n * C;
        double upstream = maskOut[i] == 0 ? 0 : p.f32(dout[i] * maskOut[i]);
        double normal = p.f32(p.f32(sum[i] - mean[n]) * rstd[n]);
        double gradient = p.f32(upstream * weight[c]);
        meanOfGradient = p.f32(meanOfGradient + gradient);
        meanOfProduct = p.f32(meanOfProduct + p.f32(gradient * normal));
        backward.dweight[c] = p.f32(backward.dweight[c] + p.f32(upstream * normal));
        backward.dbias[c] = p.f32(backward.dbias[c] + upstream);
      }
      meanOfGradient = p.f32(meanOfGradient / C);
      meanOfProduct = p.f32(meanOfProduct / C);
      for (int i = n * C; i < (n + 1) * C; i++) {
        int c = i - n * C;
        double upstream = maskOut[i] == 0 ? 0 : p.f32(dout[i] * maskOut[i]);
        double normal = p.f32(p.f32(sum[i] - mean[n]) * rstd[n]);
        double gradient = p.f32(upstream * weight[c]);
        double dsum =
            p.f32(
                rstd[n] * p.f32(p.f32(gradient - meanOfGradient) - p.f32(normal * meanOfProduct)));
        if (dsumExtra != null) {
          dsum = p.f32(dsum + dsumExtra[i]);
        }
        backward.dinp[i] = maskInp[i] == 0 ? 0 : p.stored(dsum * maskInp[i]);
        backward.dresidual[i] = p.stored(oldResidual == null ? dsum : p.f32(oldResidual[i] + dsum));
      }
    }
    for (int c = 0; c < C; c++) {
      backward.dweight[c] = p.f32(backward.dweight[c] + (oldWeight == null ? 0 : oldWeight[c]));
      backward.dbias[c] = p.f32(backward.dbias[c] + (oldBias == null ? 0 : oldBias[c]));
    }
    return backward;
  }
}
