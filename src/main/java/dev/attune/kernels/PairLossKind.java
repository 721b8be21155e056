package dev.attune.kernels;

/** Losses of pairs and triplets of vectors that kernels know. The codes cross the native border. */
public enum PairLossKind {
  /** The squared error of the pairs' dot products. */
  SQUARED_ERROR(0),
  /** The order of the pairs' dot products, each pair held against every other: CoSENT. */
  RANKING(1),
  /** By what margin the anchor's dot product with the positive exceeds that with the negative. */
  TRIPLET_DOT(2),
  /** By what margin the anchor is nearer to the positive than to the negative. */
  TRIPLET_EUCLIDEAN(3);

  private final int code;

  PairLossKind(int code) {
    this.code = code;
  }

  public int code() {
    return code;
  }

  /** Vectors of an example: an anchor, a positive, and perhaps a negative. */
  public int columns() {
    return needsTargets() ? 2 : 3;
  }

  /** Whether each pair has a target. */
  public boolean needsTargets() {
    return this == SQUARED_ERROR || this == RANKING;
  }
}
