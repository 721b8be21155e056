package dev.attune;

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
          words.size() + " words and " + tags.size() + " tags; each word needs one");
    }
  }
}
