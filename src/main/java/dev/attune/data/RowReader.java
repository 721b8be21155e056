package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/** Rows of fields, from CSV and TSV, to examples. */
final class RowReader {
  /** Words that the name of a column has at most. */
  private static final int NAME_WORDS = 4;

  /** What may stand before the first name of a header. */
  private static final Pattern JOINED = Pattern.compile("^\uFEFF?(#+\\s*)?");

  /** A record and the line on which it begins. */
  private record Line(int number, List<String> cells) {
    static final RowCodec<Line> CODEC =
        new RowCodec<>() {
          @Override
          public void write(Line line, RowBytes out) {
            out.put(line.number).put(line.cells);
          }

          @Override
          public Line read(ByteBuffer in) {
            int number = RowBytes.number(in);
            return new Line(number, RowBytes.texts(in));
          }
        };

    boolean isBlank() {
      return cells.stream().allMatch(String::isEmpty);
    }
  }

  private final Path file;
  private final ReadOptions options;
  private final Columns columns;
  private final Dialect dialect;
  private final BadRows bad;
  private int headerRow;
  private List<String> headerCells = List.of(); // as the file has them
  private boolean hasTrailing; // whether every row ends in a delimiter with nothing behind it

  RowReader(Path file, ReadOptions options, Dialect dialect) {
    this.file = file;
    this.options = options;
    this.columns = options.columns();
    this.dialect = dialect;
    this.bad = new BadRows(options.skipBadRows(), "row");
  }

  Dataset read(TableRows records) {
    List<String> first = bad.read(records::next);
    if (first == null) {
      throw new InputException(file + " is empty");
    }
    headerRow = records.row();
    List<String> names;
    RowSpace.Rows<Line> read = options.space().rows(Line.CODEC);
    if (columns.isPositional()) {
      names = columns.positions();
      read.add(new Line(records.row(), first));
      checkNoHeader(first);
    } else {
      headerCells = first;
      names = named(unmarked(first));
      checkNames(unmarked(first), names);
    }
    readAll(records, read);
    List<Line> lines = read.list();
    if (!columns.isPositional()) {
      checkHeader(names, lines);
    }
    hasTrailing = !columns.isPositional() && areTrailing(lines, names.size());
    List<Line> rows = whole(lines, names);
    Set<String> lists = listColumns(rows, names);
    checkCells(names);
    List<ExampleReader.Row> converted =
        options.space().changed(rows, line -> row(line, names, lists));
    Dataset dataset = new ExampleReader(file, options, true, bad, Map.of()).read(converted);
    read.drop();
    if (!columns.isPositional() && !names.get(0).equals(first.get(0))) {
      dataset =
          noted(
              dataset,
              "header_mark",
              "the first column, "
                  + Excerpt.quoted(first.subList(0, 1))
                  + ", is read as "
                  + Excerpt.quoted(names.subList(0, 1))
                  + ": the # marks the line of the header");
    }
    List<String> renamed = names.stream().skip(1).filter(name -> !first.contains(name)).toList();
    if (!columns.isPositional() && !renamed.isEmpty()) {
      dataset =
          noted(
              dataset,
              "columns_again",
              "columns have the name of an earlier one, and are read as "
                  + Excerpt.quoted(renamed));
    }
    if (hasTrailing) {
      dataset =
          noted(
              dataset,
              "trailing_fields",
              "every row ends in a "
                  + Delimiters.name(dialect.delimiter())
                  + " behind its last field, with nothing after it");
    }
    return lists.isEmpty()
        ? dataset
        : noted(
            dataset,
            "list_cells",
            "the cells of " + Excerpt.quoted(List.copyOf(lists)) + " are read as lists");
  }

  private static Dataset noted(Dataset dataset, String code, String message) {
    return dataset.with(Finding.ofFile(Finding.Severity.NOTE, code, message));
  }

  /** Whether every row has one more field than the header, and nothing in it. */
  private static boolean areTrailing(List<Line> lines, int columns) {
    boolean any = false;
    for (Line line : lines) {
      List<String> cells = line.cells();
      if (!line.isBlank()) {
        any = true;
        if (cells.size() != columns + 1 || !cells.get(columns).isBlank()) {
          return false;
        }
      }
    }
    return any;
  }

  /** A header with names that tell columns apart: x, x.1, x.2, as pandas reads them. */
  private static List<String> named(List<String> header) {
    List<String> names = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    Set<String> taken = new HashSet<>(header);
    Map<String, Integer> again = new HashMap<>();
    for (String name : header) {
      String other = name;
      if (!name.isEmpty() && !seen.add(name)) {
        do {
          other = name + '.' + again.merge(name, 1, Integer::sum);
        } while (!taken.add(other));
      }
      names.add(other);
    }
    return names;
  }

