package dev.attune.data;

import static dev.attune.core.Count.many;

import dev.attune.data.Finding.Severity;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

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
  static void equalTexts(Findings found, TargetChecks checks) {
    Dataset data = found.data();
    Map<String, Integer> first = new HashMap<>();
    int[] sameAs = new int[data.size()];
    boolean[] inConflict = new boolean[data.size()];
    for (int i = 0; i < data.size(); i++) {
      sameAs[i] = -1;
      if (!checks.isEmpty(data.get(i))) {
        Integer earlier = first.putIfAbsent(data.get(i).normalised(), i);
        if (earlier != null) {
          sameAs[i] = earlier;
          Object target = checks.target(data.get(i));
          if (!Objects.equals(target, checks.target(data.get(earlier)))) {
            inConflict[i] = true;
            inConflict[earlier] = true;
          }
        }
      }
    }
    long duplicates = Arrays.stream(sameAs).filter(s -> s >= 0).count();
    found.rows(
        duplicates >= WARNING_SHARE * data.size() ? Severity.WARNING : Severity.NOTE,
        "duplicates",
        i -> sameAs[i] >= 0,
        n -> many(n, "row repeats", "rows repeat") + " the text of an earlier row");
    found.rows(
        Severity.WARNING,
        "label_conflict",
        i -> inConflict[i],
        n -> many(n, "row has", "rows have") + " equal text but different labels");
  }

  /** The texts by which another split can be held against this one. */
  static Set<String> texts(Dataset data, TargetChecks checks) {
    Set<String> texts = new HashSet<>();
    for (Example example : data.examples()) {
      if (!checks.isEmpty(example)) {
        texts.add(example.normalised());
      }
    }
    return texts;
  }

  /** Texts that the training set has too. */
  static void leakage(Findings found, Set<String> training, String split, TargetChecks checks) {
    found.examples(
        Severity.WARNING,
        "leakage",
        example -> !checks.isEmpty(example) && training.contains(example.normalised()),
        n ->
            many(n, "text is", "texts are")
                + " in the training set too: "
                + split
                + " results will look better than they are");
  }
}
