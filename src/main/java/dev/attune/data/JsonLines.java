package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** One JSON object a line. Blank lines are allowed. */
record JsonLines(Path file, TextLines lines) implements FieldRows {
  @Override
  public Map<String, Object> next() throws BadRow {
    String line = lines.next();
    while (line != null && line.isBlank()) {
      line = lines.next();
    }
    return line == null ? null : object(file, row(), line);
  }

  /**
   * The object of one line.
   *
   * @param row its number
   */
  static Map<String, Object> object(Path file, int row, String line) throws BadRow {
    try {
      return JsonText.object(line);
    } catch (JsonProcessingException e) {
      String where =
          e.getLocation() == null ? "" : " (character " + e.getLocation().getColumnNr() + ")";
      throw new BadRow(
          file
              + ", row "
              + row
              + " is not one JSON object"
              + where
              + ": "
              + JsonProblem.of(e)
              + ". JSON lines have one {...} on each line.",
          e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  @Override
  public int row() {
    return lines.number();
  }
}
