package dev.attune;

import java.util.Objects;

/**
 * An example of regression.
 *
 * @param text not null
 * @param pair the second text, or null
 * @param score finite
 */
public record ScoredText(String text, String pair, double score) {
  public ScoredText {
    Objects.requireNonNull(text, "text");
    if (!Double.isFinite(score)) {
      throw new IllegalArgumentException("the score is " + score + "; it must be finite");
    }
  }

  /** An example of one text. */
  public ScoredText(String text, double score) {
    this(text, null, score);
  }
}
