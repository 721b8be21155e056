package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import java.util.Locale;

/**
 * A product up to its addresses. With m, n, k as cuBLASLt counts them, that is of column-major D
 * (m,n) = op(A) (m,k) op(B) (k,n), whose columns lie one after the other.
 *
 * @param epilogue what is fused into it, of {@code cublasLtEpilogue_t}
 * @param dtype of A and B
 * @param alignment the least of all addresses, at most {@link #ALIGNMENT}
 */
record LtShape(
    Kind kind,
    long m,
    long n,
    long k,
    int epilogue,
    DType dtype,
    DType biasDtype,
    boolean accumulate,
    int alignment) {
  /** Addresses are known to the heuristics up to this alignment; the arena's is no less. */
  private static final int ALIGNMENT = 64;

  /** What a product is of. */
  enum Kind {
    FORWARD(true, false),
    BACKWARD_INPUT(false, false),
    BACKWARD_WEIGHT(false, true),
    /** Of the column sums of dout, as the product with a column of ones. */
    BACKWARD_BIAS(false, false);

    /** Whether op(A) is the transpose of A. */
    final boolean transposesA;

    /** Whether op(B) is the transpose of B. */
    final boolean transposesB;

    Kind(boolean transposesA, boolean transposesB) {
      this.transposesA = transposesA;
      this.transposesB = transposesB;
    }

    /** Whether it is a gradient of parameters: the rows are what it sums over. */
    boolean sumsRows() {
      return this == BACKWARD_WEIGHT || this == BACKWARD_BIAS;
    }

    /** The type of D: gradients of parameters are f32. */
    DType outDtype(DType dtype) {
      return sumsRows() ? DType.F32 : dtype;
    }
  }

  /** The same with the number of rows rounded up, so that near ones share an algorithm. */
  LtShape rounded() {
    return kind.sumsRows()
        ? new LtShape(kind, m, n, round(k), epilogue, dtype, biasDtype, accumulate, alignment)
        : new LtShape(kind, m, round(n), k, epilogue, dtype, biasDtype, accumulate, alignment);
  }

  /** To a multiple of an eighth of their magnitude, of 8 at least. */
  static long round(long rows) {
    long step = Math.max(8, Long.highestOneBit(rows) / 8);
    return (rows + step - 1) / step * step;
  }

  /** The least alignment of addresses, of which some may be 0. */
  static int alignment(long... addresses) {
    long bits = ALIGNMENT;
    for (long address : addresses) {
      bits |= address;
    }
    return (int) Long.lowestOneBit(bits);
  }

  /** Its name in the {@link ChoiceFile}. */
  String key() {
    return String.join(
        "_",
        kind.name().toLowerCase(Locale.ROOT),
        m + "x" + n + "x" + k,
        "e" + epilogue,
        dtype.name(),
        biasDtype.name(),
        accumulate ? "acc" : "set",
        "a" + alignment);
  }
}
