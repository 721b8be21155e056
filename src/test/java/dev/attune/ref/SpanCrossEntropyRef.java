package dev.attune.ref;

/** Softmax cross-entropy over the rows of each sequence, for the start and the end of a span. */
public final class SpanCrossEntropyRef {
  private SpanCrossEntropyRef() {}

  /** losses (B,2) and dlogits (N,2). */
  public record Result(double[] losses, double[] dlogits) {}

  /** {@code positions}: of starts and of ends, (2,B); no row of its sequence: ignored. */
  public static Result apply(
      Precision p, double[] logits, int[] cuSeqlens, int[][] positions, double[] scales) {
    int B = cuSeqlens.length - 1;
    Result result = new Result(new double[2 * B], new double[logits.length]);
    for (int b = 0; b < B; b++) {
      int rows = cuSeqlens[b + 1] - cuSeqlens[b];
      for (int column = 0; column < 2; column++) {
        int position = positions[column][b];
        if (position < 0 || position >= rows) {
          continue;
        }
        double max = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < rows; i++) {
          max = Math.max(max, logits[2 * (cuSeqlens[b] + i) + column]);
        }
        double sum = 0;
        for (int i = 0; i < rows; i++) {
          double x = logits[2 * (cuSeqlens[b] + i) + column];
          sum = p.f32(sum + p.f32(Math.exp(p.f32(x - max))));
        }
        double at = p.f32(logits[2 * (cuSeqlens[b] + position) + column] - max);
        result.losses[2 * b + column] = p.f32(p.f32(Math.log(sum)) - at);
        for (int i = 0; i < rows; i++) {
          int n = 2 * (cuSeqlens[b] + i) + column;
          double softmax = p.f32(p.f32(Math.exp(p.f32(logits[n] - max))) / sum);
          double target = i == position ? 1 : 0;
          result.dlogits[n] = p.stored(p.f32(p.f32(softmax - target) * scales[column]));
        }
      }
    }
    return result;
  }
}
