package dev.attune.task;

import static dev.attune.core.Count.many;

import dev.attune.core.Term;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The rules of the data report on texts that belong together. */
final class EmbeddingFindings {
  /** Entailment, neutral, contradiction. */
  private static final List<Float> CLASSES = List.of(0f, 1f, 2f);

  private final Findings found;
  private final Task task;
  private final EmbeddingLoss.Kind loss;
  private final boolean keepsApart;

  /**
   * @param keepsApart whether no text is twice in a batch
   */
  EmbeddingFindings(Findings found, Task task, EmbeddingLoss.Kind loss, boolean keepsApart) {
    this.found = found;
    this.task = task;
    this.loss = loss;
    this.keepsApart = keepsApart;
  }

  /** Looks at all rows. */
  void examine() {
    List<Example> examples = found.data().examples();
    TextGroups.Form of = TextGroups.Form.of(examples);
    if (examples.stream().allMatch(e -> e.textPair() == null && !e.hasNoText())) {
      found.add(Severity.FATAL, "no_pairs", noPairs(examples));
      return;
    }
    found.examples(
        Severity.FATAL,
        "empty_text",
        task::isEmpty,
        n -> many(n, "row has", "rows have") + " a text that is missing or empty");
    found.examples(
        Severity.FATAL,
        "negatives",
        e -> !task.isEmpty(e) && TextGroups.texts(e).size() != of.columns(),
        n ->
            many(n, "row has", "rows have")
                + " another number of negatives than "
                + (of.columns() - 2)
                + ", which the most have; "
                + Term.SKIP_BAD_ROWS
                + " leaves such rows out");
    if (found.isTraining() && examples.size() < task.leastBatch()) {
      found.add(
          Severity.FATAL,
          "nothing_to_compare",
          "there is one row, and the loss "
              + loss.option()
              + " compares rows with each other: there is nothing to learn");
    }
    if (of.scored()) {
      examineScores(examples);
    } else if (found.isTraining() && loss.isRanking() && !keepsApart) {
      Map<String, Integer> count = new HashMap<>();
      examples.forEach(e -> count.merge(String.valueOf(e.textPair()), 1, Integer::sum));
      found.examples(
          Severity.WARNING,
          "positives_again",
          e -> count.get(String.valueOf(e.textPair())) > 1,
          n ->
              many(n, "row has", "rows have")
                  + " a positive that other rows have too: two of them in one batch count as wrong"
                  + " for each other; "
                  + Term.BATCH_SAMPLER.of("no-duplicates")
                  + " parts them");
    }
  }

  /** What to say of rows of one text each. */
  private String noPairs(List<Example> examples) {
    boolean areLabelled = examples.stream().anyMatch(e -> LabelMap.isPresent(e.label()));
    return "the rows have one text each, and "
        + Term.TASK.of(task.type().name())
        + " learns from texts that belong together: columns anchor,positive or"
        + " anchor,positive,negative, or text,text_pair,label with a number for how alike the two"
        + " are"
        + (areLabelled
            ? ". The rows have a text and a label, as for "
                + Term.TASK.of(Classification.TYPE.name())
            : "");
  }

  private void examineScores(List<Example> examples) {
    found.examples(
        Severity.FATAL,
        "bad_target",
        e -> Numbers.parse(e.label()) == null,
        n ->
            found
                .data()
                .reading()
                .advised(
                    many(n, "score is", "scores are")
                        + " not a finite number (first: "
                        + firstBad(examples)
                        + ")"));
    List<Float> scores =
        examples.stream().map(e -> Numbers.parse(e.label())).filter(Objects::nonNull).toList();
    if (scores.size() == examples.size() && scores.stream().distinct().limit(2).count() == 1) {
      found.add(
          found.isTraining() ? Severity.FATAL : Severity.WARNING,
          found.isTraining() ? "single_class" : "constant_output",
          "every row has the same score, "
              + scores.get(0)
              + (found.isTraining()
                  ? ": there is nothing to learn"
                  : ": spearman and pearson have no value"));
    }
    if (loss == EmbeddingLoss.Kind.COSINE_SIMILARITY) {
      found.examples(
          Severity.FATAL,
          "score_range",
          e -> Numbers.parse(e.label()) != null && Math.abs(Numbers.parse(e.label())) > 1,
          n ->
              many(n, "score is", "scores are")
                  + " not between -1 and 1, as cosines are: divide them all by the largest, or give "
                  + Term.LOSS.of(EmbeddingLoss.Kind.COSENT.option())
                  + ", for which their order alone counts");
    }
    if (found.isTraining() && scores.stream().distinct().sorted().toList().equals(CLASSES)) {
      found.add(
          Severity.WARNING,
          "scores_like_classes",
          "the only scores are 0, 1 and 2, as of classes (entailment, neutral, contradiction): they"
              + " are learned as how alike the texts are, 2 the most");
    }
  }

  private static String firstBad(List<Example> examples) {
    return examples.stream()
        .map(Example::label)
        .filter(label -> Numbers.parse(label) == null)
        .map(label -> LabelMap.isPresent(label) ? '"' + label + '"' : "missing")
        .findFirst()
        .orElseThrow();
  }
}
