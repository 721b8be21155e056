package dev.attune.ref;

/** The index of the largest element of each row. */
public final class ArgmaxRef {
  private ArgmaxRef() {}

  /** out (N) of inp (N,K): the first of equals; -1 for a row that holds a NaN. */
  public static double[] of(double[] inp, int N, int K) {
    double[] out = new double[N];
    for (int n = 0; n < N; n++) {
      int best = 0;
      boolean nan = false;
      for (int k = 0; k < K; k++) {
        nan |= Double.isNaN(inp[n * K + k]);
        best = inp[n * K + k] > inp[n * K + best] ? k : best;
      }
      out[n] = nan ? -1 : best;
    }
    return out;
  }
}
