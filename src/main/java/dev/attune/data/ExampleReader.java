package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.text.ChatMessage;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Rows of named values, of any format, to examples: the one place where columns get their meaning.
 */
final class ExampleReader {
  /** Names of columns that nothing is read from, in the report. */
  private static final int UNUSED_SHOWN = 4;

  private final Path file;
  private final Columns given;
  private final ReadOptions options;
  private final boolean isTable;
  private final BadRows bad;
  private final Cells cells;
  private final Preferences preferences;
  private final Map<Set<String>, Columns> shapes = new LinkedHashMap<>();
  private final Map<Columns.Role, String> seen = new LinkedHashMap<>();
  private final Map<Columns.Role, String> guesses = new LinkedHashMap<>();
  private String described = "";
  private String advice = "";
  private final Set<String> unused = new LinkedHashSet<>();
  private boolean turns;

  /**
   * One row.
   *
   * @param number line of the file where it begins
   * @param values of its columns, as they mean something
   * @param fields the same as the file has them
   */
  record Row(int number, Map<String, Object> values, Map<String, Object> fields) {
    /** Of rows whose values are those of the file. */
    static final RowCodec<Row> CODEC =
        new RowCodec<>() {
          @Override
          public void write(Row row, RowBytes out) {
            out.put(row.number);
            out.putMap(row.fields);
          }

          @Override
          public Row read(ByteBuffer in) {
            int number = RowBytes.number(in);
            Map<String, Object> fields = RowBytes.map(in);
            return new Row(number, fields, fields);
          }
        };
  }

  /**
   * @param isTable whether cells are texts, so that words stand in one, parted by white space
   * @param bad what becomes of rows that cannot be read
   */
  ExampleReader(Path file, ReadOptions options, boolean isTable, BadRows bad) {
    this.file = file;
    this.isTable = isTable;
    this.given = options.columns();
    this.options = options;
    this.bad = bad;
    cells = new Cells(file, options.numbers());
    preferences = new Preferences(cells, options.asTurns());
  }

  /** The examples of rows; columns are guessed by all rows that have the same ones. */
  Dataset read(List<Row> rows) {
    Map<Set<String>, Map<String, ColumnValues>> values = new LinkedHashMap<>();
    for (Row row : rows) {
      InterruptedCallException.check("reading " + file);
      Map<String, ColumnValues> shape =
          values.computeIfAbsent(
              row.values().keySet(),
              names -> {
                Map<String, ColumnValues> empty = new LinkedHashMap<>();
                names.forEach(name -> empty.put(name, new ColumnValues()));
                return empty;
              });
      row.values().forEach((name, value) -> shape.get(name).add(value));
    }
    RowSpace.Rows<Example> examples = options.space().examples();
    for (Row row : rows) {
      InterruptedCallException.check("reading " + file);
      Set<String> names = row.values().keySet();
      Columns columns = shapes.get(names);
      if (columns == null) {
        columns = guessed(values.get(names));
        shapes.put(names, columns);
      }
      try {
        checkUsable(row.number(), columns, names);
        examples.add(example(row, columns));
      } catch (InputException e) {
        bad.add(row.number(), e);
      }
    }
    return bad.noted(dataset(examples.list()));
  }

  /**
   * The examples of rows that come later: their columns mean what they meant in those that were
   * read first, whatever stands in them.
   */
  Dataset more(List<Row> rows) {
    Columns others = given.isPositional() ? given : given.withGuessed(guesses);
    List<Example> examples = new ArrayList<>();
    for (Row row : rows) {
      Set<String> names = row.values().keySet();
      Columns columns = shapes.getOrDefault(names, others);
      try {
        checkUsable(row.number(), columns, names);
        examples.add(example(row, columns));
      } catch (InputException e) {
        bad.add(row.number(), e);
      }
    }
    return dataset(examples);
  }

  private Dataset dataset(List<Example> examples) {
    return new Dataset(
        file, examples, new FileReading(described(), seen, given.positions(), advice, List.of()));
  }

