package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.data.arrow.ArrowFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The rows of an Arrow file or stream, with the names of classes. */
final class ArrowRows implements FieldRows, AutoCloseable {
  private final ArrowFile arrow;
  private final ClassNames names;
  private int row;

  private ArrowRows(Path file, ArrowFile arrow, Columns columns) {
    this.arrow = arrow;
    try {
      this.names = new ClassNames(file, arrow.metadata(), columns);
    } catch (RuntimeException | Error e) {
      arrow.close();
      throw e;
    }
  }

  static Dataset read(DataFile file, ReadOptions options) {
    if (!ArrowFile.begins(file.head())) {
      throw new InputException(
          file.shown() + " is no Arrow file: it begins neither with ARROW1 nor with a message");
    }
    try (ArrowRows rows =
        new ArrowRows(file.shown(), ArrowFile.open(file.shown(), file.open()), options.columns())) {
      return rows.names.noted(new JsonlReader(file.shown(), options).read(rows));
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  @Override
  public Map<String, Object> next() {
    row++;
    Map<String, Object> fields = arrow.next();
    return fields == null ? null : names.applied(row, fields);
  }

  @Override
  public int row() {
    return row;
  }

  @Override
  public Map<String, List<String>> classes() {
    return names.byColumn();
  }

  @Override
  public void close() {
    arrow.close();
  }
}
