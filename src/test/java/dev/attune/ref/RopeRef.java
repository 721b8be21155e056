package dev.attune.ref;

/**
 * Rotary position embedding: of each head, elements i and i + rotary / 2 turn by the angle of their
 * position.
 */
public final class RopeRef {
  private RopeRef() {}

  /** inp (N,H,D) turned; {@code table} (P, rotary / 2, 2) holds cosine and sine. */
  public static double[] rotate(
      Precision p,
      double[] inp,
      double[] table,
      int[] positions,
      int H,
      int D,
      int rotary,
      boolean inverse) {
    double[] out = inp.clone();
    for (int n = 0; n < positions.length; n++) {
      for (int h = 0; h < H; h++) {
        for (int i = 0; i < rotary / 2; i++) {
          int low = (n * H + h) * D + i;
          int high = low + rotary / 2;
          double c = table[positions[n] * rotary + 2 * i];
          double s = table[positions[n] * rotary + 2 * i + 1] * (inverse ? -1 : 1);
          out[low] = p.stored(p.f32(p.f32(inp[low] * c) - p.f32(inp[high] * s)));
          out[high] = p.stored(p.f32(p.f32(inp[high] * c) + p.f32(inp[low] * s)));
        }
      }
    }
    return out;
  }
}
