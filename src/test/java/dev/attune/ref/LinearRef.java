package dev.attune.ref;

/** {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))}. */
public final class LinearRef {
  private LinearRef() {}

  /** The pre-activation (N,F); {@code bias} may be null. */
  public static double[] pre(
      Precision p, double[] inp, double[] weight, double[] bias, int N, int C, int F) {
    double[] pre = new double[N * F];
    for (int n = 0; n < N; n++) {
      for (int f = 0; f < F; f++) {
        double sum = 0;
        for (int c = 0; c < C; c++) {
          sum = p.f32(sum + p.f32(inp[n * C + c] * weight[f * C + c]));
        }
        pre[n * F + f] = p.stored(bias == null ? sum : p.f32(sum + bias[f]));
      }
    }
    return pre;
  }

  /** out (N,F). */
  public static double[] forward(
      Precision p,
      double[] inp,
      double[] weight,
      double[] bias,
      int N,
      int C,
      int F,
      ActivationRef activation) {
    return activation.forward(p, pre(p, inp, weight, bias, N, C, F));
  }

  /**
   * dinp (N,C) = old + (dout * weight) .* act'(pre), where {@code pre} (N,C) is the pre-activation
   * whose activation was inp; {@code old} and {@code pre} may be null.
   */
  public static double[] backwardInput(
      Precision p,
      double[] dout,
      double[] weight,
      double[] pre,
      double[] old,
      int N,
      int C,
      int F,
      ActivationRef activation) {
    double[] dinp = new double[N * C];
    for (int n = 0; n < N; n++) {
      for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int f = 0; f < F; f++) {
          sum = p.f32(sum + p.f32(dout[n * F + f] * weight[f * C + c]));
        }
        int i = n * C + c;
        if (pre != null) {
          sum = p.f32(sum * activation.derivative(p, pre[i]));
        }
        dinp[i] = p.stored(old == null ? sum : p.f32(old[i] + sum));
      }
    }
    return dinp;
  }

  /** dweight (F,C) = old + dout^T * inp. */
  public static double[] backwardWeight(
      Precision p, double[] dout, double[] inp, double[] old, int N, int C, int F) {
    double[] dweight = new double[F * C];
    for (int f = 0; f < F; f++) {
      for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int n = 0; n < N; n++) {
          sum = p.f32(sum + p.f32(dout[n * F + f] * inp[n * C + c]));
        }
        dweight[f * C + c] = old == null ? sum : p.f32(old[f * C + c] + sum);
      }
    }
    return dweight;
  }

  /** dbias (F) = old + column sums of dout. */
  public static double[] backwardBias(Precision p, double[] dout, double[] old, int N, int F) {
    double[] dbias = new double[F];
    for (int f = 0; f < F; f++) {
      double sum = 0;
      for (int n = 0; n < N; n++) {
        sum = p.f32(sum + dout[n * F + f]);
      }
      dbias[f] = old == null ? sum : p.f32(old[f] + sum);
    }
    return dbias;
  }
}