  private Columns guessed(Map<String, ColumnValues> values) {
    Columns columns = given;
    try {
      columns = given.isPositional() ? given : ColumnGuess.guess(given, values);
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
    if (columns.isUsable(values.keySet())) {
      note(columns, values);
    }
    return columns;
  }

  private void checkUsable(int row, Columns columns, Set<String> names) {
    if (!columns.isUsable(names)) {
      throw new InputException(
          cells.at(row)
              + (columns.arePreferences()
                  ? " has no answer with a worse one"
                  : columns.arePairs() ? " has no pair of texts" : " has no text")
              + ": its fields are "
              + Excerpt.quoted(List.copyOf(names))
              + ". Recognised: "
              + Columns.documentation()
              + ". Name another with "
              + Term.COLUMNS.of(columns.byName()));
    }
  }

  /** What the report says of columns. */
  private void note(Columns columns, Map<String, ColumnValues> values) {
    Map<Columns.Role, String> roles = columns.resolve(values.keySet());
    if (seen.isEmpty()) {
      advice = ColumnGuess.advice(columns, values);
    }
    roles.forEach(
        (role, column) -> {
          if (columns.isGuess(role, column)) {
            String other = guesses.putIfAbsent(role, column);
            if (other != null && !other.equals(column)) {
              throw undecided(role, other, column);
            }
          }
        });
    turns |= columns.areTurns(roles);
    seen.putAll(roles);
    unused.addAll(columns.unused(values.keySet()));
    described = columns.withGuessed(guesses).describe(seen); // also what other rows' names tell
  }

  /** Rows of one kind have the role in one column by a guess, rows of another kind in another. */
  private InputException undecided(Columns.Role role, String one, String other) {
    return new InputException(
        file
            + ": the columns "
            + Excerpt.quoted(List.of(one, other))
            + ", of different rows, may each be the "
            + role.names().get(0)
            + ". Say which: "
            + Columns.option(Map.of(role, one))
            + " or "
            + Columns.option(Map.of(role, other)));
  }

  private String described() {
    return described + elsewhere() + form() + notUsed();
  }

  /** Guesses for rows beside others that have the role under its name. */
  private String elsewhere() {
    Map<Columns.Role, String> others = new LinkedHashMap<>(guesses);
    others.entrySet().removeIf(guess -> guess.getValue().equals(seen.get(guess.getKey())));
    return others.isEmpty() ? "" : ", in some rows " + given.withGuessed(guesses).describe(others);
  }

  private String notUsed() {
    List<String> names = unused.stream().filter(name -> !name.isBlank()).toList();
    int more = names.size() - UNUSED_SHOWN;
    return names.isEmpty()
        ? ""
        : "; not used: "
            + String.join(", ", names.subList(0, Math.min(UNUSED_SHOWN, names.size())))
            + (more > 0 ? " and " + more + " more" : "");
  }

  private String form() {
    if (!turns) {
      return "";
    }
    return (options.asTurns()
        ? ": as turns of the model's chat template"
        : seen.containsKey(Columns.Role.INSTRUCTION)
            ? ": as Alpaca's prompts"
            : ": as prompts that end in a line break");
  }

  private Example example(Row given, Columns columns) {
    int row = given.number();
    Map<String, Object> values = given.values();
    Map<Columns.Role, String> roles = columns.resolve(values.keySet());
    if (roles.containsKey(Columns.Role.QUESTION)) {
      List<GoldAnswer> answers = answers(row, values, roles);
      Check.input(
          answers == null
              || answers.isEmpty()
              || !"true".equalsIgnoreCase(String.valueOf(values.get("is_impossible"))),
          "%s: the question is said to have no answer (is_impossible), and has answers; take one of"
              + " the two away",
          cells.at(row));
      return Example.ofQuestion(
          row,
          cells.text(row, values, roles.get(Columns.Role.QUESTION)),
          cells.text(row, values, roles.get(Columns.Role.CONTEXT)),
          answers,
          given.fields());
    }
    if (roles.containsKey(Columns.Role.ANCHOR)) {
      return Example.ofAnchor(
          row,
          cells.text(row, values, roles.get(Columns.Role.ANCHOR)),
          cells.text(row, values, roles.get(Columns.Role.POSITIVE)),
          negatives(row, values, Columns.negatives(roles, values.keySet())),
          given.fields());
    }
    if (columns.arePreferences()) {
      return preferences.read(row, values, roles, given.fields());
    }
    boolean isTurns = columns.areTurns(roles);
    Instruction instruction = isTurns ? Instruction.read(cells, row, values, roles) : null;
    List<ChatMessage> messages =
        isTurns ? options.asTurns() ? instruction.turns() : null : conversation(row, values, roles);
    boolean joined = !(values.get(roles.get(Columns.Role.PROMPT)) instanceof List<?>);
    Object label = values.get(roles.get(Columns.Role.LABEL));
    boolean isList = label instanceof List<?>;
    return new Example(
        row,
        cells.text(row, values, roles.get(Columns.Role.TEXT)),
        cells.text(row, values, roles.get(Columns.Role.TEXT_PAIR)),
        isList ? null : cells.label(row, values, roles.get(Columns.Role.LABEL)),
        isList
            ? cells.strings(row, values, roles.get(Columns.Role.LABEL), true)
            : LabelColumns.read(file, row, columns.labelColumns(), values),
        words(row, values, roles.get(Columns.Role.TOKENS), columns, false),
        words(row, values, roles.get(Columns.Role.TAGS), columns, true),
        isTurns
            ? options.asTurns() ? null : instruction.prompt()
            : joined ? cells.text(row, values, roles.get(Columns.Role.PROMPT)) : null,
        isTurns
            ? options.asTurns() ? null : instruction.completion()
            : joined ? cells.text(row, values, roles.get(Columns.Role.COMPLETION)) : null,
        messages,
        null,
        null,
        given.fields());
  }

  /** One text a column, or the list of a column. */
  private List<String> negatives(int row, Map<String, Object> values, List<String> columns) {
    List<String> negatives = new ArrayList<>();
    for (String column : columns) {
      Object value = values.get(column);
      if (value instanceof List<?>) {
        negatives.addAll(cells.strings(row, values, column, false));
      } else {
        String text = cells.text(row, values, column);
        negatives.add(text == null ? "" : text);
      }
    }
    return negatives;
  }

  /** The turns of messages, or of a prompt and a completion that are lists of turns; or null. */
  private List<ChatMessage> conversation(
      int row, Map<String, Object> values, Map<Columns.Role, String> roles) {
    String promptColumn = roles.get(Columns.Role.PROMPT);
    List<ChatMessage> turns = cells.messages(row, values, roles.get(Columns.Role.MESSAGES));
    if (turns == null && promptColumn != null && values.get(promptColumn) instanceof List<?>) {
      turns = new ArrayList<>(cells.messages(row, values, promptColumn));
      Check.input(
          turns.stream().noneMatch(ChatMessage::isAssistant),
          "%s: the prompt holds turns of the assistant, which would be learned too. Write all turns"
              + " into messages where they are to be learned",
          cells.at(row));
      List<ChatMessage> answer = cells.messages(row, values, roles.get(Columns.Role.COMPLETION));
      if (answer != null) {
        turns.addAll(answer);
      }
    }
    return turns == null ? null : cells.withSystem(row, values, roles, turns);
  }

  /** Words; those of a text in a table, or where the option names it as words. */
  private List<String> words(
      int row, Map<String, Object> values, String column, Columns columns, boolean numbersToo) {
    boolean isText = column != null && values.get(column) instanceof String;
    if (isText && (isTable || columns.asksFor(column))) {
      return Example.words((String) values.get(column));
    }
    return cells.strings(row, values, column, numbersToo);
  }

  private List<GoldAnswer> answers(
      int row, Map<String, Object> fields, Map<Columns.Role, String> roles) {
    try {
      Object lists = fields.get(roles.get(Columns.Role.ANSWERS));
      if (lists != null) {
        return AnswerFields.of(lists);
      }
      String column = roles.get(Columns.Role.ANSWER_TEXT);
      Object start = fields.get(roles.get(Columns.Role.ANSWER_START));
      return column == null
          ? null
          : AnswerFields.of(
              cells.text(row, fields, column), start == null ? null : String.valueOf(start));
    } catch (InputException e) {
      throw e.getMessage().startsWith(cells.at(row))
          ? e
          : new InputException(cells.at(row) + ": " + e.getMessage(), e);
    }
  }
}
