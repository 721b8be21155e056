package dev.attune.data;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Columns named as labels, each of which says with 0 or 1 whether a row has its label. */
final class LabelColumns {
  private LabelColumns() {}

  /** The labels of a row; null where there are no such columns. */
  static List<String> read(Path file, int row, List<String> columns, Map<String, Object> fields) {
    if (columns.isEmpty()) {
      return null;
    }
    List<String> labels = new ArrayList<>();
    for (String column : columns) {
      String value = String.valueOf(fields.get(column)).strip();
      switch (value.toLowerCase(Locale.ROOT)) {
        case "1", "1.0", "true", "yes" -> labels.add(column);
        case "0", "0.0", "false", "no" -> {}
        default ->
            throw new InputException(
                file
                    + ", row "
                    + row
                    + ": the label column \""
                    + column
                    + "\" must be 0 or 1, not \""
                    + Excerpt.shortened(value)
                    + '"');
      }
    }
    return labels;
  }
}
