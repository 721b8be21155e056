package dev.attune.ref;

import dev.attune.kernels.PairLossKind;

/** Losses of pairs and triplets of vectors, with the gradient of their sum times a scale. */
public final class PairLossRef {
  private PairLossRef() {}

  public record Result(double[] losses, double[] dinp) {}

  /**
   * @param inp (2B,D) or (3B,D): anchors, positives, negatives
   * @param targets (B) of pairs
   * @param value scale of a ranking, margin of triplets
   */
  public static Result apply(
      Precision p,
      double[] inp,
      double[] targets,
      int B,
      int D,
      PairLossKind kind,
      double value,
      double scale) {
    double[] losses = new double[B];
    double[] dinp = new double[inp.length];
    switch (kind) {
      case SQUARED_ERROR -> {
        for (int b = 0; b < B; b++) {
          double difference = p.f32(dot(p, inp, b, B + b, D) - targets[b]);
          losses[b] = p.f32(difference * difference);
          pair(p, dinp, inp, b, B + b, D, p.f32(2 * difference * scale));
        }
      }
      case RANKING -> ranking(p, losses, dinp, inp, targets, B, D, value, scale);
      case TRIPLET_DOT -> {
        for (int b = 0; b < B; b++) {
          double near = dot(p, inp, b, B + b, D);
          double far = dot(p, inp, b, 2 * B + b, D);
          double loss = p.f32(p.f32(far - near) + value);
          losses[b] = Math.max(0, loss);
          if (loss > 0) {
            pair(p, dinp, inp, b, B + b, D, -scale);
            pair(p, dinp, inp, b, 2 * B + b, D, scale);
          }
        }
      }
      case TRIPLET_EUCLIDEAN -> {
        for (int b = 0; b < B; b++) {
          double near = distance(p, inp, b, B + b, D);
          double far = distance(p, inp, b, 2 * B + b, D);
          double loss = p.f32(p.f32(near - far) + value);
          losses[b] = Math.max(0, loss);
          if (loss > 0) {
            apart(p, dinp, inp, b, B + b, D, near == 0 ? 0 : p.f32(scale / near));
            apart(p, dinp, inp, b, 2 * B + b, D, far == 0 ? 0 : -p.f32(scale / far));
          }
        }
      }
    }
    return new Result(losses, dinp);
  }

  private static void ranking(
      Precision p,
      double[] losses,
      double[] dinp,
      double[] inp,
      double[] targets,
      int B,
      int D,
      double value,
      double scale) {
    double[] scores = new double[B];
    for (int b = 0; b < B; b++) {
      scores[b] = p.f32(dot(p, inp, b, B + b, D) * value);
    }
    double top = 0;
    for (int i = 0; i < B; i++) {
      for (int j = 0; j < B; j++) {
        top = targets[i] < targets[j] ? Math.max(top, p.f32(scores[i] - scores[j])) : top;
      }
    }
    double[] factors = new double[B];
    double total = p.f32(Math.exp(-top));
    for (int i = 0; i < B; i++) {
      for (int j = 0; j < B; j++) {
        if (targets[i] < targets[j]) {
          double share = p.f32(Math.exp(p.f32(p.f32(scores[i] - scores[j]) - top)));
          total = p.f32(total + share);
          factors[i] = p.f32(factors[i] + share);
          factors[j] = p.f32(factors[j] - share);
        }
      }
    }
    for (int b = 0; b < B; b++) {
      losses[b] = p.f32(top + p.f32(Math.log(total)));
      double factor = p.f32(p.f32(factors[b] / total) * p.f32(B * scale * value));
      pair(p, dinp, inp, b, B + b, D, factor);
    }
  }

  private static double dot(Precision p, double[] inp, int one, int other, int D) {
    double sum = 0;
    for (int c = 0; c < D; c++) {
      sum = p.f32(sum + p.f32(inp[one * D + c] * inp[other * D + c]));
    }
    return sum;
  }

  private static double distance(Precision p, double[] inp, int one, int other, int D) {
    double sum = 0;
    for (int c = 0; c < D; c++) {
      double difference = p.f32(inp[one * D + c] - inp[other * D + c]);
      sum = p.f32(sum + p.f32(difference * difference));
    }
    return p.f32(Math.sqrt(sum));
  }

  /** Adds the gradient of a dot product. */
  private static void pair(
      Precision p, double[] dinp, double[] inp, int one, int other, int D, double factor) {
    for (int c = 0; c < D; c++) {
      add(p, dinp, one * D + c, p.f32(inp[other * D + c] * factor));
      add(p, dinp, other * D + c, p.f32(inp[one * D + c] * factor));
    }
  }

  /** Adds the gradient of half a squared distance. */
  private static void apart(
      Precision p, double[] dinp, double[] inp, int one, int other, int D, double factor) {
    for (int c = 0; c < D; c++) {
      double d = p.f32(p.f32(inp[one * D + c] - inp[other * D + c]) * factor);
      add(p, dinp, one * D + c, d);
      add(p, dinp, other * D + c, -d);
    }
  }

  private static void add(Precision p, double[] sum, int at, double value) {
    sum[at] = p.f32(sum[at] + value);
  }
}
