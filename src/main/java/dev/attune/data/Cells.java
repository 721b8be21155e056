package dev.attune.data;

import dev.attune.core.InputException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What stands in the columns of a row, of the type that a role wants; all else is an error. */
final class Cells {
  private static final String SPANS =
      ". Spans of a text are not read; write its words with a tag each: {\"tokens\": [\"Eve\", \"ran\"],"
          + " \"tags\": [\"B-PER\", \"O\"]}";

  private final Path file;
  private final boolean numbers;

  /**
   * Those of a file.
   *
   * @param numbers whether lists of labels may hold fractions
   */
  Cells(Path file, boolean numbers) {
    this.file = file;
    this.numbers = numbers;
  }

  String text(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null || value instanceof String) {
      return (String) value;
    }
    throw wrongType(row, column, value, "a string");
  }

  String label(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      return value.toString();
    }
    throw wrongType(row, column, value, "a string, a number or true/false");
  }

  List<String> strings(int row, Map<String, Object> fields, String column, boolean numbersToo) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    String kind = numbers ? "numbers" : "whole numbers";
    String wanted = numbersToo ? "a list of strings or " + kind : "a list of strings";
    if (!(value instanceof List<?> list)) {
      throw wrongType(row, column, value, wanted);
    }
    List<String> out = new ArrayList<>(list.size());
    for (Object item : list) {
      String read = item instanceof String text ? text : numbersToo ? number(item) : null;
      if (read == null) {
        InputException wrong = wrongType(row, column, value, wanted);
        boolean isSpan = item instanceof List<?> || item instanceof Map<?, ?>;
        throw isSpan ? new InputException(wrong.getMessage() + SPANS, wrong) : wrong;
      }
      out.add(read);
    }
    return out;
  }

  /** A number, where those are what rows have; a whole one elsewhere; null: it is none. */
  private String number(Object value) {
    return !numbers ? whole(value) : value instanceof Number ? value.toString() : null;
  }

  /** A whole number, which programs may write as 1.0; null: it is none. */
  private static String whole(Object value) {
    if (value instanceof Double || value instanceof Float || value instanceof BigDecimal) {
      double number = ((Number) value).doubleValue();
      return number == Math.rint(number) && Math.abs(number) < 1L << 53
          ? Long.toString((long) number)
          : null;
    }
    return value instanceof Number ? value.toString() : null;
  }

  /** The complaint about a value of another type. */
  InputException wrongType(int row, String column, Object value, String wanted) {
    return new InputException(
        at(row)
            + ": \""
            + column
            + "\" must be "
            + wanted
            + ", not "
            + Excerpt.shortened(String.valueOf(value)));
  }

  String at(int row) {
    return file + ", row " + row;
  }
}
