package dev.attune.task;

import static dev.attune.core.Count.many;

import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.LengthFindings;
import dev.attune.data.TagScheme;
import dev.attune.data.TextFindings;
import dev.attune.data.TokenLengths;
import dev.attune.metrics.SequenceLabelMetrics;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The rules of the data report on words and their tags. */
final class TagFindings {
  private final Findings found;
  private final Task task;

  TagFindings(Findings found, Task task) {
    this.found = found;
    this.task = task;
  }

  /**
   * Looks at all rows.
   *
   * @param weights of the tags in the loss
   * @param classCounts how often each tag occurs
   */
  void examine(LabelWeights weights, Map<String, Integer> classCounts) {
    found.examples(
        Severity.FATAL,
        "no_words",
        example -> example.tokens() == null && example.text() != null,
        n -> many(n, "row has", "rows have") + noWords());
    TextFindings.emptyTexts(found, task);
    found.examples(
        Severity.FATAL,
        "missing_label",
        example -> example.tags() == null && example.tokens() != null,
        n -> found.data().reading().advised(many(n, "row has", "rows have") + " no tags"));
    found.examples(
        Severity.FATAL,
        "tags_mismatch",
        TagFindings::isMismatch,
        n ->
            many(n, "row has", "rows have")
                + " another number of tags than of tokens (first: "
                + found.data().examples().stream()
                    .filter(TagFindings::isMismatch)
                    .findFirst()
                    .map(e -> many(e.tags().size(), "tag") + ", " + many(words(e), "token"))
                    .orElseThrow()
                + ")");
    LabelMap labels = task.labels();
    LabelFindings classes = new LabelFindings(found, labels, classCounts);
    ClassBalance balance = new ClassBalance(found, classCounts);
    classes.unknown(
        example -> task.classes(example).stream().anyMatch(tag -> !labels.contains(tag)),
        "row has tags",
        "rows have tags",
        "tags");
    weights.state(found, labels);
    if (!found.isTraining()) {
      balance.absent();
      return;
    }
    Set<String> names = Set.copyOf(labels.names());
    Set<String> strangers = TagScheme.strangers(names);
    if (!strangers.isEmpty()) {
      found.add(
          Severity.WARNING,
          "tags_outside_bio",
          "tags of no scheme of entities stand among those of one: "
              + String.join(", ", strangers)
              + ". Entities are not counted; tags are measured one by one");
    } else if (labels.size() > 1 && !SequenceLabelMetrics.areOfEntities(labels.names())) {
      found.add(
          Severity.NOTE,
          "plain_tags",
          "the tags mark no entities (as B-PER and I-PER do): they are measured one by one");
    }
    if (!classes.areWords() && !classes.isSingle("tag")) {
      classes.alike();
      balance.rare("words");
    }
  }

  /** Tags that are not learned. */
  void examineLengths(TokenLengths tokens) {
    LengthFindings.targetsLeft(found, tokens);
    long supervised = tokens.supervised().sum();
    long tagged = found.data().examples().stream().mapToLong(e -> task.classes(e).size()).sum();
    if (supervised > 0 && tagged > supervised) {
      found.add(
          Severity.NOTE,
          "lost_tags",
          String.format(
              Locale.ROOT,
              "%,d of %s lost (truncated, or without tokens)",
              tagged - supervised,
              many(tagged, "tagged word")));
    }
  }

  private String noWords() {
    String option = found.data().reading().textAsTokens();
    return " a text, but no words with their tags"
        + (option == null
            ? ""
            : "; the words of the text, parted by white space, are read with " + option);
  }

  private static boolean isMismatch(Example example) {
    return example.tags() != null && example.tags().size() != words(example);
  }

  private static int words(Example example) {
    return example.tokens() == null ? 0 : example.tokens().size();
  }
}
