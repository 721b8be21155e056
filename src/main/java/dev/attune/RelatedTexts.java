package dev.attune;

import dev.attune.data.Example;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * An example for embeddings: texts that are alike, with texts that are not, or two texts with a
 * score. All examples of a training are of one kind.
 */
public final class RelatedTexts {
  private final String anchor;
  private final String other;
  private final List<String> negatives;
  private final Double score;

  private RelatedTexts(String anchor, String other, List<String> negatives, Double score) {
    this.anchor = Objects.requireNonNull(anchor, "anchor");
    this.other = Objects.requireNonNull(other, "other");
    this.negatives = negatives;
    this.score = score;
  }

  /** Two texts that are alike: a question and its answer, say. */
  public static RelatedTexts pair(String anchor, String positive) {
    return new RelatedTexts(anchor, positive, List.of(), null);
  }

  /**
   * The same, with texts that the anchor is not like, though it may seem so.
   *
   * @param negatives as many in every example
   */
  public static RelatedTexts triplet(String anchor, String positive, String... negatives) {
    return new RelatedTexts(anchor, positive, List.of(negatives), null);
  }

  /**
   * Two texts, and how alike they are.
   *
   * @param score finite; the larger, the more alike
   */
  public static RelatedTexts scored(String one, String other, double score) {
    if (!Double.isFinite(score)) {
      throw new IllegalArgumentException("the score is " + score + "; it must be finite");
    }
    return new RelatedTexts(one, other, List.of(), score);
  }

  Example example(int row) {
    return score == null
        ? Example.ofAnchor(row, anchor, other, negatives, Map.of())
        : new Example(row, anchor, other, Double.toString(score), null, null, Map.of());
  }
}