  private void readAll(TableRows records, RowSpace.Rows<Line> lines) {
    for (List<String> row = bad.read(records::next); row != null; row = bad.read(records::next)) {
      InterruptedCallException.check("reading " + file);
      lines.add(new Line(records.row(), row));
    }
  }

  /** The rows that can be read, without the blank ones at the end. */
  private List<Line> whole(List<Line> lines, List<String> names) {
    int end = lines.size();
    while (end > 0 && lines.get(end - 1).isBlank()) {
      end--;
    }
    BitSet unreadable = new BitSet();
    for (int i = 0; i < end; i++) {
      Line line = lines.get(i);
      try {
        check(line, names);
      } catch (InputException e) {
        bad.add(line.number(), e);
        unreadable.set(i);
      }
    }
    if (unreadable.isEmpty()) {
      return lines.subList(0, end);
    }
    int[] kept = IntStream.range(0, end).filter(i -> !unreadable.get(i)).toArray();
    return new AbstractList<>() {
      @Override
      public Line get(int index) {
        return lines.get(kept[index]);
      }

      @Override
      public int size() {
        return kept.length;
      }
    };
  }

  private void check(Line line, List<String> names) {
    List<String> row = line.cells();
    if (headerCells.size() > 1 && (isHeader(row, headerCells) || isHeader(row, names))) {
      throw new InputException(
          file
              + ", row "
              + line.number()
              + " is the header once more, as where files were joined"
              + (options.skipBadRows()
                  ? ""
                  : ". Remove it; " + Term.SKIP_BAD_ROWS + " leaves such rows out."));
    }
    if (line.isBlank()) {
      throw new InputException(
          file
              + ", row "
              + line.number()
              + " is blank"
              + (options.skipBadRows()
                  ? ""
                  : ". Remove it; only the end may be blank. "
                      + Term.SKIP_BAD_ROWS
                      + " leaves such rows out."));
    }
    boolean isWhole = row.size() == names.size() || hasTrailing && row.size() == names.size() + 1;
    if (!isWhole && !(columns.moreAllowed() && row.size() > names.size())) {
      throw new InputException(
          file
              + ", row "
              + line.number()
              + " has "
              + row.size()
              + (row.size() == 1 ? " field" : " fields")
              + " instead of "
              + names.size()
              + " ("
              + String.join(", ", names.stream().map(Excerpt::shortened).toList())
              + "): "
              + Excerpt.quoted(row)
              + ". "
              + (row.size() < names.size()
                  ? "Is a " + Delimiters.name(dialect.delimiter()) + " missing?"
                  : dialect.remedyForTooMany())
              + (columns.isPositional() && row.size() > names.size()
                  ? " End " + Term.COLUMNS + " with ... to ignore further fields."
                  : ""));
    }
  }

  /** Files that were joined may have a byte order mark, or a #, in front of theirs. */
  private static boolean isHeader(List<String> row, List<String> names) {
    return row.size() == names.size()
        && unmarked(row.get(0)).equals(unmarked(names.get(0)))
        && row.subList(1, row.size()).equals(names.subList(1, names.size()));
  }

  private static String unmarked(String name) {
    return JOINED.matcher(name).replaceFirst("");
  }

  /** The columns among those of words, tags and labels whose every cell is a list. */
  private Set<String> listColumns(List<Line> rows, List<String> names) {
    Set<String> lists = new LinkedHashSet<>();
    for (int i = 0; i < names.size(); i++) {
      int column = i;
      if (columns.isSkipped(i) || !columns.mayBeList(names.get(i))) {
        continue;
      }
      Iterator<String> cells =
          rows.stream().map(r -> r.cells().get(column)).filter(c -> !c.isBlank()).iterator();
      boolean isList = cells.hasNext();
      while (isList && cells.hasNext()) {
        isList = ListCell.parse(cells.next(), options.numbers()) != null;
      }
      if (isList) {
        lists.add(names.get(i));
      }
    }
    return lists;
  }

