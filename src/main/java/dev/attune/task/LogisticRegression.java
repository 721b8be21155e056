package dev.attune.task;

import dev.attune.core.Check;
import dev.attune.folder.LinearHead;
import java.util.Arrays;
import java.util.List;
import org.hipparchus.linear.ArrayRealVector;
import org.hipparchus.linear.ConjugateGradient;
import org.hipparchus.linear.RealLinearOperator;
import org.hipparchus.linear.RealVector;

/**
 * Logistic regression as scikit-learn's {@code LogisticRegression} has it: the least of {@code c}
 * times the summed cross-entropy and half the squared length of the weights, intercepts free. Of
 * two classes it is that of their odds, whose one row of weights is shared out evenly; of more, the
 * multinomial one. Convex, so that there is one answer, which is found to rounding.
 */
final class LogisticRegression {
  /** Of the largest entry of the gradient; curvatures are 1 or more, so weights are as exact. */
  private static final double TOLERANCE = 1e-8;

  /** Newton's steps; each squares the error, once it is small. */
  private static final int MAX_STEPS = 100;

  private static final double MIN_SHARE = 1e-10;

  /** Of what a step is expected to bring, as Armijo has it. */
  private static final double ENOUGH = 1e-4;

  private final float[][] vectors; // (N,C)
  private final int[] labels; // (N)
  private final int rows; // of weights: 1 of two classes, else K
  private final int width;
  private final double c;

  private LogisticRegression(float[][] vectors, int[] labels, int classes, double c) {
    this.vectors = vectors;
    this.labels = labels;
    this.rows = classes == 2 ? 1 : classes;
    this.width = vectors[0].length;
    this.c = c;
  }

  /**
   * Fits.
   *
   * @param vectors (N,C)
   * @param labels (N) from 0 to K-1
   * @param classes K, at least 2
   * @param c how much the rows count beside the length of the weights, above 0
   */
  static LinearHead fit(float[][] vectors, int[] labels, int classes, double c) {
    Check.argument(classes > 1 && c > 0, "%d classes, c %s", classes, c);
    LogisticRegression problem = new LogisticRegression(vectors, labels, classes, c);
    return problem.head(problem.solve(), classes);
  }

  /**
   * Fits one of two classes for each label, as {@code OneVsRestClassifier} does: the logit of each
   * is that of having the label.
   *
   * @param gold which labels a row has (N,K); some have each and some have not
   */
  static LinearHead fitEach(float[][] vectors, List<boolean[]> gold, int K, double c) {
    int C = vectors[0].length;
    float[] weight = new float[K * C];
    float[] bias = new float[K];
    for (int k = 0; k < K; k++) {
      int label = k;
      int[] has = gold.stream().mapToInt(row -> row[label] ? 1 : 0).toArray();
      double[] point = new LogisticRegression(vectors, has, 2, c).solve();
      for (int i = 0; i < C; i++) {
        weight[k * C + i] = (float) point[i];
      }
      bias[k] = (float) point[C];
    }
    return new LinearHead(weight, bias);
  }

  /** Where the loss is least: weights (rows, width), then intercepts (rows). */
  private double[] solve() {
    double[] point = new double[rows * (width + 1)];
    double[] gradient = gradient(point);
    for (int i = 0; i < MAX_STEPS && largest(gradient) > TOLERANCE; i++) {
      double[] next = step(point, gradient);
      if (next == null) {
        break; // rounding hides the way down
      }
      point = next;
      gradient = gradient(point);
    }
    return point;
  }

  /** One of Newton's steps, or as much of it as leads down; null: none of it does. */
  private double[] step(double[] point, double[] gradient) {
    RealVector down = new ArrayRealVector(gradient).mapMultiply(-1);
    RealVector step =
        new ConjugateGradient(Math.max(1000, 10 * point.length), 1e-10, false)
            .solve(curvature(point), down);
    double slope = -step.dotProduct(down);
    double value = value(point);
    for (double share = 1; share > MIN_SHARE; share /= 2) {
      double[] next = new ArrayRealVector(point).combine(1, share, step).toArray();
      if (value(next) <= value + ENOUGH * share * slope) {
        return next;
      }
    }
    return null;
  }

