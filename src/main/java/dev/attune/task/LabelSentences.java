package dev.attune.task;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Sentences that say the labels, which few-shot learns as texts of them: where there are few texts,
 * what a label is called says much of what it means.
 *
 * @param template of the sentences, with a place for the label; null: there are none
 */
record LabelSentences(String template) {
  /** As SetFit puts a label into words where there are no texts at all. */
  private static final String USUAL = "This text is about {}.";

  private static final String NONE = "none";

  /** Rows that a sentence counts as, as in SetFit's templated data: see benchmarks/LOG.md. */
  private static final int ROWS = 8;

  /** Labels that have sentences unasked: of 2 and 4 they gain much, of 20 they lose. */
  private static final int MOST_LABELS = 5;

  /** Where attune.json has the template. */
  static final String SETTING = "label_template";

  /**
   * What options ask for.
   *
   * @param areUsual whether there are any where nobody says it
   */
  static LabelSentences of(TaskOptions options, ContrastivePairs pairs, boolean areUsual) {
    String given = options.get(Term.LABEL_TEMPLATE);
    if (NONE.equals(given)) {
      return new LabelSentences(null);
    }
    if (given != null && pairs.areListed()) {
      throw new InputException(
          Term.LABEL_TEMPLATE
              + " is of all pairs of each batch, and "
              + Term.SAMPLING_STRATEGY.of(pairs.strategy().option())
              + " lists pairs of rows; leave one of them out");
    }
    String usual = areUsual && !pairs.areListed() ? USUAL : null;
    String template = ZeroShotLabels.template(Term.LABEL_TEMPLATE, options);
    return new LabelSentences(template == null ? usual : template);
  }

  /**
   * Whether there are sentences where nobody says it: labels are few, and their names say
   * something. Each has two letters, or is of a script whose letters are words, and they differ by
   * more than numbers.
   */
  static boolean areUsual(LabelMap labels) {
    if (labels.size() > MOST_LABELS) {
      return false;
    }
    Set<String> letters = new HashSet<>();
    for (String name : labels.names()) {
      String left = name.replaceAll("[^\\p{L}]+", " ").strip().toLowerCase(Locale.ROOT);
      boolean isWord = left.length() > 1 || left.codePoints().anyMatch(Character::isIdeographic);
      if (!isWord || !letters.add(left)) {
        return false;
      }
    }
    return true;
  }

  /** Sequences that they make. */
  int rows(LabelMap labels) {
    return template == null ? 0 : ROWS * labels.size();
  }

  /** Each label's sentence, in the order of the labels, and all of them again for every row. */
  List<String> texts(LabelMap labels) {
    return template == null
        ? List.of()
        : Collections.nCopies(ROWS, labels.names()).stream()
            .flatMap(List::stream)
            .map(name -> template.replace(ZeroShotLabels.PLACE, name))
            .toList();
  }

  /** States itself in attune.json. */
  void describe(ObjectNode settings) {
    if (template != null) {
      settings.put(SETTING, template);
    }
  }

  @Override
  public String toString() {
    return template == null ? "" : ", and from \"" + template + "\" of each label";
  }
}
