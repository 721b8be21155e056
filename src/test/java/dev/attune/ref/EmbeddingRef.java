package dev.attune.ref;

/** Sum of rows of up to three tables. */
public final class EmbeddingRef {
  private EmbeddingRef() {}

  /** out (N,C) = word[ids] + position[positions] + type[typeIds]; the last two may be null. */
  public static double[] forward(
      Precision p,
      double[] word,
      double[] position,
      double[] type,
      int[] ids,
      int[] positions,
      int[] typeIds,
      int C) {
    double[] out = new double[ids.length * C];
    for (int n = 0; n < ids.length; n++) {
      for (int c = 0; c < C; c++) {
        double sum = word[ids[n] * C + c];
        if (position != null) {
          sum = p.f32(sum + position[positions[n] * C + c]);
        }
        if (type != null) {
          sum = p.f32(sum + type[typeIds[n] * C + c]);
        }
        out[n * C + c] = p.stored(sum);
      }
    }
    return out;
  }

  /** The gradient of one table: old, and the rows of dout added in row order. */
  public static double[] backward(Precision p, double[] dout, int[] indices, double[] old, int C) {
    double[] dtable = old.clone();
    for (int n = 0; n < indices.length; n++) {
      for (int c = 0; c < C; c++) {
        int i = indices[n] * C + c;
        dtable[i] = p.f32(dtable[i] + dout[n * C + c]);
      }
    }
    return dtable;
  }
}
