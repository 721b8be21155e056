package dev.attune.ref;

/** Rows picked out of a packed batch, and means over its sequences. */
public final class PoolingRef {
  private PoolingRef() {}

  /** out (M,C) = inp[rows]. */
  public static double[] gather(double[] inp, int[] rows, int C) {
    double[] out = new double[rows.length * C];
    for (int m = 0; m < rows.length; m++) {
      for (int c = 0; c < C; c++) {
        out[m * C + c] = inp[rows[m] * C + c];
      }
    }
    return out;
  }

  /** dinp (N,C): old (null: zeros) with dout added at its rows. */
  public static double[] gatherBackward(
      Precision p, double[] dout, int[] rows, double[] old, int N, int C) {
    double[] dinp = old == null ? new double[N * C] : old.clone();
    for (int m = 0; m < rows.length; m++) {
      for (int c = 0; c < C; c++) {
        int i = rows[m] * C + c;
        dinp[i] = p.stored(dinp[i] + dout[m * C + c]);
      }
    }
    return dinp;
  }

  /** out (B,C) = mean of the rows of each sequence; 0 where it has none. */
  public static double[] mean(Precision p, double[] inp, int[] cuSeqlens, int C) {
    int B = cuSeqlens.length - 1;
    double[] out = new double[B * C];
    for (int b = 0; b < B; b++) {
      int rows = cuSeqlens[b + 1] - cuSeqlens[b];
      for (int c = 0; c < C && rows > 0; c++) {
        double sum = 0;
        for (int n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++) {
          sum = p.f32(sum + inp[n * C + c]);
        }
        out[b * C + c] = p.stored(sum / rows);
      }
    }
    return out;
  }

  /** dinp (N,C) = old + dout of the row's sequence / its rows. */
  public static double[] meanBackward(
      Precision p, double[] dout, int[] cuSeqlens, double[] old, int C) {
    int B = cuSeqlens.length - 1;
    double[] dinp = new double[cuSeqlens[B] * C];
    for (int b = 0; b < B; b++) {
      int rows = cuSeqlens[b + 1] - cuSeqlens[b];
      for (int n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++) {
        for (int c = 0; c < C; c++) {
          double gradient = p.f32(dout[b * C + c] / rows);
          int i = n * C + c;
          dinp[i] = p.stored(old == null ? gradient : p.f32(old[i] + gradient));
        }
      }
    }
    return dinp;
  }
}
