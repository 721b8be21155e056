package dev.attune;

import java.util.Collection;
import java.util.List;
import java.util.Objects;

/**
 * An example of multi-label classification.
 *
 * @param text not null
 * @param pair the second text, or null
 * @param labels its labels; none says that it has none
 */
public record MultiLabeledText(String text, String pair, List<String> labels) {
  public MultiLabeledText {
    Objects.requireNonNull(text, "text");
    labels = List.copyOf(labels);
    if (labels.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException(
          "the labels are " + labels + "; none may be blank, and no label at all is an empty list");
    }
  }

  /** An example of one text. */
  public MultiLabeledText(String text, Collection<String> labels) {
    this(text, null, List.copyOf(labels));
  }
}
