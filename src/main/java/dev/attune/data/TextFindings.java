package dev.attune.data;

import static dev.attune.core.Count.many;

import dev.attune.data.Finding.Severity;

/** The rules of the data report that hold for texts of any task. */
public final class TextFindings {
  /** A share of rows from which duplication is a warning rather than a note. */
  private static final double WARNING_SHARE = 0.01;

  private TextFindings() {}

  /** Texts that are missing or blank. */
  public static void emptyTexts(Findings found, TargetChecks checks) {
    found.examples(
        Severity.FATAL,
        "empty_text",
        checks::isEmpty,
        n -> many(n, "text is", "texts are") + " empty" + promptInstead(found.data()));
    found.examples(
        Severity.WARNING,
        "empty_text_pair",
        example -> example.textPair() != null && example.textPair().isBlank(),
        n ->
            many(n, "second text", "second texts")
                + " of a pair "
                + (n == 1 ? "is" : "are")
                + " empty");
  }

  private static String promptInstead(Dataset data) {
    String option = data.reading().promptAsText();
    return option == null ? "" : "; to read the prompts as texts give " + option;
  }

  /** Texts that are in the split twice, and those of them that disagree. */
  static void equalTexts(Findings found, EqualTexts texts) {
    found.rows(
        texts.repeated() >= WARNING_SHARE * found.data().size() ? Severity.WARNING : Severity.NOTE,
        "duplicates",
        texts::repeats,
        n -> many(n, "row repeats", "rows repeat") + " the text of an earlier row");
    found.rows(
        Severity.WARNING,
        "label_conflict",
        texts::isInConflict,
        n -> many(n, "row has", "rows have") + " equal text but different labels");
  }

  /** Texts that the training set has too. */
  static void leakage(Findings found, EqualTexts training, String split, TargetChecks checks) {
    found.examples(
        Severity.WARNING,
        "leakage",
        example -> !checks.isEmpty(example) && training.has(example),
        n ->
            many(n, "text is", "texts are")
                + " in the training set too: "
                + split
                + " results will look better than they are");
  }
}
