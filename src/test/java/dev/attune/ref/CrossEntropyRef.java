package dev.attune.ref;

/** Softmax cross-entropy with label smoothing, weights of classes and ignored rows. */
public final class CrossEntropyRef {
  private CrossEntropyRef() {}

  /** losses (N) and dlogits (N,K). */
  public record Result(double[] losses, double[] dlogits) {}

  /**
   * @param weights (K), or null: all 1
   */
  public static Result apply(
      Precision p,
      double[] logits,
      int[] labels,
      double[] weights,
      int N,
      int K,
      int ignore,
      double smoothing,
      double scale) {
    Result result = new Result(new double[N], new double[N * K]);
    for (int n = 0; n < N; n++) {
      if (labels[n] == ignore) {
        continue;
      }
      double max = Double.NEGATIVE_INFINITY;
      for (int k = 0; k < K; k++) {
        max = Math.max(max, logits[n * K + k]);
      }
      double sum = 0;
      for (int k = 0; k < K; k++) {
        sum = p.f32(sum + p.f32(Math.exp(p.f32(logits[n * K + k] - max))));
      }
      double logSum = p.f32(Math.log(sum));
      double mass = 0;
      for (int k = 0; k < K; k++) {
        mass += target(k, labels[n], weights, smoothing, K);
      }
      for (int k = 0; k < K; k++) {
        double shifted = p.f32(logits[n * K + k] - max);
        double target = target(k, labels[n], weights, smoothing, K);
        if (target != 0) {
          result.losses[n] = p.f32(result.losses[n] + target * p.f32(logSum - shifted));
        }
        double softmax = p.f32(p.f32(Math.exp(shifted)) / sum);
        result.dlogits[n * K + k] = p.stored(p.f32(softmax * mass - target) * scale);
      }
    }
    return result;
  }

  /** What the loss of a row has of class k. */
  private static double target(int k, int label, double[] weights, double smoothing, int K) {
    return ((k == label ? 1 - smoothing : 0) + smoothing / K) * (weights == null ? 1 : weights[k]);
  }
}
