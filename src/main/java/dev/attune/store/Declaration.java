package dev.attune.store;

import dev.attune.core.DType;
import java.util.List;

/**
 * What a model said of a parameter when it declared it.
 *
 * @param parts the tensors it covers, one below the other
 * @param cols of a matrix; 1 of vectors
 * @param rowSparse whether it is the word embedding, updated by row
 * @param frozenAs how it is held, of vectors that it is frozen; null: trained
 * @param trainedRows rows of the matrix that are trained, each once, the least first; null: all
 * @param depth where in the model it stands
 */
record Declaration(
    List<Part> parts,
    long cols,
    Layout layout,
    boolean decays,
    boolean rowSparse,
    boolean isMatrix,
    DType frozenAs,
    List<Integer> trainedRows,
    Depth depth) {
  DType dtype() {
    return frozenAs != null && isMatrix ? frozenAs : DType.F32;
  }

  /** Rows of the matrix, of all parts; entries of vectors. */
  long rows() {
    return parts.stream().mapToLong(Part::rows).sum();
  }

  long count(Part part) {
    return part.rows() * cols;
  }

  long[] folderShape(Part part) {
    return isMatrix ? layout.folderShape(part.rows(), cols) : new long[] {part.rows()};
  }
}
