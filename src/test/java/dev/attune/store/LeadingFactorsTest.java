package dev.attune.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Weights that are made of known singular vectors and values, and what is found of these. */
class LeadingFactorsTest {
  /** Columns that are orthogonal and of length 1. */
  private static double[][] orthonormal(int count, int size, Random random) {
    double[][] vectors = new double[count][size];
    for (int i = 0; i < count; i++) {
      for (int k = 0; k < size; k++) {
        vectors[i][k] = random.nextGaussian();
      }
      for (int pass = 0; pass < 2; pass++) {
        for (int j = 0; j < i; j++) {
          double dot = 0;
          for (int k = 0; k < size; k++) {
            dot += vectors[i][k] * vectors[j][k];
          }
          for (int k = 0; k < size; k++) {
            vectors[i][k] -= dot * vectors[j][k];
          }
        }
      }
      double squares = 0;
      for (double v : vectors[i]) {
        squares += v * v;
      }
      for (int k = 0; k < size; k++) {
        vectors[i][k] /= Math.sqrt(squares);
      }
    }
    return vectors;
  }

  private static float[] product(
      double[][] left, double[] values, double[][] right, int begin, int end) {
    int rows = left[0].length;
    int cols = right[0].length;
    float[] out = new float[rows * cols];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        double sum = 0;
        for (int i = begin; i < end; i++) {
          sum += left[i][r] * values[i] * right[i][c];
        }
        out[r * cols + c] = (float) sum;
      }
    }
    return out;
  }

  private static void assertNear(float[] expected, float[] actual, double tolerance) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], tolerance, "[" + i + "]");
    }
  }

  @ParameterizedTest
  @CsvSource({"40, 24, 3", "24, 40, 3", "150, 130, 16", "130, 150, 1", "12, 12, 12"})
  void theWeightLosesItsLeadingSingularValues(int rows, int cols, int R) {
    Random random = new Random(rows);
    int n = Math.min(rows, cols);
    double[][] left = orthonormal(n, rows, random);
    double[][] right = orthonormal(n, cols, random);
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      values[i] = 5 * Math.pow(0.98, i); // close together, as those of weights are
    }
    float[] weight = product(left, values, right, 0, n);
    LeadingFactors factors = LeadingFactors.singular(weight, rows, cols, R);
    float[] rest = weight.clone();
    factors.subtractFrom(rest, 1);
    assertNear(product(left, values, right, R, n), rest, 2e-5);
    // Each factor has the root of the singular values.
    float[] down = factors.down(1);
    double squares = 0;
    for (int c = 0; c < cols; c++) {
      squares += (double) down[c] * down[c];
    }
    assertEquals(values[0], squares, 1e-4);
    float[] again = rest.clone();
    float[] up = factors.up(1);
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        for (int i = 0; i < R; i++) {
          again[r * cols + c] += up[r * R + i] * down[i * cols + c];
        }
      }
    }
    assertNear(weight, again, 2e-5);
  }

  @Test
  void aWeightOfLowRankIsExhausted() {
    Random random = new Random(1);
    double[][] left = orthonormal(2, 30, random);
    double[][] right = orthonormal(2, 20, random);
    float[] weight = product(left, new double[] {3, 2}, right, 0, 2);
    LeadingFactors.singular(weight, 30, 20, 4).subtractFrom(weight, 1);
    assertNear(new float[600], weight, 1e-6);
  }

  @Test
  void theFirstColumnsOfAQrDecompositionAreTakenWhole() {
    Random random = new Random(2);
    float[] weight = new float[15 * 9];
    for (int i = 0; i < weight.length; i++) {
      weight[i] = (float) random.nextGaussian();
    }
    LeadingFactors factors = LeadingFactors.qr(weight, 15, 9, 4);
    float[] rest = weight.clone();
    factors.subtractFrom(rest, 1);
    // Q_r R_r has the first columns whole; what is left is orthogonal to them.
    for (int c = 0; c < 9; c++) {
      for (int first = 0; first < 4; first++) {
        double dot = 0;
        for (int r = 0; r < 15; r++) {
          dot += (double) rest[r * 9 + c] * weight[r * 9 + first];
        }
        assertEquals(0, dot, 1e-5);
      }
    }
    for (int r = 0; r < 15; r++) {
      for (int c = 0; c < 4; c++) {
        assertEquals(0, rest[r * 9 + c], 1e-6);
      }
    }
  }

  @Test
  void aRankAboveTheWeightsIsRefused() {
    String message =
        assertThrows(InputException.class, () -> LeadingFactors.singular(new float[12], 3, 4, 4))
            .getMessage();
    assertTrue(message.contains("rank 4 of a weight (3, 4)"), message);
  }
}
