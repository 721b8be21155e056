package dev.attune.data;

import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Advice that names a file's own columns, where what is asked for is not found in them. */
final class ColumnAdvice {
  private ColumnAdvice() {}

  /**
   * What to do where a text turns out to have no label, or words no tags: the options that name the
   * file's own columns; empty where nothing is in question.
   *
   * @param columns with guesses
   */
  static String of(Columns columns, Map<String, ColumnValues> values) {
    ColumnGuess guess = new ColumnGuess(columns, values);
    Map<ColumnRole, String> found = guess.found();
    if (found.containsKey(ColumnRole.QUESTION)
        && Stream.of(ColumnRole.ANSWERS, ColumnRole.ANSWER_TEXT).noneMatch(found::containsKey)) {
      List<String> answers = guess.free(Set.of("answer", "answers_text", "answer_span"));
      return answers.stream()
          .map(
              name ->
                  ColumnsOption.of(
                      Map.of(
                          values.get(name).areNested()
                              ? ColumnRole.ANSWERS
                              : ColumnRole.ANSWER_TEXT,
                          name)))
          .collect(Collectors.joining(" or ", answers.isEmpty() ? "" : "Where it is one: ", ""));
    }
    if (found.containsKey(ColumnRole.TOKENS) && !found.containsKey(ColumnRole.TAGS)) {
      return guess.free(UsualNames.TAGS).isEmpty()
          ? ""
          : "Say which column holds the tags: "
              + guess.free(UsualNames.TAGS).stream()
                  .map(name -> ColumnsOption.of(Map.of(ColumnRole.TAGS, name)))
                  .collect(Collectors.joining(" or "));
    }
    String text = found.get(ColumnRole.TEXT);
    if (text == null || found.containsKey(ColumnRole.LABEL)) {
      return "";
    }
    List<String> others =
        values.keySet().stream().filter(name -> !found.containsValue(name)).toList();
    List<String> switches =
        others.stream()
            .filter(name -> values.get(name).areBits() && !UsualNames.identifies(name))
            .toList();
    if (switches.size() > 1) {
      String labels = switches.stream().map(ColumnsOption::quoted).collect(Collectors.joining(";"));
      return "The columns "
          + Excerpt.quoted(switches)
          + " hold 0 and 1: for several labels a row give "
          + Term.TASK.of("multi-label-classification")
          + " "
          + Term.COLUMNS.of("text=" + ColumnsOption.quoted(text) + ",labels=" + labels);
    }
    List<String> candidates = new ArrayList<>(guess.labels());
    List<String> lists =
        others.stream()
            .filter(name -> values.get(name).areTextLists() || values.get(name).areChoices())
            .filter(name -> values.get(name).vary())
            .toList();
    if (candidates.isEmpty()) {
      // Where every row says the same, it tells nothing, and a list that varies may.
      candidates.addAll(
          others.stream()
              .filter(n -> values.get(n).mayBeLabels() && !UsualNames.normalised(n).equals("id"))
              .filter(n -> lists.size() != 1 || values.get(n).vary())
              .toList());
    }
    if (candidates.isEmpty() && lists.size() == 1) {
      return "For several labels a row give "
          + Term.TASK.of("multi-label-classification")
          + " "
          + ColumnsOption.of(textsAndLabel(found, lists.get(0)));
    }
    if (candidates.isEmpty()) {
      return others.isEmpty()
          ? "The file has no other column than " + Excerpt.quoted(List.of(text))
          : "Its other columns, "
              + Excerpt.quoted(others)
              + ", do not look like labels; where one is, name it: "
              + Term.COLUMNS.of("text=" + ColumnsOption.quoted(text) + ",label=NAME");
    }
    return "Say which column is the label: "
        + candidates.stream()
            .map(name -> ColumnsOption.of(textsAndLabel(found, name)))
            .collect(Collectors.joining(" or "));
  }

  private static Map<ColumnRole, String> textsAndLabel(
      Map<ColumnRole, String> found, String label) {
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TEXT, found.get(ColumnRole.TEXT));
    if (found.containsKey(ColumnRole.TEXT_PAIR)) {
      option.put(ColumnRole.TEXT_PAIR, found.get(ColumnRole.TEXT_PAIR));
    }
    option.put(ColumnRole.LABEL, label);
    return option;
  }
}
