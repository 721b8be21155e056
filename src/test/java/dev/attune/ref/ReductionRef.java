package dev.attune.ref;

/** Sums of squares. */
public final class ReductionRef {
  /** Elements that are summed together before their sum joins the total. */
  public static final int CHUNK = 4096;

  private ReductionRef() {}

  /** Sum of squares in chunks, each in f32, the total in double. */
  public static double sumOfSquares(Precision p, double[] inp) {
    double total = 0;
    for (int begin = 0; begin < inp.length; begin += CHUNK) {
      total += chunk(p, inp, begin, Math.min(begin + CHUNK, inp.length));
    }
    return total;
  }

  /** The same over rows of a table, each row one chunk. */
  public static double sumOfSquaresRows(Precision p, double[] table, int[] rows, int C) {
    double total = 0;
    for (int row : rows) {
      total += chunk(p, table, row * C, (row + 1) * C);
    }
    return total;
  }

  private static double chunk(Precision p, double[] inp, int begin, int end) {
    double sum = 0;
    for (int i = begin; i < end; i++) {
      sum = p.f32(sum + p.f32(inp[i] * inp[i]));
    }
    return sum;
  }
}
