package dev.attune.ref;

/** Rows of a tensor, each as often as it is named. */
public final class RepeatRowsRef {
  private RepeatRowsRef() {}

  /** out (M,C) = inp[rows]. */
  public static double[] forward(double[] inp, int[] rows, int C) {
    double[] out = new double[rows.length * C];
    for (int m = 0; m < rows.length; m++) {
      System.arraycopy(inp, rows[m] * C, out, m * C, C);
    }
    return out;
  }

  /** The gradient of inp: old, and the rows of dout (M,C) added in row order. */
  public static double[] backward(Precision p, double[] dout, int[] rows, double[] old, int C) {
    double[] dinp = old.clone();
    for (int m = 0; m < rows.length; m++) {
      for (int c = 0; c < C; c++) {
        int i = rows[m] * C + c;
        dinp[i] = p.f32(dinp[i] + dout[m * C + c]);
      }
    }
    return dinp;
  }
}
