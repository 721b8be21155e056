package dev.attune.ref;

/**
 * {@code out (N,F) = act(inp (N,C) * weight (F,C)^T + bias (F))} of integers: rows of both are
 * rounded to 255 steps of their largest magnitude, sums are exact, and what follows is a chain of
 * f32 operations, so that up to the activation there is one answer.
 */
public final class LinearInt8Ref {
  private static final float LEAST_MAGNITUDE = 0x1p-100f;

  private LinearInt8Ref() {}

  /**
   * Rows of a matrix.
   *
   * @param codes (rows, C)
   * @param scales (rows)
   */
  public record Rows(int[] codes, float[] scales) {
    /** Quantizes {@code rows} rows. */
    public static Rows of(double[] values, int rows) {
      int C = rows == 0 ? 0 : values.length / rows;
      int[] codes = new int[values.length];
      float[] scales = new float[rows];
      for (int r = 0; r < rows; r++) {
        float absmax = 0;
        for (int i = r * C; i < (r + 1) * C; i++) {
          absmax = Math.max(absmax, Math.abs((float) values[i])); // NaN stays
        }
        if (!Float.isFinite(absmax)) {
          scales[r] = Float.NaN;
        } else if (absmax >= LEAST_MAGNITUDE) {
          scales[r] = absmax / 127;
          float factor = 127 / absmax;
          for (int i = r * C; i < (r + 1) * C; i++) {
            codes[i] = (int) Math.rint((float) values[i] * factor);
          }
        }
      }
      return new Rows(codes, scales);
    }
  }

  /** The pre-activation (N,F); {@code bias} may be null. */
  public static double[] pre(Rows inp, Rows weight, double[] bias) {
    int N = inp.scales.length;
    int F = weight.scales.length;
    double[] pre = new double[N * F];
    for (int n = 0; n < N; n++) {
      int C = inp.codes.length / N;
      for (int f = 0; f < F; f++) {
        long sum = 0;
        for (int c = 0; c < C; c++) {
          sum += (long) inp.codes[n * C + c] * weight.codes[f * C + c];
        }
        float value = (float) sum * inp.scales[n] * weight.scales[f];
        pre[n * F + f] = bias == null ? value : value + (float) bias[f];
      }
    }
    return pre;
  }
}
