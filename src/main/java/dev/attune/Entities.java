package dev.attune;

import java.util.ArrayList;
import java.util.List;

/** From tags to entities: the rule of {@link Tagging#entities}. */
final class Entities {
  private Entities() {}

  static List<Entity> of(String text, List<TaggedWord> words) {
    List<Entity> out = new ArrayList<>();
    List<TaggedWord> run = new ArrayList<>();
    String label = null;
    for (TaggedWord word : words) {
      String tag = word.tag() == null ? "O" : word.tag();
      boolean begins = tag.startsWith("B-");
      boolean isPrefixed = begins || tag.startsWith("I-");
      String own = tag.equals("O") ? null : isPrefixed ? tag.substring(2) : tag;
      if (begins || own == null || !own.equals(label)) {
        add(out, text, label, run);
        run.clear();
        label = own;
      }
      if (own != null) {
        run.add(word);
      }
    }
    add(out, text, label, run);
    return out;
  }

  private static void add(List<Entity> out, String text, String label, List<TaggedWord> run) {
    if (run.isEmpty()) {
      return;
    }
    int start = run.get(0).start();
    int end = run.get(run.size() - 1).end();
    double score = run.stream().mapToDouble(TaggedWord::score).average().orElseThrow();
    out.add(new Entity(label, text.substring(start, end), score, start, end));
  }
}
