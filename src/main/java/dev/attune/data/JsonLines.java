package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One JSON object a line. Blank lines are allowed.
 *
 * @param mayBeLists whether a line may be a list of texts instead: {@link UnnamedTexts}
 */
record JsonLines(Path file, TextLines lines, boolean mayBeLists) implements FieldRows {
  /** A line that ends where an object, a list or a field of an object has begun. */
  private static final Pattern OPENING = Pattern.compile(".*[{\\[,:]\\s*");

  @Override
  public Map<String, Object> next() throws BadRow {
    String line = lines.next();
    while (line != null && line.isBlank()) {
      line = lines.next();
    }
    return line == null ? null : row(file, row(), line, mayBeLists);
  }

  /**
   * The fields of one line.
   *
   * @param row its number
   * @param mayBeList whether it may be a list of texts
   */
  static Map<String, Object> row(Path file, int row, String line, boolean mayBeList) throws BadRow {
    try {
      List<Object> list = mayBeList ? JsonText.list(line) : null;
      return list == null ? JsonText.object(line) : UnnamedTexts.named(file, row, list);
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
              + ". JSON lines have one {...} on each line."
              + (OPENING.matcher(line).matches()
                  ? " Where one stands on several lines: jq -c . "
                      + file.getFileName()
                      + " > rows.jsonl"
                  : ""),
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
