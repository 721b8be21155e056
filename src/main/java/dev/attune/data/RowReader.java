package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Rows of fields, from CSV and TSV, to examples. */
final class RowReader {
  private final Path file;
  private final Columns columns;
  private final Dialect dialect;

  RowReader(Path file, Columns columns, Dialect dialect) {
    this.file = file;
    this.columns = columns;
    this.dialect = dialect;
  }

  Dataset read(TableRows records) {
    List<String> first = records.next();
    List<Example> examples = new ArrayList<>();
    if (first == null) {
      throw new InputException(file + " is empty");
    }
    List<String> names;
    List<String> row;
    if (columns.isPositional()) {
      names = columns.positions();
      row = first;
      if (columns.repeatsHeader(first)) {
        throw new InputException(
            file
                + ", row 1 is a header ("
                + Excerpt.quoted(first)
                + "), but "
                + Term.COLUMNS
                + " by position says the file has none. Leave "
                + Term.COLUMNS
                + " out, or name the columns: "
                + Term.COLUMNS.of(Columns.BY_NAME));
      }
    } else {
      names = first;
      checkHeader(first);
      row = records.next();
    }
    Map<Columns.Role, String> roles = columns.resolve(names);
    if (roles.keySet().equals(Set.of(Columns.Role.MESSAGES))) {
      throw new InputException(
          file
              + ": messages are lists of turns, which a field of this file cannot hold. Write one"
              + " {\"messages\": [...]} a line to a .jsonl file.");
    }
    int blankRow = 0;
    while (row != null) {
      boolean blank = row.size() == 1 && row.get(0).isEmpty();
      if (blank) {
        blankRow = blankRow == 0 ? records.row() : blankRow;
      } else {
        if (blankRow > 0) {
          throw new InputException(
              file + ", row " + blankRow + " is blank. Remove it; only the end may be blank.");
        }
        examples.add(example(records.row(), row, names, roles));
      }
      row = records.next();
    }
    return new Dataset(file, examples, columns.describe(roles));
  }

  private Example example(
      int rowNumber, List<String> row, List<String> names, Map<Columns.Role, String> roles) {
    if (row.size() != names.size() && !(columns.moreAllowed() && row.size() > names.size())) {
      throw new InputException(
          file
              + ", row "
              + rowNumber
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
    Map<String, Object> fields = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      if (!columns.isSkipped(i)) {
        fields.put(names.get(i), row.get(i));
      }
    }
    List<String> tokens = words(fields, roles.get(Columns.Role.TOKENS));
    if (roles.containsKey(Columns.Role.QUESTION)) {
      return Example.ofQuestion(
          rowNumber,
          string(fields, roles.get(Columns.Role.QUESTION)),
          string(fields, roles.get(Columns.Role.CONTEXT)),
          answers(rowNumber, fields, roles),
          fields);
    }
    return new Example(
        rowNumber,
        string(fields, roles.get(Columns.Role.TEXT)),
        string(fields, roles.get(Columns.Role.TEXT_PAIR)),
        string(fields, roles.get(Columns.Role.LABEL)),
        LabelColumns.read(file, rowNumber, columns.labelColumns(), fields),
        tokens,
        words(fields, roles.get(Columns.Role.TAGS)),
        string(fields, roles.get(Columns.Role.PROMPT)),
        string(fields, roles.get(Columns.Role.COMPLETION)),
        null,
        null,
        fields);
  }

  private List<GoldAnswer> answers(
      int row, Map<String, Object> fields, Map<Columns.Role, String> roles) {
    if (roles.containsKey(Columns.Role.ANSWERS)) {
      throw new InputException(
          file
              + ": answers are lists, which a field of this file cannot hold. Give the columns"
              + " answer_text and answer_start, or write a .jsonl file.");
    }
    String text = string(fields, roles.get(Columns.Role.ANSWER_TEXT));
    try {
      return text == null
          ? null
          : AnswerFields.of(text, string(fields, roles.get(Columns.Role.ANSWER_START)));
    } catch (InputException e) {
      throw new InputException(file + ", row " + row + ": " + e.getMessage(), e);
    }
  }

  private void checkHeader(List<String> header) {
    Set<String> distinct = new LinkedHashSet<>();
    for (String name : header) {
      if (!distinct.add(name) && !name.isEmpty()) {
        throw new InputException(file + ", row 1: the column \"" + name + "\" is there twice");
      }
    }
    List<String> absent = columns.absent(header);
    if (!absent.isEmpty()) {
      throw new InputException(
          file
              + " has no column "
              + Excerpt.quoted(absent)
              + ", which "
              + Term.COLUMNS
              + " asks for. Its columns: "
              + Excerpt.quoted(header));
    }
    if (columns.isUsable(header)) {
      return;
    }
    String guess =
        switch (header.size()) {
          case 1 -> "text";
          case 2 -> "text,label";
          case 3 -> "text,text_pair,label";
          default -> "text,label," + "_,".repeat(header.size() - 3) + "_";
        };
    throw new InputException(
        file
            + ", row 1 names no text column: "
            + Excerpt.quoted(header)
            + dialect.otherDelimiter(header)
            + "\n  If row 1 is already data, say what the columns are: "
            + Term.COLUMNS.of(guess)
            + "\n  If it is a header, say which columns to use: "
            + Term.COLUMNS.of(Columns.BY_NAME)
            + "\n  Recognised without saying: "
            + Columns.documentation());
  }

  private static String string(Map<String, Object> fields, String column) {
    return column == null ? null : (String) fields.get(column);
  }

  /** Words of a cell are parted by white space. */
  private static List<String> words(Map<String, Object> fields, String column) {
    String cell = string(fields, column);
    if (cell == null) {
      return null;
    }
    return cell.isBlank() ? List.of() : Arrays.asList(cell.strip().split("\\s+"));
  }
}
