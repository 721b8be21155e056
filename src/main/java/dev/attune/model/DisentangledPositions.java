package dev.attune.model;

/**
 * Rows by the distance of key and query, which the queries and keys of every layer meet (He et al.,
 * DeBERTa, 2021).
 *
 * @param buckets of distances to each side, which grow with the distance; 0: none is shared
 * @param maxDistance from which on all distances are one
 * @param contentToPosition whether queries meet them
 * @param positionToContent whether keys meet them
 * @param sharesProducts whether a layer projects them as it does its rows
 * @param isNormalized whether a norm stands on them
 * @param dropout on them, in every layer
 */
public record DisentangledPositions(
    int buckets,
    int maxDistance,
    boolean contentToPosition,
    boolean positionToContent,
    boolean sharesProducts,
    boolean isNormalized,
    float dropout) {
  /** Terms of a score, content to content included. */
  public int terms() {
    return 1 + (contentToPosition ? 1 : 0) + (positionToContent ? 1 : 0);
  }

  /** Rows of their table. */
  public int rows() {
    return 2 * (buckets == 0 ? maxDistance : buckets);
  }
}
