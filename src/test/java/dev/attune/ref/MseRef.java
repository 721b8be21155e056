package dev.attune.ref;

/** Squared error of each prediction, and its gradient. */
public final class MseRef {
  private MseRef() {}

  public static double[] losses(Precision p, double[] pred, double[] targets) {
    double[] losses = new double[pred.length];
    for (int n = 0; n < pred.length; n++) {
      double difference = p.f32(pred[n] - targets[n]);
      losses[n] = p.f32(difference * difference);
    }
    return losses;
  }

  public static double[] gradient(Precision p, double[] pred, double[] targets, double scale) {
    double[] dpred = new double[pred.length];
    for (int n = 0; n < pred.length; n++) {
      dpred[n] = p.stored(p.f32(2 * p.f32(pred[n] - targets[n])) * scale);
    }
    return dpred;
  }
}
