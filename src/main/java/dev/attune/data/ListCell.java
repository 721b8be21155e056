package dev.attune.data;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** A list of strings and integers as {@link CellValue} reads it from a cell. */
final class ListCell {
  private static final Pattern INTEGER = Pattern.compile("-?[0-9]+");

  private ListCell() {}

  /** The items as strings; null where the cell is no such list. */
  static List<String> parse(String text) {
    return parse(text, false);
  }

  /**
   * The same of numbers.
   *
   * @param mayBeFractions whether they need not be whole
   */
  static List<String> parse(String text, boolean mayBeFractions) {
    if (!(CellValue.parse(text) instanceof List<?> list)) {
      return null;
    }
    List<String> items = new ArrayList<>(list.size());
    for (Object item : list) {
      String read = item instanceof JsonNumber number ? number.literal() : String.valueOf(item);
      boolean isRead =
          item instanceof Number && (mayBeFractions || INTEGER.matcher(read).matches());
      if (!(item instanceof String || isRead)) {
        return null;
      }
      items.add(read);
    }
    return items;
  }
}
