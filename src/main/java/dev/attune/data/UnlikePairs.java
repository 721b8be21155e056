package dev.attune.data;

import dev.attune.core.InputException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Pairs of texts beside a column that may say which of them are not alike. Where that column is
 * passed over, all pairs would be learned as alike.
 */
final class UnlikePairs {
  private static final String LABELS = "label";

  /** What columns hold that say yes or no, both of them. */
  private static final List<Set<String>> ANSWERS =
      List.of(Set.of("0", "1"), Set.of("0.0", "1.0"), Set.of("false", "true"), Set.of("no", "yes"));

  /** Words of names that speak of one thing, not of how two of them are to each other. */
  private static final Set<String> OF_ONE_THING =
      Set.of(
          ("has have contains includes verified anonymous anonymized edited deleted removed archived"
                  + " locked pinned truncated image images photo photos picture video media"
                  + " attachment url link html markdown code nsfw spam bot human premium member"
                  + " public private active open closed read seen new old test train dev validation"
                  + " holdout synthetic generated translated machine toxic offensive english"
                  + " multilingual sponsored ad promoted")
              .split(" "));

  /** Words of names that may speak of two: beside one of them no other word counts. */
  private static final Set<String> OF_TWO =
      Set.of(
          ("answer answers answered alike similar similarity same equal equals equivalent equivalence"
                  + " match matches matched matching duplicate duplicates duplicated dup paraphrase"
                  + " paraphrases relevant relevance related relation entails entailment contradiction"
                  + " correct right wrong true false positive negative pos neg gold label target good"
                  + " bad valid selected clicked accepted chosen hit pair pairs linked synonym"
                  + " translation")
              .split(" "));

  private static final Pattern WORD_ENDS = Pattern.compile("_+|(?<=[a-z0-9])(?=[A-Z])");

  private UnlikePairs() {}

  /**
   * Refuses such a file, unless it was said which columns are the pair.
   *
   * @param found columns by their roles
   * @param values of each column
   */
  static void refuse(
      Columns columns, Map<ColumnRole, String> found, Map<String, ColumnValues> values) {
    Map<ColumnRole, String> alike = alike(columns, found);
    List<String> measures =
        alike.isEmpty()
            ? List.of()
            : values.keySet().stream()
                .filter(name -> !found.containsValue(name) && mayMeasure(name, values.get(name)))
                .toList();
    if (measures.isEmpty()) {
      return;
    }
    String scored = scored(alike, measures);
    boolean isOne = measures.size() == 1;
    throw new InputException(
        Excerpt.quoted(measures)
            + (isOne ? " seems" : " seem")
            + " to say of each pair whether its texts are alike, and all pairs would be"
            + " learned as alike. Where "
            + (isOne ? "it" : "one")
            + " says that, give "
            + scored
            + (measures.stream().allMatch(name -> values.get(name).areNumbers())
                ? ""
                : ", with numbers in place of words: 1 for alike, 0 for not")
            + ", or leave out the rows whose texts are not alike; where "
            + (isOne ? "it does not" : "none does")
            + ", or once they are left out, "
            + ColumnsOption.of(alike));
  }

  /**
   * What the report says of columns of yes and no that are taken for something else.
   *
   * @return null where there are none
   */
  static Finding passedOver(
      Columns columns, Map<ColumnRole, String> found, Map<String, ColumnValues> values) {
    Map<ColumnRole, String> alike = alike(columns, found);
    List<String> flags =
        alike.isEmpty()
            ? List.of()
            : values.keySet().stream()
                .filter(name -> !found.containsValue(name) && isFlag(values.get(name)))
                .toList();
    return flags.isEmpty()
        ? null
        : Finding.ofFile(
            Finding.Severity.WARNING,
            "flags_beside_pairs",
            Excerpt.quoted(flags)
                + (flags.size() == 1 ? " is" : " are each")
                + " taken for a property of one text, and all pairs are learned as alike. Where one"
                + " says of pairs whether they are, give "
                + scored(alike, flags));
  }

  /** The columns of pairs that are all learned as alike; none where some are said not to be. */
  private static Map<ColumnRole, String> alike(Columns columns, Map<ColumnRole, String> found) {
    boolean anchored =
        found.containsKey(ColumnRole.ANCHOR) && found.containsKey(ColumnRole.POSITIVE);
    ColumnRole first = anchored ? ColumnRole.ANCHOR : ColumnRole.TEXT;
    ColumnRole second = anchored ? ColumnRole.POSITIVE : ColumnRole.TEXT_PAIR;
    Map<ColumnRole, String> alike = new LinkedHashMap<>();
    if (found.containsKey(first)
        && found.containsKey(second)
        && !found.containsKey(ColumnRole.NEGATIVE)
        && !found.containsKey(ColumnRole.LABEL)
        && !columns.asksFor(second)) {
      alike.put(first, found.get(first));
      alike.put(second, found.get(second));
    }
    return alike;
  }

  /** The options that name a column as what says how alike the texts of pairs are. */
  private static String scored(Map<ColumnRole, String> alike, List<String> labels) {
    List<String> texts = List.copyOf(alike.values());
    return labels.stream()
        .map(
            label -> {
              Map<ColumnRole, String> option = new LinkedHashMap<>();
              option.put(ColumnRole.TEXT, texts.get(0));
              option.put(ColumnRole.TEXT_PAIR, texts.get(1));
              option.put(ColumnRole.LABEL, label);
              return ColumnsOption.of(option);
            })
        .collect(Collectors.joining(" or "));
  }

  private static boolean isFlag(ColumnValues column) {
    return ANSWERS.stream().anyMatch(column::areAllOf);
  }

  /** Whether a name says that it speaks of one thing, and none of its words of two. */
  private static boolean isOfOneThing(String name) {
    List<String> words =
        Stream.of(WORD_ENDS.split(name.replaceAll("[\\s.\\-]+", "_")))
            .map(UsualNames::normalised)
            .toList();
    return words.stream().anyMatch(OF_ONE_THING::contains)
        && words.stream().noneMatch(OF_TWO::contains);
  }

  /** Yes and no, or numbers and short texts under a name of scores or labels. */
  private static boolean mayMeasure(String name, ColumnValues column) {
    String normalised = UsualNames.normalised(name);
    boolean isNamed =
        UsualNames.SCORES.contains(normalised)
            || normalised.startsWith(LABELS)
            || normalised.endsWith("_" + LABELS);
    return isFlag(column) && !isOfOneThing(name)
        || isNamed
            && column.vary()
            && !column.areLists()
            && (!column.areTexts() || column.mayBeLabels());
  }
}
