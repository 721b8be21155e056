package dev.attune.task;

import java.nio.FloatBuffer;
import java.util.Arrays;

/** Reads logits (rows, cols). */
final class Logits {
  private Logits() {}

  /** The largest of a row's logits; the first of equal ones. */
  static int argmax(FloatBuffer logits, int row, int cols) {
    int best = 0;
    for (int k = 1; k < cols; k++) {
      if (logits.get(row * cols + k) > logits.get(row * cols + best)) {
        best = k;
      }
    }
    return best;
  }

  /** The loss of what has this probability; finite where it is 0. */
  static double surprise(double probability) {
    return -Math.log(Math.max(probability, Double.MIN_NORMAL));
  }

  /** The probabilities of a row (cols). */
  static double[] softmax(FloatBuffer logits, int row, int cols) {
    double[] scores = new double[cols];
    for (int k = 0; k < cols; k++) {
      scores[k] = logits.get(row * cols + k);
    }
    return softmax(scores);
  }

  /** The probabilities of scores. */
  static double[] softmax(double[] scores) {
    double largest = Arrays.stream(scores).max().orElse(0);
    double[] out = new double[scores.length];
    double sum = 0;
    for (int k = 0; k < scores.length; k++) {
      out[k] = Math.exp(scores[k] - largest);
      sum += out[k];
    }
    for (int k = 0; k < scores.length; k++) {
      out[k] /= sum;
    }
    return out;
  }

  /** The probabilities of a row whose columns do not exclude each other (cols). */
  static double[] sigmoid(FloatBuffer logits, int row, int cols) {
    double[] out = new double[cols];
    for (int k = 0; k < cols; k++) {
      out[k] = 1 / (1 + Math.exp(-logits.get(row * cols + k)));
    }
    return out;
  }
}
