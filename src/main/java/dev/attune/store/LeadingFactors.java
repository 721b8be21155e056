package dev.attune.store;

import dev.attune.core.Check;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * A product {@code up (F,R) down (R,C)} of low rank that is the leading part of a weight (F,C): of
 * its singular values (PiSSA), or of its QR decomposition (OLoRA). Computed in double precision, in
 * an order that does not depend on the number of threads.
 */
public final class LeadingFactors {
  /** Of a Ritz pair's residual, beside the gap behind the last that is wanted. */
  private static final double TOLERANCE = 1e-7;

  private static final double EPSILON = 1e-15;

  private final double[][] up; // by column: (R, F)
  private final double[][] down; // (R, C)

  private LeadingFactors(double[][] up, double[][] down) {
    this.up = up;
    this.down = down;
  }

  /**
   * {@code U_r S_r V_r^T} of the R largest singular values, each factor with the root of S. Both
   * are unique up to signs where the values differ; their product is unique.
   *
   * @param weight (rows, cols), row by row
   */
  public static LeadingFactors singular(float[] weight, int rows, int cols, int R) {
    check(rows, cols, R);
    boolean isTall = rows >= cols;
    double[][] vectors = leadingVectors(new Gram(weight, rows, cols, isTall), R);
    double[][] others = new double[R][];
    for (int i = 0; i < R; i++) {
      others[i] =
          isTall
              ? times(weight, rows, cols, vectors[i])
              : timesTransposed(weight, rows, cols, vectors[i]);
      double value = norm(others[i]); // the singular value
      double root = Math.sqrt(value);
      scale(vectors[i], root);
      scale(others[i], value == 0 ? 0 : 1 / root);
    }
    return isTall ? new LeadingFactors(others, vectors) : new LeadingFactors(vectors, others);
  }

  /** {@code Q_r R_r}: the first R columns of Q and rows of R. */
  public static LeadingFactors qr(float[] weight, int rows, int cols, int R) {
    check(rows, cols, R);
    double[][] q = new double[R][rows];
    for (int i = 0; i < R; i++) {
      for (int row = 0; row < rows; row++) {
        q[i][row] = weight[row * cols + i];
      }
      double before = norm(q[i]);
      orthogonalize(q[i], q, i);
      double after = norm(q[i]);
      if (after <= EPSILON * before || before == 0) {
        replace(q, i);
        after = norm(q[i]);
      }
      scale(q[i], 1 / after);
    }
    double[][] r = new double[R][];
    for (int i = 0; i < R; i++) {
      r[i] = timesTransposed(weight, rows, cols, q[i]);
    }
    return new LeadingFactors(q, r);
  }

  private static void check(int rows, int cols, int R) {
    Check.input(
        R <= Math.min(rows, cols),
        "rank %d of a weight (%d, %d): it may not be above either",
        R,
        rows,
        cols);
  }

  /** B (F,R), row by row, times a factor. */
  public float[] up(double factor) {
    int R = up.length;
    int F = up[0].length;
    float[] values = new float[F * R];
    for (int f = 0; f < F; f++) {
      for (int i = 0; i < R; i++) {
        values[f * R + i] = (float) (factor * up[i][f]);
      }
    }
    return values;
  }

  /** A (R,C), row by row, times a factor. */
  public float[] down(double factor) {
    int C = down[0].length;
    float[] values = new float[down.length * C];
    for (int i = 0; i < down.length; i++) {
      for (int c = 0; c < C; c++) {
        values[i * C + c] = (float) (factor * down[i][c]);
      }
    }
    return values;
  }

  /** {@code weight -= factor * up down}. */
  public void subtractFrom(float[] weight, double factor) {
    int F = up[0].length;
    int C = down[0].length;
    IntStream.range(0, F)
        .parallel()
        .forEach(
            f -> {
              double[] row = new double[C];
              for (int i = 0; i < up.length; i++) {
                add(row, down[i], up[i][f]);
              }
              for (int c = 0; c < C; c++) {
                weight[f * C + c] = (float) (weight[f * C + c] - factor * row[c]);
              }
            });
  }

  /** {@code W^T W} (cols, cols) of a tall weight, {@code W W^T} (rows, rows) of a wide one. */
  private record Gram(float[] weight, int rows, int cols, boolean isTall) {
    int size() {
      return isTall ? cols : rows;
    }

    double[] times(double[] x) {
      return isTall
          ? timesTransposed(weight, rows, cols, LeadingFactors.times(weight, rows, cols, x))
          : LeadingFactors.times(weight, rows, cols, timesTransposed(weight, rows, cols, x));
    }
  }

  /**
   * Eigenvectors of the R largest eigenvalues: Lanczos with full orthogonalization, which finds the
   * ends of a spectrum first.
   */
  private static double[][] leadingVectors(Gram gram, int R) {
    int n = gram.size();
    double[][] basis = new double[n][];
    double[] alpha = new double[n];
    double[] beta = new double[n];
    int check = Math.min(n, 2 * R + 20);
    for (int k = 0; k < n; k++) {
      if (k == 0 || beta[k - 1] == 0) {
        basis[k] = new double[n];
        replace(basis, k); // an invariant subspace is complete: go on in another
        scale(basis[k], 1 / norm(basis[k]));
      }
      double[] next = gram.times(basis[k]);
      alpha[k] = dot(next, basis[k]);
      double before = norm(next);
      orthogonalize(next, basis, k + 1);
      double after = norm(next);
      beta[k] = k + 1 == n || after <= EPSILON * n * before ? 0 : after;
      if (beta[k] != 0) {
        scale(next, 1 / after);
        basis[k + 1] = next;
      }
      int size = k + 1;
      if (size == check || size == n) {
        Tridiagonal ritz = Tridiagonal.solve(alpha, beta, size);
        if (size == n || ritz.hasConverged(R, beta[k])) {
          return ritz.vectors(basis, R);
        }
        check = Math.min(n, size + size / 2);
      }
    }
    throw new IllegalStateException("the last step always ends");
  }

