package dev.attune.data;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Guesses what columns are by what they hold, for advice where names say nothing. */
final class ContentGuess {
  /** How long a text is beside the longest, at least, to be its pair. */
  private static final double AS_LONG = 0.6;

  private ContentGuess() {}

  /** The option for a header of names that say nothing, by what its columns hold. */
  static String byContent(Map<String, ColumnValues> values) {
    List<String> roles = rolesByContent(List.copyOf(values.keySet()), values.values());
    Map<ColumnRole, String> option = new EnumMap<>(ColumnRole.class);
    int i = 0;
    for (String name : values.keySet()) {
      ColumnRole role = ColumnRole.of(roles.get(i++));
      if (role != null) {
        option.put(role, name);
      }
    }
    return ColumnsOption.of(option);
  }

  /** The option for a prompt and its answer, behind "or"; empty where columns do not look so. */
  static String asPrompt(Map<String, ColumnValues> values) {
    List<String> texts =
        values.keySet().stream().filter(name -> values.get(name).areSentences()).toList();
    boolean hasLabels =
        values.keySet().stream()
            .anyMatch(name -> !texts.contains(name) && values.get(name).mayBeLabels());
    if (texts.size() != 2 || hasLabels) {
      return "";
    }
    Map<ColumnRole, String> option = new EnumMap<>(ColumnRole.class);
    option.put(ColumnRole.PROMPT, texts.get(0));
    option.put(ColumnRole.COMPLETION, texts.get(1));
    return " or, to learn what answers what, " + ColumnsOption.of(option);
  }

  /**
   * The roles of columns by what they hold: the longest is the text, one that is nearly as long its
   * pair, a short one whose values come again the label.
   *
   * @param first row of the file, which may be all that there is
   */
  static List<String> rolesByContent(List<String> first, Collection<ColumnValues> columns) {
    List<ColumnValues> list = List.copyOf(columns);
    int text = 0;
    for (int i = 1; i < list.size(); i++) {
      text = length(first, list, i) > length(first, list, text) ? i : text;
    }
    int label = label(list, text);
    int pair = label < 0 ? -1 : pair(list, text, label);
    List<String> roles = new ArrayList<>();
    for (int i = 0; i < list.size(); i++) {
      boolean isText = i == (pair < 0 ? text : Math.min(text, pair));
      boolean isPair = pair >= 0 && i == Math.max(text, pair);
      roles.add(isText ? "text" : isPair ? "text_pair" : i == label ? "label" : "_");
    }
    return roles;
  }

  /** The shortest column that may be labels, of those that vary where any does; -1: none. */
  private static int label(List<ColumnValues> list, int text) {
    int label = -1;
    for (int i = 0; i < list.size(); i++) {
      ColumnValues column = list.get(i);
      if (i == text || !column.mayBeLabels()) {
        continue;
      }
      boolean varies = label >= 0 && list.get(label).vary();
      boolean isShorter = label < 0 || column.meanLength() <= list.get(label).meanLength();
      if (column.vary() == varies ? isShorter : column.vary() || label < 0) {
        label = i;
      }
    }
    return label;
  }

  /** The only other column of sentences that are about as long as the texts; -1: none. */
  private static int pair(List<ColumnValues> list, int text, int label) {
    int pair = -1;
    for (int i = 0; i < list.size(); i++) {
      ColumnValues column = list.get(i);
      if (i != text
          && i != label
          && column.areSentences()
          && column.meanLength() > AS_LONG * list.get(text).meanLength()) {
        if (pair >= 0) {
          return -1;
        }
        pair = i;
      }
    }
    return pair;
  }

  private static double length(List<String> first, List<ColumnValues> columns, int i) {
    double mean = columns.get(i).meanLength();
    return mean > 0 ? mean : first.get(i).length();
  }
}
