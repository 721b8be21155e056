package dev.attune.data;

import dev.attune.data.Columns.Role;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Guesses what columns are by what they hold, for advice where names say nothing. */
final class ContentGuess {
  private ContentGuess() {}

  /** The option for a header of names that say nothing, by what its columns hold. */
  static String byContent(Map<String, ColumnValues> values) {
    List<String> roles = rolesByContent(List.copyOf(values.keySet()), values.values());
    Map<Role, String> option = new LinkedHashMap<>();
    int i = 0;
    for (String name : values.keySet()) {
      Role role = Role.of(roles.get(i++));
      if (role != null) {
        option.put(role, name);
      }
    }
    return ColumnsOption.of(option);
  }

  /**
   * The roles of columns by what they hold: the longest is the text, a short one whose values come
   * again the label.
   *
   * @param first row of the file, which may be all that there is
   */
  static List<String> rolesByContent(List<String> first, Collection<ColumnValues> columns) {
    List<ColumnValues> list = List.copyOf(columns);
    int text = 0;
    for (int i = 1; i < list.size(); i++) {
      text = length(first, list, i) > length(first, list, text) ? i : text;
    }
    int label = -1;
    for (int i = 0; i < list.size(); i++) {
      boolean shorter = label < 0 || list.get(i).meanLength() <= list.get(label).meanLength();
      label = i != text && list.get(i).mayBeLabels() && shorter ? i : label;
    }
    List<String> roles = new ArrayList<>();
    for (int i = 0; i < list.size(); i++) {
      roles.add(i == text ? "text" : i == label ? "label" : "_");
    }
    return roles;
  }

  private static double length(List<String> first, List<ColumnValues> columns, int i) {
    double mean = columns.get(i).meanLength();
    return mean > 0 ? mean : first.get(i).length();
  }
}
