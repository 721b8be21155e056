package dev.attune.data;

import java.util.Map;

/** Rows of named values, with the number of the last one. */
interface FieldRows {
  /** The fields of the next row, or null at the end. */
  Map<String, Object> next();

  int row();
}
