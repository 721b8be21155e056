package dev.attune.data;

import java.util.List;

/** Rows of fields, with the line on which the last one began. */
interface TableRows {
  /** The fields of the next row, or null at the end. */
  List<String> next();

  int row();
}