  /** The product of the Hessian at a point with a vector. */
  private RealLinearOperator curvature(double[] point) {
    double[][] scores = new double[vectors.length][];
    for (int n = 0; n < vectors.length; n++) {
      scores[n] = Logits.softmax(logits(point, vectors[n]));
    }
    return new RealLinearOperator() {
      @Override
      public int getRowDimension() {
        return point.length;
      }

      @Override
      public int getColumnDimension() {
        return point.length;
      }

      @Override
      public RealVector operate(RealVector vector) {
        double[] along = vector.toArray();
        double[] out = new double[along.length];
        System.arraycopy(along, 0, out, 0, rows * width);
        // All intercepts of many classes may grow alike: without this, rounding would move them.
        double together = 0;
        for (int k = 0; rows > 1 && k < rows; k++) {
          together += along[rows * width + k] / rows;
        }
        Arrays.fill(out, rows * width, out.length, together);
        for (int n = 0; n < vectors.length; n++) {
          double[] change = logits(along, vectors[n]);
          double mean = 0;
          for (int k = 0; k < change.length; k++) {
            mean += scores[n][k] * change[k];
          }
          for (int k = 0; k < change.length; k++) {
            change[k] = c * scores[n][k] * (change[k] - mean);
          }
          add(out, change, vectors[n]);
        }
        return new ArrayRealVector(out, false);
      }
    };
  }

  /** Adds what logits of a row contribute to weights and intercepts. */
  private void add(double[] out, double[] logits, float[] vector) {
    for (int k = 0; k < rows; k++) {
      double by = logits[rows == 1 ? 1 : k];
      out[rows * width + k] += by;
      for (int i = 0; i < width; i++) {
        out[k * width + i] += by * vector[i];
      }
    }
  }

  private static double largest(double[] values) {
    double largest = 0;
    for (double value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  /** Logits of a row; of two classes those of the second beside 0 for the first. */
  private double[] logits(double[] point, float[] vector) {
    double[] out = new double[Math.max(2, rows)];
    for (int k = 0; k < rows; k++) {
      double sum = point[rows * width + k];
      for (int i = 0; i < width; i++) {
        sum += point[k * width + i] * vector[i];
      }
      out[rows == 1 ? 1 : k] = sum;
    }
    return out;
  }

  private double value(double[] point) {
    double squares = 0;
    for (int i = 0; i < rows * width; i++) {
      squares += point[i] * point[i];
    }
    double losses = 0;
    for (int n = 0; n < vectors.length; n++) {
      double[] logits = logits(point, vectors[n]);
      double most = Arrays.stream(logits).max().getAsDouble();
      double sum = Arrays.stream(logits).map(logit -> Math.exp(logit - most)).sum();
      losses += Math.log(sum) + most - logits[labels[n]];
    }
    return 0.5 * squares + c * losses;
  }

  private double[] gradient(double[] point) {
    double[] out = new double[point.length];
    System.arraycopy(point, 0, out, 0, rows * width);
    for (int n = 0; n < vectors.length; n++) {
      double[] scores = Logits.softmax(logits(point, vectors[n]));
      scores[labels[n]] -= 1;
      for (int k = 0; k < scores.length; k++) {
        scores[k] *= c;
      }
      add(out, scores, vectors[n]);
    }
    return out;
  }

  /** Of two classes, half for one and half against the other: the same probabilities. */
  private LinearHead head(double[] point, int classes) {
    float[] weight = new float[classes * width];
    float[] bias = new float[classes];
    for (int k = 0; k < classes; k++) {
      double share = rows == 1 ? k - 0.5 : 1;
      int row = rows == 1 ? 0 : k;
      for (int i = 0; i < width; i++) {
        weight[k * width + i] = (float) (share * point[row * width + i]);
      }
      bias[k] = (float) (share * point[rows * width + row]);
    }
    return new LinearHead(weight, bias);
  }
}
