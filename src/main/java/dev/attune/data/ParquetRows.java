package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.data.parquet.ParquetFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The rows of a Parquet file, with the names of classes. */
final class ParquetRows implements FieldRows, AutoCloseable {
  private final Path file;
  private final ParquetFile parquet;
  private final ClassNames names;
  private int row;

  private ParquetRows(Path file, ParquetFile parquet, Columns columns) {
    this.file = file;
    this.parquet = parquet;
    try {
      this.names = new ClassNames(file, parquet.metadata(), columns);
    } catch (RuntimeException | Error e) {
      parquet.close();
      throw e;
    }
  }

  static Dataset read(DataFile file, ReadOptions options) {
    if (!file.compression().isEmpty()) {
      throw new InputException(
          file.shown()
              + " is Parquet within "
              + file.compression()
              + "; decompress it: Parquet compresses by itself");
    }
    if (!ForeignContent.isParquet(file.head())) {
      throw new InputException(file.shown() + " is no Parquet file: it does not begin with PAR1");
    }
    try (ParquetRows rows =
        new ParquetRows(
            file.shown(), ParquetFile.open(file.shown(), file.stored()), options.columns())) {
      return rows.names.noted(new JsonlReader(file.shown(), options).read(rows));
    }
  }

  @Override
  public Map<String, Object> next() {
    row++;
    Map<String, Object> fields = parquet.next();
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
    parquet.close();
  }
}
