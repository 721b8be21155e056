package dev.attune.ref;

/** Gated linear units: {@code out (N,F) = act(gate) .* up} with {@code inp (N,2F) = gate | up}. */
public final class GatedRef {
  private GatedRef() {}

  public static double[] forward(Precision p, ActivationRef act, double[] inp, int N, int F) {
    double[] out = new double[N * F];
    for (int i = 0; i < N * F; i++) {
      int gate = i / F * 2 * F + i % F;
      out[i] = p.stored(p.f32(act.value(p, inp[gate]) * inp[gate + F]));
    }
    return out;
  }

  /** dinp (N,2F). */
  public static double[] backward(
      Precision p, ActivationRef act, double[] dout, double[] inp, int N, int F) {
    double[] dinp = new double[2 * N * F];
    for (int i = 0; i < N * F; i++) {
      int gate = i / F * 2 * F + i % F;
      double slope = act.derivative(p, inp[gate]);
      dinp[gate] = p.stored(p.f32(p.f32(dout[i] * inp[gate + F]) * slope));
      dinp[gate + F] = p.stored(p.f32(dout[i] * act.value(p, inp[gate])));
    }
    return dinp;
  }
}