  private ExampleReader.Row row(Line line, List<String> names, Set<String> lists) {
    Map<String, Object> fields = new LinkedHashMap<>();
    Map<String, Object> values = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      if (!columns.isSkipped(i)) {
        String name = names.get(i);
        String cell = line.cells().get(i);
        fields.put(name, cell);
        boolean isList = lists.contains(name) && !cell.isBlank();
        values.put(name, isList ? ListCell.parse(cell, options.numbers()) : cell);
      }
    }
    return new ExampleReader.Row(line.number(), values, fields);
  }

  /** What the cells of a table cannot hold. */
  private void checkCells(List<String> names) {
    Map<ColumnRole, String> roles = columns.resolve(names);
  }

  private void checkNoHeader(List<String> first) {
    if (columns.repeatsHeader(first)) {
      throw new InputException(
          file
              + ", row "
              + headerRow
              + " is a header ("
              + Excerpt.quoted(first)
              + "), but "
              + Term.COLUMNS
              + " by position says the file has none. Leave "
              + Term.COLUMNS
              + " out, or name the columns: "
              + columns.named(first));
    }
  }

  /**
   * A header without the # that begins its line, as R, NumPy and genomics write headers; with it
   * where a name is asked for as it stands, or none that says something is behind it.
   */
  private List<String> unmarked(List<String> header) {
    String marked = header.get(0);
    if (!marked.startsWith("#") || columns.asksFor(marked)) {
      return header;
    }
    String name = unmarked(marked);
    if (header.contains(name) || !columns.asksFor(name) && !mayBeRead(name)) {
      return header;
    }
    List<String> names = new ArrayList<>(header);
    names.set(0, name);
    return List.copyOf(names);
  }

  /** Whether a name may give its column a role. */
  private static boolean mayBeRead(String name) {
    return ColumnRole.of(UsualNames.normalised(name)) != null
        || UsualNames.hasAnyRole(name)
        || MultipleChoice.isName(name);
  }

  private void checkNames(List<String> header, List<String> names) {
    Set<String> distinct = new LinkedHashSet<>();
    for (String name : header) {
      if (!distinct.add(name) && (mayBeRead(name) || columns.asksFor(name))) {
        throw new InputException(
            file
                + ", row "
                + headerRow
                + ": the column \""
                + name
                + "\" is there twice. Give one of the two another name");
      }
    }
    List<String> absent = columns.absent(names);
    if (!absent.isEmpty()) {
      throw new InputException(
          file
              + " has no column "
              + Excerpt.quoted(absent)
              + ", which "
              + Term.COLUMNS
              + " asks for. Its columns: "
              + Excerpt.quoted(names));
    }
  }

  private void checkHeader(List<String> header, List<Line> lines) {
    List<ColumnValues> positions = header.stream().map(name -> new ColumnValues()).toList();
    for (Line line : lines) {
      for (int i = 0; i < Math.min(header.size(), line.cells().size()); i++) {
        positions.get(i).add(line.cells().get(i));
      }
    }
    Map<String, ColumnValues> values = new LinkedHashMap<>();
    for (int i = 0; i < header.size(); i++) {
      values.putIfAbsent(header.get(i), positions.get(i));
    }
    Columns guessed;
    try {
      guessed = ColumnGuess.guess(columns, values);
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
    if (guessed.isUsable(header)) {
      return;
    }
    if (columns.arePairs()) {
      throw new InputException(
          file
              + ", row "
              + headerRow
              + " names no pair of texts: "
              + Excerpt.quoted(header)
              + dialect.otherDelimiter(header)
              + "\n  Say which columns are one: "
              + Term.COLUMNS.of(Columns.PAIR_BY_NAME)
              + "; where row "
              + headerRow
              + " is data, say what its columns are: "
              + Term.COLUMNS.of(
                  header.size() < 3
                      ? "anchor,positive"
                      : "anchor,positive,negative" + (header.size() > 3 ? ",..." : "")));
    }
    if (columns.arePreferences()) {
      throw new InputException(
          file
              + ", row "
              + headerRow
              + " does not name a prompt with two answers: "
              + Excerpt.quoted(header)
              + dialect.otherDelimiter(header)
              + "\n  Say which columns they are: "
              + Term.COLUMNS.of(Columns.PREFERENCE_BY_NAME));
    }
    throw new InputException(
        file
            + ", row "
            + headerRow
            + " names no text column: "
            + Excerpt.quoted(header)
            + dialect.otherDelimiter(header)
            + (looksLikeData(header, values)
                ? "\n  Row "
                    + headerRow
                    + " looks like data. Say what the columns are: "
                    + byPosition(header, positions)
                : "\n  Row "
                    + headerRow
                    + " looks like a header. Say which columns to use: "
                    + ContentGuess.byContent(values)
                    + ContentGuess.asPrompt(values)
                    + "; or where it is data, what its columns are: "
                    + byPosition(header, positions))
            + "\n  Recognised without saying: "
            + Columns.documentation());
  }

  private static String byPosition(List<String> header, List<ColumnValues> positions) {
    return Term.COLUMNS.of(String.join(",", ContentGuess.rolesByContent(header, positions)));
  }

  /** Names of columns are short, no numbers, and do not come again below. */
  private static boolean looksLikeData(List<String> header, Map<String, ColumnValues> values) {
    return header.stream()
        .anyMatch(
            name ->
                Decimal.parse(name) != null
                    || name.strip().split("\\s+").length > NAME_WORDS
                    || !name.isBlank() && values.get(name).has(name));
  }
}
