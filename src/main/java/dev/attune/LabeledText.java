package dev.attune;

import java.util.Objects;

/**
 * An example of classification.
 *
 * @param text not null
 * @param pair the second text, or null
 * @param label not null
 */
public record LabeledText(String text, String pair, String label) {
  public LabeledText {
    Objects.requireNonNull(text, "text");
    Objects.requireNonNull(label, "label");
  }

  /** An example of one text. */
  public LabeledText(String text, String label) {
    this(text, null, label);
  }
}
