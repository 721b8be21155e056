package dev.attune;

import java.util.Objects;

/**
 * Two texts that are judged together, as a premise and a hypothesis.
 *
 * @param first not null
 * @param second not null
 */
public record TextPair(String first, String second) {
  public TextPair {
    Objects.requireNonNull(first, "first");
    Objects.requireNonNull(second, "second");
  }
}
