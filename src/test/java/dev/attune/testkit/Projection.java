package dev.attune.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.DoubleUnaryOperator;

/**
 * A matrix by few numbers: a weighted sum of each row and of each column, and its largest entry
 * (tools/goldens.py). Weights are no powers of each other and 1 at least, so an entry that is wrong
 * by more than a tolerance makes two sums wrong by more than it, and rows or columns that changed
 * places show too.
 */
public final class Projection {
  private Projection() {}

  /** (rows * cols) to (rows + cols + 1), rows first. */
  static float[] of(float[] matrix, int cols) {
    int rows = matrix.length / cols;
    double[] sums = new double[rows + cols];
    double largest = 0;
    for (int i = 0; i < matrix.length; i++) {
      int row = i / cols;
      int col = i % cols;
      sums[row] += weight(col) * matrix[i];
      sums[rows + col] += weight(row) * matrix[i];
      largest = Math.max(largest, Math.abs(matrix[i]));
    }
    float[] out = new float[sums.length + 1];
    for (int i = 0; i < sums.length; i++) {
      out[i] = (float) sums[i];
    }
    out[sums.length] = (float) largest;
    return out;
  }

  /** From 1 to 1.5, with a sign. */
  private static double weight(int place) {
    int bits = (place + 1) * 40503 & 0xffff;
    return ((bits & 128) == 0 ? 1 : -1) * (1 + bits / 131072.0);
  }

  /**
   * Compares a matrix, or a list of numbers, with what is expected: all of it, or its projection.
   *
   * @param cols of the matrix; not asked where all of it is expected
   * @param tolerance of an entry, by the largest one expected
   */
  public static void check(
      float[] expected, float[] actual, int cols, DoubleUnaryOperator tolerance, String name) {
    boolean isWhole = expected.length == actual.length;
    float[] found = isWhole ? actual : of(actual, cols);
    assertEquals(expected.length, found.length, name);
    double largest = expected[expected.length - 1];
    if (isWhole) {
      largest = 0;
      for (float value : expected) {
        largest = Math.max(largest, Math.abs(value));
      }
    }
    double allowed = tolerance.applyAsDouble(largest);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], found[i], allowed, name + "[" + i + "]");
    }
  }
}
