package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
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
import java.util.stream.Stream;

/**
 * Rows of named values, of any format, to examples: the one place where columns get their meaning.
 */
final class ExampleReader {
  /** Names of columns that nothing is read from, in the report. */
  private static final int UNUSED_SHOWN = 4;

  /** What the assistant of a conversation may call: read with it. */
  private static final String TOOLS = "tools";

  private final Path file;
  private final Columns given;
  private final ReadOptions options;
  private final boolean isTable;
  private final BadRows bad;
  private final Cells cells;
  private final Turns turns;
  private final Preferences preferences;
  private final Anchors anchors;
  private final ClassesBeside classes;
  private final GapTexts gaps = new GapTexts();
  private final CommaTags commaTags = new CommaTags();
  private final Map<Set<String>, Columns> shapes = new LinkedHashMap<>();
  private final Map<ColumnRole, String> seen = new LinkedHashMap<>();
  private final Map<ColumnRole, String> guesses = new LinkedHashMap<>();
  private String described = "";
  private String advice = "";
  private final Set<String> unused = new LinkedHashSet<>();
  private final Set<Finding> noted = new LinkedHashSet<>(); // of columns
  private boolean hasTools;
  private int repeatedPrompts; // rows
  private boolean areTurns; // prompts and completions of the file, or some of them

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
   * @param named the names that numbers have got already, by column
   */
  ExampleReader(
      Path file,
      ReadOptions options,
      boolean isTable,
      BadRows bad,
      Map<String, List<String>> named) {
    this.file = file;
    this.isTable = isTable;
    this.given = options.columns();
    this.options = options;
    this.bad = bad;
    cells = new Cells(file, options.numbers());
    turns = new Turns(cells);
    anchors = new Anchors(cells);
    classes = new ClassesBeside(file, options, named);
    preferences = new Preferences(cells, turns, options.asTurns());
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
    values.values().forEach(turns::learn);
    values.forEach((names, shape) -> shapes.put(names, guessed(shape)));
    lookAhead(rows);
    RowSpace.Rows<Example> examples = options.space().examples();
    for (Row row : rows) {
      InterruptedCallException.check("reading " + file);
      Set<String> names = row.values().keySet();
      Columns columns = shapes.get(names);
      try {
        checkUsable(row, columns);
        examples(row, columns).forEach(examples::add);
      } catch (InputException e) {
        bad.add(row.number(), e);
      }
    }
    return bad.noted(dataset(examples.list(), findings()));
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
        checkUsable(row, columns);
        examples.addAll(examples(row, columns));
      } catch (InputException e) {
        bad.add(row.number(), e);
      }
    }
    return dataset(examples, List.of());
  }

  private Dataset dataset(List<Example> examples, List<Finding> findings) {
    return new Dataset(
        file,
        examples,
        new FileReading(
            described(), seen, given.positions(), advice, findings, false, classes.names()));
  }

  /** What a description further up names is known once all rows are. */
  private void lookAhead(List<Row> rows) {
    if (!classes.looksAhead()) {
      return;
    }
    for (Row row : rows) {
      Set<String> names = row.values().keySet();
      Columns columns = shapes.get(names);
      Map<ColumnRole, String> roles = columns.isUsable(names) ? columns.resolve(names) : Map.of();
      classes.look(row.number(), roles, row.values());
    }
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

  private void checkUsable(Row given, Columns columns) {
    int row = given.number();
    Set<String> names = given.values().keySet();
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
              + Term.COLUMNS.of(columns.byName())
              + within(given.values()));
    }
  }

  /** How the fields of an object become columns. */
  private String within(Map<String, Object> values) {
    for (Map.Entry<String, Object> value : values.entrySet()) {
      if (value.getValue() instanceof Map<?, ?> object && !object.isEmpty()) {
        String own = Excerpt.quoted(object.keySet().stream().map(String::valueOf).toList());
        String name = '"' + value.getKey() + '"';
        return ". "
            + name
            + " is an object with "
            + own
            + ", which are columns once they stand in the row itself: "
            + flattened(name);
      }
    }
    return "";
  }

  /** The command that does so: in a file of JSON rows may stand in lists, and lists in objects. */
  private String flattened(String name) {
    Format format = Format.ofExtension(DataFile.uncompressed(file));
    if (format != null && !Format.mayBeText(format)) {
      return "in pandas, pd.json_normalize(frame[" + name + "].tolist()) makes a table of them";
    }
    boolean isLines = format != Format.JSON;
    return "jq -c '"
        + (isLines ? "" : ".. | objects | select(has(" + name + ")) | ")
        + ". + ."
        + name
        + "' "
        + file.getFileName()
        + " > rows.jsonl";
  }

  /** What the report says of columns. */
  private void note(Columns columns, Map<String, ColumnValues> values) {
    Map<ColumnRole, String> roles = columns.resolve(values.keySet());
    if (seen.isEmpty()) {
      advice = ColumnAdvice.of(columns, values);
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
    areTurns |= columns.areTurns(roles);
    seen.putAll(roles);
    unused.addAll(columns.unused(values.keySet()));
    noted.addAll(PassedOver.findings(columns, roles, values));
    Finding verdicts = AnnotatedRows.verdicts(file, columns, values);
    if (verdicts != null) {
      noted.add(verdicts);
    }
    Finding flags = columns.arePairs() ? UnlikePairs.passedOver(columns, roles, values) : null;
    if (flags != null) {
      noted.add(flags);
    }
    if (isConversation(columns, roles, values)) {
      unused.remove(TOOLS);
      hasTools |= values.containsKey(TOOLS);
    }
    described = columns.withGuessed(guesses).describe(seen); // also what other rows' names tell
  }

  /** Rows of one kind have the role in one column by a guess, rows of another kind in another. */
  private InputException undecided(ColumnRole role, String one, String other) {
    return new InputException(
        file
            + ": the columns "
            + Excerpt.quoted(List.of(one, other))
            + ", of different rows, may each be the "
            + role.names().get(0)
            + ". Say which: "
            + ColumnsOption.of(Map.of(role, one))
            + " or "
            + ColumnsOption.of(Map.of(role, other)));
  }

  private String described() {
    return described + (hasTools ? ", " + TOOLS : "") + elsewhere() + form() + notUsed();
  }

  /** Guesses for rows beside others that have the role under its name. */
  private String elsewhere() {
    Map<ColumnRole, String> others = new LinkedHashMap<>(guesses);
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
    if (!areTurns) {
      return "";
    }
    return (options.asTurns()
        ? ": as turns of the model's chat template"
        : seen.containsKey(ColumnRole.INSTRUCTION)
            ? ": as Alpaca's prompts"
            : ": as prompts that end in a line break");
  }

  /** Whether rows are conversations, to which tools belong. */
  private boolean isConversation(
      Columns columns, Map<ColumnRole, String> roles, Map<String, ColumnValues> values) {
    return roles.containsKey(ColumnRole.MESSAGES)
        || columns.areTurns(roles) && options.asTurns()
        || Stream.of(ColumnRole.PROMPT, ColumnRole.CHOSEN)
            .map(roles::get)
            .anyMatch(column -> column != null && values.get(column).areLists());
  }

  /** What the report says of how rows were read. */
  private List<Finding> findings() {
    List<Finding> findings = new ArrayList<>(noted);
    findings.addAll(classes.findings());
    findings.addAll(gaps.findings());
    findings.addAll(turns.findings());
    findings.addAll(anchors.findings());
    findings.addAll(preferences.findings());
    findings.addAll(commaTags.findings());
    if (repeatedPrompts > 0) {
      findings.add(
          Finding.ofFile(
              Finding.Severity.NOTE,
              "repeated_prompt",
              Count.many(repeatedPrompts, "row has", "rows have")
                  + " a prompt that is a turn of the messages, which alone are read"));
    }
    return findings;
  }

  /** What a row says: an example; of an anchor that is like several texts, one for each. */
  private List<Example> examples(Row given, Columns columns) {
    int row = given.number();
    Map<ColumnRole, String> roles = columns.resolve(given.values().keySet());
    gaps.look(given.values(), roles);
    Map<String, Object> values = chosen(turns.parsed(given.values(), roles), roles);
    return roles.containsKey(ColumnRole.ANCHOR)
        ? anchors.read(row, values, roles, given.fields())
        : List.of(example(row, values, roles, columns, given.fields()));
  }

  private static Map<String, Object> chosen(
      Map<String, Object> values, Map<ColumnRole, String> roles) {
    String label = roles.get(ColumnRole.LABEL);
    List<?> choices = label == null ? null : LabelLists.choices(values.get(label));
    if (choices == null) {
      return values;
    }
    Map<String, Object> out = new LinkedHashMap<>(values);
    out.put(label, choices);
    return out;
  }

  private Example example(
      int row,
      Map<String, Object> values,
      Map<ColumnRole, String> roles,
      Columns columns,
      Map<String, Object> fields) {
    if (roles.containsKey(ColumnRole.QUESTION)) {
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
          cells.text(row, values, roles.get(ColumnRole.QUESTION)),
          cells.text(row, values, roles.get(ColumnRole.CONTEXT)),
          answers,
          fields);
    }
    if (columns.arePreferences()) {
      return preferences.read(row, values, roles, fields);
    }
    boolean joined = !(values.get(roles.get(ColumnRole.PROMPT)) instanceof List<?>);
    boolean isTurns =
        joined
            && !roles.containsKey(ColumnRole.MESSAGES)
            && (columns.areTurns(roles) || areTurns && roles.containsKey(ColumnRole.PROMPT));
    Instruction instruction = isTurns ? Instruction.read(cells, row, values, roles) : null;
    if (isTurns && !options.asTurns()) {
      instruction.checkNoHistory(cells.at(row));
    }
    List<ChatMessage> messages =
        isTurns
            ? options.asTurns() ? instruction.turns() : null
            : turns.conversation(row, values, roles);
    if (joined
        && messages != null
        && !isTurns
        && !roles.containsKey(ColumnRole.COMPLETION)
        && Turns.repeats(messages, values.get(roles.get(ColumnRole.PROMPT)))) {
      repeatedPrompts++;
      joined = false;
    }
    String labels = roles.get(ColumnRole.LABEL);
    String tags = roles.get(ColumnRole.TAGS);
    boolean isList = values.get(labels) instanceof List<?>;
    Set<String> names = values.keySet();
    List<String> tokens = words(row, values, roles.get(ColumnRole.TOKENS), columns, false);
    return new Example(
        row,
        cells.text(row, values, roles.get(ColumnRole.TEXT)),
        cells.text(row, values, roles.get(ColumnRole.TEXT_PAIR)),
        isList ? null : classes.label(row, labels, cells.label(row, values, labels), names),
        isList
            ? classes.labels(row, labels, cells.strings(row, values, labels, true), names)
            : LabelColumns.read(file, row, columns.labelColumns(), values),
        tokens,
        classes.labels(
            row, tags, commaTags.parted(tokens, words(row, values, tags, columns, true)), names),
        isTurns
            ? options.asTurns() ? null : instruction.prompt()
            : joined ? cells.text(row, values, roles.get(ColumnRole.PROMPT)) : null,
        isTurns
            ? options.asTurns() ? null : instruction.completion()
            : joined ? cells.text(row, values, roles.get(ColumnRole.COMPLETION)) : null,
        messages,
        null,
        null,
        fields);
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
      int row, Map<String, Object> fields, Map<ColumnRole, String> roles) {
    try {
      Object lists = fields.get(roles.get(ColumnRole.ANSWERS));
      if (lists != null) {
        return AnswerFields.of(lists);
      }
      String column = roles.get(ColumnRole.ANSWER_TEXT);
      Object start = fields.get(roles.get(ColumnRole.ANSWER_START));
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