  /** Eigenvalues, falling, and eigenvectors of a symmetric tridiagonal matrix. */
  private record Tridiagonal(double[] values, double[][] vectors) {
    /**
     * By implicit QL steps (Bowdler et al., 1968).
     *
     * @param diagonal of it, the first {@code n}
     * @param beside the diagonal, the first {@code n - 1}
     */
    static Tridiagonal solve(double[] diagonal, double[] beside, int n) {
      double[] d = Arrays.copyOf(diagonal, n);
      double[] e = Arrays.copyOf(beside, n);
      e[n - 1] = 0;
      double[][] z = new double[n][n]; // by eigenvector
      for (int i = 0; i < n; i++) {
        z[i][i] = 1;
      }
      for (int l = 0; l < n; l++) {
        for (int m = split(d, e, l); m != l; m = split(d, e, l)) {
          step(d, e, z, l, m);
        }
      }
      Integer[] order = IntStream.range(0, n).boxed().toArray(Integer[]::new);
      Arrays.sort(order, (a, b) -> Double.compare(d[b], d[a]));
      double[] values = new double[n];
      double[][] vectors = new double[n][];
      for (int i = 0; i < n; i++) {
        values[i] = d[order[i]];
        vectors[i] = z[order[i]];
      }
      return new Tridiagonal(values, vectors);
    }

    /** The first index from l on after which the matrix falls apart. */
    private static int split(double[] d, double[] e, int l) {
      int m = l;
      while (m < d.length - 1
          && Math.abs(e[m]) > Math.ulp(1.0) * (Math.abs(d[m]) + Math.abs(d[m + 1]))) {
        m++;
      }
      return m;
    }

    private static void step(double[] d, double[] e, double[][] z, int l, int m) {
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      double r = Math.hypot(g, 1);
      g = d[m] - d[l] + e[l] / (g + Math.copySign(r, g));
      double s = 1;
      double c = 1;
      double p = 0;
      for (int i = m - 1; i >= l; i--) {
        double f = s * e[i];
        double b = c * e[i];
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate(z[i], z[i + 1], c, s);
      }
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }

    private static void rotate(double[] low, double[] high, double c, double s) {
      for (int k = 0; k < low.length; k++) {
        double f = high[k];
        high[k] = s * low[k] + c * f;
        low[k] = c * low[k] - s * f;
      }
    }

    /** Whether the space of the first R is known well enough beside what comes behind. */
    boolean hasConverged(int R, double residual) {
      int n = values.length;
      if (n <= R) {
        return false;
      }
      double gap = Math.max(values[R - 1] - values[R], EPSILON * values[0]);
      for (int i = 0; i < R; i++) {
        if (Math.abs(residual * vectors[i][n - 1]) > TOLERANCE * gap) {
          return false;
        }
      }
      return true;
    }

    /** The first R in the space that the basis spans. */
    double[][] vectors(double[][] basis, int R) {
      double[][] found = new double[R][];
      for (int i = 0; i < R; i++) {
        found[i] = new double[basis[0].length];
        for (int k = 0; k < values.length; k++) {
          add(found[i], basis[k], vectors[i][k]);
        }
        scale(found[i], 1 / norm(found[i]));
      }
      return found;
    }
  }

  /** {@code W x}. */
  private static double[] times(float[] weight, int rows, int cols, double[] x) {
    double[] out = new double[rows];
    IntStream.range(0, rows)
        .parallel()
        .forEach(
            row -> {
              double sum = 0;
              int at = row * cols;
              for (int c = 0; c < cols; c++) {
                sum += weight[at + c] * x[c];
              }
              out[row] = sum;
            });
    return out;
  }

  /** {@code W^T x}. */
  private static double[] timesTransposed(float[] weight, int rows, int cols, double[] x) {
    double[] out = new double[cols];
    int width = 256;
    IntStream.range(0, (cols + width - 1) / width)
        .parallel()
        .forEach(
            block -> {
              int begin = block * width;
              int end = Math.min(cols, begin + width);
              for (int row = 0; row < rows; row++) {
                double factor = x[row];
                int at = row * cols;
                for (int c = begin; c < end; c++) {
                  out[c] += weight[at + c] * factor;
                }
              }
            });
    return out;
  }

  /** Takes the first vectors of a basis from x, twice: once leaves what rounding brought back. */
  private static void orthogonalize(double[] x, double[][] basis, int count) {
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 0; i < count; i++) {
        add(x, basis[i], -dot(x, basis[i]));
      }
    }
  }

  /** Makes vector {@code at} of a basis one that those before it do not span. */
  private static void replace(double[][] basis, int at) {
    Random random = new Random(at);
    for (int i = 0; i < basis[at].length; i++) {
      basis[at][i] = random.nextGaussian();
    }
    orthogonalize(basis[at], basis, at);
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void add(double[] x, double[] y, double factor) {
    for (int i = 0; i < x.length; i++) {
      x[i] += factor * y[i];
    }
  }

  private static double norm(double[] x) {
    return Math.sqrt(dot(x, x));
  }

  private static void scale(double[] x, double factor) {
    for (int i = 0; i < x.length; i++) {
      x[i] *= factor;
    }
  }
}
