package dev.attune.ref;

/** The relative position bias (H, 2 reach + 1) from a table (K,H) of buckets of offsets. */
public final class RelativeBiasRef {
  private RelativeBiasRef() {}

  public static double[] forward(double[] table, int[] buckets, int H) {
    double[] out = new double[H * buckets.length];
    for (int h = 0; h < H; h++) {
      for (int i = 0; i < buckets.length; i++) {
        out[h * buckets.length + i] = table[buckets[i] * H + h];
      }
    }
    return out;
  }

  /** The gradient of the table (K,H), added to {@code dtable} unless it is null. */
  public static double[] backward(
      Precision p, double[] dtable, double[] dout, int[] buckets, int H, int K) {
    double[] sum = dtable == null ? new double[K * H] : dtable.clone();
    for (int h = 0; h < H; h++) {
      for (int i = 0; i < buckets.length; i++) {
        int at = buckets[i] * H + h;
        sum[at] = p.f32(sum[at] + dout[h * buckets.length + i]);
      }
    }
    return sum;
  }
}
