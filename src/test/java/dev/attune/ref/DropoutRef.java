package dev.attune.ref;

import dev.attune.core.Philox;

/** Dropout: element e of a tensor, counted row-major, is kept and scaled, or 0. */
public final class DropoutRef {
  private DropoutRef() {}

  /** The factor of each element: 0 where dropped, 1 / (1 - threshold / 65536) where kept. */
  public static double[] mask(Precision p, int count, float probability, long seed, long stream) {
    int threshold = Philox.dropoutThreshold(probability);
    double scale = p.f32(1 / (1 - threshold / 65536.0));
    double[] mask = new double[count];
    for (int e = 0; e < count; e++) {
      mask[e] = Philox.keeps(seed, stream, e, threshold) ? scale : 0;
    }
    return mask;
  }

  /** Forward, and backward when given dout. */
  public static double[] apply(
      Precision p, double[] inp, float probability, long seed, long stream) {
    double[] mask = mask(p, inp.length, probability, seed, stream);
    double[] out = new double[inp.length];
    for (int e = 0; e < inp.length; e++) {
      out[e] = mask[e] == 0 ? 0 : p.stored(inp[e] * mask[e]);
    }
    return out;
  }
}
