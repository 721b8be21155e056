package dev.attune;

import java.util.List;

/**
 * What a tagger says of a text.
 *
 * @param words all of them, in order
 * @param entities runs of words with tags of one label, in order: a "B-" tag begins one, an "I-"
 *     tag goes on with one of the same label or begins one; tags without such a prefix are labels,
 *     of which "O" is none
 */
public record Tagging(List<TaggedWord> words, List<Entity> entities) {
  public Tagging {
    words = List.copyOf(words);
    entities = List.copyOf(entities);
  }
}
