package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Rows that name their fields, of JSON or Parquet, to examples. */
final class JsonlReader {
  private final Path file;
  private final ReadOptions options;

  JsonlReader(Path file, ReadOptions options) {
    this.file = file;
    this.options = options;
  }

  Dataset read(FieldRows source) {
    checkColumns(file, options.columns());
    BadRows bad = new BadRows(options.skipBadRows(), "row");
    RowSpace.Rows<ExampleReader.Row> rows = options.space().rows(ExampleReader.Row.CODEC);
    UnnamedTexts unnamed =
        options.columns().arePairs() ? new UnnamedTexts(file, source, options.columns()) : null;
    FieldRows named = unnamed == null ? source : unnamed;
    for (boolean more = true; more; ) {
      try {
        InterruptedCallException.check("reading " + file);
        Map<String, Object> fields = named.next();
        more = fields != null;
        if (more) {
          checkCharacters(file, source.row(), fields);
          rows.add(new ExampleReader.Row(source.row(), fields, fields));
        }
      } catch (BadRow e) {
        bad.add(source.row(), e.reason());
      } catch (InputException e) {
        throw bad.noWayOn(e);
      }
    }
    Dataset dataset =
        new ExampleReader(file, options, false, bad, source.classes()).read(rows.list());
    rows.drop();
    for (Finding finding : unnamed == null ? List.<Finding>of() : unnamed.findings()) {
      dataset = dataset.with(finding);
    }
    return dataset;
  }

  /** Refuses columns by position, of which such rows have none. */
  static void checkColumns(Path file, Columns columns) {
    Check.input(
        !columns.isPositional(),
        "%s: its rows name their fields, so %s by position has no meaning. Name them: %s",
        file,
        Term.COLUMNS,
        Term.COLUMNS.of(Columns.BY_NAME));
  }

  /** The row of one line of JSON. */
  static ExampleReader.Row row(Path file, int number, String line) throws BadRow {
    Map<String, Object> fields = JsonLines.row(file, number, line, false);
    checkCharacters(file, number, fields);
    return new ExampleReader.Row(number, fields, fields);
  }

  private static void checkCharacters(Path file, int row, Map<String, Object> fields)
      throws BadRow {
    for (Map.Entry<String, Object> field : fields.entrySet()) {
      String broken = WholeCharacters.broken(field.getValue());
      if (broken != null) {
        throw new BadRow(
            at(file, row) + ": '" + field.getKey() + "' has " + WholeCharacters.describe(broken));
      }
    }
    String brokenName = WholeCharacters.broken(List.copyOf(fields.keySet()));
    if (brokenName != null) {
      throw new BadRow(
          at(file, row) + ": the name of a field has " + WholeCharacters.describe(brokenName));
    }
  }

  private static String at(Path file, int row) {
    return file + ", row " + row;
  }
}
