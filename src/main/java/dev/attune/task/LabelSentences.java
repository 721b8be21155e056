package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.nio.IntBuffer;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Sentences that say the labels, which few-shot learns as texts of them: where there are few texts,
 * what a label is called says much of what it means.
 *
 * @param template of the sentences, with a place for the label; null: there are none
 */
record LabelSentences(String template) {
  /** As SetFit puts a label into words where there are no texts at all. */
  private static final String USUAL = "This text is about {}.";

  /** As the option has it. */
  static final String NONE = "none";

  /** Rows that a sentence counts as, as in SetFit's templated data: see benchmarks/LOG.md. */
  private static final int ROWS = 8;

  /** Labels that have sentences unasked: of 2 and 4 they gain much, of 20 they lose. */
  private static final int MOST_LABELS = 5;

  /** Letters beside each other, with their marks, or a letter that is a word or a syllable. */
  private static final Pattern WORD =
      Pattern.compile("\\p{L}[\\p{L}\\p{M}]+|\\p{IsIdeographic}|\\p{InHangulSyllables}");

  private static final Pattern NO_LETTERS = Pattern.compile("[^\\p{L}\\p{M}]+");

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
   * something. Each has a word, and they differ by more than numbers.
   */
  static boolean areUsual(LabelMap labels) {
    if (labels.size() > MOST_LABELS) {
      return false;
    }
    Set<String> letters = new HashSet<>();
    for (String name : labels.names()) {
      // A letter that is written as one with a mark is one, as it looks.
      String composed = Normalizer.normalize(name, Normalizer.Form.NFC);
      String left = NO_LETTERS.matcher(composed).replaceAll(" ").strip().toLowerCase(Locale.ROOT);
      if (!WORD.matcher(composed).find() || !letters.add(left)) {
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
            .map(this::text)
            .toList();
  }

  private String text(String label) {
    return template.replace(ZeroShotLabels.PLACE, label);
  }

  /**
   * Refuses sentences that a model cannot tell from each other, or cannot read.
   *
   * @throws InputException naming the labels
   */
  void check(LabelMap labels, TextTokenizer tokenizer, int maxLength) {
    Map<IntBuffer, String> seen = new HashMap<>();
    boolean isAnyCut = false;
    for (String name : template == null ? List.<String>of() : labels.names()) {
      TokenIds tokens = tokenizer.encodeJudged(text(name), null, maxLength);
      if (tokens.ids().length <= tokenizer.specialTokens(false)) {
        throw new InputException(
            "the sentence of the label \""
                + name
                + "\" has no tokens (\""
                + text(name)
                + "\"); give "
                + Term.LABEL_TEMPLATE.of(NONE)
                + ", or another sentence");
      }
      isAnyCut |= tokens.droppedTokens() > 0;
      String other = seen.putIfAbsent(IntBuffer.wrap(tokens.ids()), name);
      if (other != null) {
        throw new InputException(
            "the sentences of the labels \""
                + other
                + "\" and \""
                + name
                + "\" are the same "
                + many(tokens.ids().length, "token")
                + "; give "
                + (isAnyCut ? "a larger " + Term.MAX_LENGTH + ", or " : "")
                + Term.LABEL_TEMPLATE.of(NONE));
      }
    }
  }

  /** What is to be told of sentences that are cut. */
  List<String> notes(LabelMap labels, TextTokenizer tokenizer, int maxLength) {
    List<String> notes = new ArrayList<>();
    for (String name : template == null ? List.<String>of() : labels.names()) {
      int dropped = tokenizer.encodeJudged(text(name), null, maxLength).droppedTokens();
      if (dropped > 0) {
        notes.add(
            "the sentence of the label \""
                + name
                + "\" is cut at "
                + many(maxLength, "token")
                + " and loses "
                + dropped);
      }
    }
    return notes;
  }

  /** What the option says for this, though nobody may have given it. */
  String option() {
    return template == null ? NONE : template;
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
