package dev.attune;

import dev.attune.core.Count;
import java.util.List;

/**
 * An example of token classification.
 *
 * @param words at least one
 * @param tags one for each word, as "B-PER", "I-PER", "O"
 */
public record TaggedWords(List<String> words, List<String> tags) {
  public TaggedWords {
    words = List.copyOf(words);
    tags = List.copyOf(tags);
    if (words.isEmpty() || words.size() != tags.size()) {
      throw new IllegalArgumentException(
          Count.many(words.size(), "word")
              + " and "
              + Count.many(tags.size(), "tag")
              + "; each word needs one");
    }
  }
}
