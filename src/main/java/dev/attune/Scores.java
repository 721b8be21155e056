package dev.attune;

import java.nio.FloatBuffer;

/** What a head's logits mean. */
final class Scores {
  private Scores() {}

  /** The probabilities of a row of logits: their softmax. */
  static double[] softmax(FloatBuffer logits, int row, int cols) {
    double largest = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < cols; k++) {
      largest = Math.max(largest, logits.get(row * cols + k));
    }
    double[] out = new double[cols];
    double sum = 0;
    for (int k = 0; k < cols; k++) {
      out[k] = Math.exp(logits.get(row * cols + k) - largest);
      sum += out[k];
    }
    for (int k = 0; k < cols; k++) {
      out[k] /= sum;
    }
    return out;
  }

  /** The first of the largest. */
  static int argmax(double[] values) {
    int best = 0;
    for (int k = 1; k < values.length; k++) {
      if (values[k] > values[best]) {
        best = k;
      }
    }
    return best;
  }
}
