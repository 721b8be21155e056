package dev.attune.data;

import java.util.List;
import java.util.Map;

/** Rows of named values, with the number of the last one. */
interface FieldRows {
  /**
   * The fields of the next row, or null at the end.
   *
   * @throws BadRow if this row cannot be read, but the next can
   * @throws dev.attune.core.InputException if there is no way on in the file
   */
  Map<String, Object> next() throws BadRow;

  int row();

  /** The names that numbers have got already, by column. */
  default Map<String, List<String>> classes() {
    return Map.of();
  }
}
