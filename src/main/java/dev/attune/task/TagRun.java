package dev.attune.task;

import java.util.ArrayList;
import java.util.List;

/**
 * Words in a row that are tagged as one thing: a "B-" tag begins one, an "I-" tag goes on with one
 * of the same label or begins one; tags without such a prefix are labels, of which "O" is none.
 *
 * @param label without "B-" and "I-": "PER"
 * @param first index of its first word
 * @param last index of its last
 * @param score mean probability of its words' tags
 */
public record TagRun(String label, int first, int last, double score) {
  /** Those of a text, in order. */
  public static List<TagRun> of(TokenClassification.Predicted said) {
    List<TagRun> runs = new ArrayList<>();
    String label = null; // of the run in hand; null: none
    int first = 0;
    int words = said.tags().size();
    for (int word = 0; word <= words; word++) {
      String tag = word < words ? said.tags().get(word) : null;
      boolean begins = tag != null && tag.startsWith("B-");
      String own = label(tag);
      if (begins || own == null || !own.equals(label)) {
        if (label != null) {
          runs.add(new TagRun(label, first, word - 1, mean(said.scores().subList(first, word))));
        }
        label = own;
        first = word;
      }
    }
    return runs;
  }

  /** Null: the word belongs to nothing. */
  private static String label(String tag) {
    if (tag == null || tag.equals("O")) {
      return null;
    }
    return tag.startsWith("B-") || tag.startsWith("I-") ? tag.substring(2) : tag;
  }

  private static double mean(List<Double> scores) {
    return scores.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
