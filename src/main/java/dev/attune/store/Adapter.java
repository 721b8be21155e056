package dev.attune.store;

/**
 * The low-rank adapter of one module of a weight (Hu et al., LoRA, 2021): A and B, and of a
 * weight-decomposed one the magnitudes (Liu et al., DoRA, 2024).
 *
 * @param down A (R,C)
 * @param up B (columns,R)
 * @param upBias (columns) of B, scaled with the product; or null
 * @param magnitude (columns) of a weight-decomposed adapter, else null
 * @param scale what their product is multiplied by
 * @param part which of the weight's modules it belongs to
 * @param firstColumn of the module in the product; its first row in the weight
 */
public record Adapter(
    Parameter down,
    Parameter up,
    Parameter upBias,
    Parameter magnitude,
    float scale,
    int part,
    long firstColumn) {
  /** R. */
  public long rank() {
    return up.cols();
  }

  /** The part of it that adds to the columns {@code begin..end}, counted from there. */
  Adapter columns(long begin, long end, int firstPart) {
    long first = Math.max(begin, firstColumn) - firstColumn;
    long last = Math.min(end, firstColumn + up.rows()) - firstColumn;
    return new Adapter(
        down,
        up.slice(first, last),
        upBias == null ? null : upBias.slice(first, last),
        magnitude == null ? null : magnitude.slice(first, last),
        scale,
        part - firstPart,
        firstColumn + first - begin);
  }
}
