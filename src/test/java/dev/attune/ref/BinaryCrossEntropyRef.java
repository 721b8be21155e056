package dev.attune.ref;

/** Binary cross-entropy of independent labels from logits, the mean over the labels of each row. */
public final class BinaryCrossEntropyRef {
  private BinaryCrossEntropyRef() {}

  /** losses (N) and dlogits (N,K). */
  public record Result(double[] losses, double[] dlogits) {}

  /** {@code posWeight} (K) may be null. */
  public static Result apply(
      Precision p,
      double[] logits,
      double[] targets,
      double[] posWeight,
      int N,
      int K,
      double scale) {
    Result result = new Result(new double[N], new double[N * K]);
    for (int n = 0; n < N; n++) {
      double sum = 0;
      for (int k = 0; k < K; k++) {
        double x = logits[n * K + k];
        double negative = p.f32(1 - targets[n * K + k]);
        double positive = p.f32(targets[n * K + k] * (posWeight == null ? 1 : posWeight[k]));
        double loss = p.f32(p.f32(negative * softplus(p, x)) + p.f32(positive * softplus(p, -x)));
        sum = p.f32(sum + loss);
        double gradient = p.f32(p.f32(negative * sigmoid(p, x)) - p.f32(positive * sigmoid(p, -x)));
        result.dlogits[n * K + k] = p.stored(p.f32(gradient * p.f32(scale / K)));
      }
      result.losses[n] = p.f32(sum / K);
    }
    return result;
  }

  /** log(1 + e^x). */
  private static double softplus(Precision p, double x) {
    return p.f32(Math.max(x, 0) + p.f32(Math.log1p(p.f32(Math.exp(-Math.abs(x))))));
  }

  private static double sigmoid(Precision p, double x) {
    double e = p.f32(Math.exp(-Math.abs(x)));
    return p.f32((x >= 0 ? 1 : e) / p.f32(1 + e));
  }
}
