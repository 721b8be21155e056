package dev.attune.data;

import java.util.ArrayList;
import java.util.List;

/** A list of strings and integers as {@link CellValue} reads it from a cell. */
final class ListCell {
  private ListCell() {}

  /** The items as strings; null where the cell is no such list. */
  static List<String> parse(String text) {
    if (!(CellValue.parse(text) instanceof List<?> list)) {
      return null;
    }
    List<String> items = new ArrayList<>(list.size());
    for (Object item : list) {
      String read = item instanceof JsonNumber number ? number.literal() : String.valueOf(item);
      boolean isInteger = item instanceof Number && read.matches("-?[0-9]+");
      if (!(item instanceof String || isInteger)) {
        return null;
      }
      items.add(read);
    }
    return items;
  }
}
