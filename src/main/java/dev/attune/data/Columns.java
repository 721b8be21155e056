package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which column plays which role. Columns are recognised by these names, in lower case:
 *
 * <ul>
 *   <li>text: {@code text, sentence, sentence1, premise}
 *   <li>text_pair: {@code text_pair, sentence2, hypothesis}
 *   <li>label: {@code label, labels}
 *   <li>tokens: {@code tokens, words}
 *   <li>tags: {@code tags, ner_tags}
 *   <li>prompt, completion, messages: those names
 *   <li>instruction, with input and system where they are: those names, and no other text
 *   <li>question, context, answers, answer_text, answer_start: those names, where there is both a
 *       question and a context, and no other text
 *   <li>anchor, positive, negative ({@code negatives}, {@code negative_1, negative_2, …}): those
 *       names, where pairs are wanted ({@link #forPairs}) and there is both an anchor and a
 *       positive
 *   <li>prompt, chosen ({@code preferred_output}), rejected ({@code non_preferred_output}): those
 *       names, where answers that are compared are wanted ({@link #forPreferences}); an instruction
 *       with its input is a prompt there, and so is OpenAI's {@code input} alone
 * </ul>
 *
 * A role that no column has by these names may be guessed ({@link ColumnGuess}); the data report
 * then says so. Other names are given with {@code --columns text=NAME,label=NAME}; several columns
 * of 0 and 1, each named as a label, with {@code --columns text=NAME,labels=NAME;NAME;NAME}. A file
 * without header gets the columns in their order, {@code --columns text,label}; there {@code _}
 * skips a column and a last {@code ...} allows any further ones. A name that holds a comma, a
 * semicolon or a quote stands in double quotes.
 */
public final class Columns {
  /** What a column can mean. */
  public enum Role {
    TEXT("text", "sentence", "sentence1", "premise"),
    TEXT_PAIR("text_pair", "sentence2", "hypothesis"),
    LABEL("label", "labels"),
    TOKENS("tokens", "words"),
    TAGS("tags", "ner_tags"),
    PROMPT("prompt"),
    COMPLETION("completion"),
    MESSAGES("messages"),
    INSTRUCTION("instruction"),
    INPUT("input"),
    SYSTEM("system"),
    QUESTION("question"),
    CONTEXT("context"),
    ANSWERS("answers"),
    ANSWER_TEXT("answer_text"),
    ANSWER_START("answer_start"),
    ANCHOR("anchor"),
    POSITIVE("positive"),
    NEGATIVE("negative", "negatives", "negative_1"),
    CHOSEN("chosen", "preferred_output"),
    REJECTED("rejected", "non_preferred_output");

    private static final Set<Role> OF_QUESTIONS =
        Set.of(QUESTION, CONTEXT, ANSWERS, ANSWER_TEXT, ANSWER_START);
    private static final Set<Role> OF_ANCHORS = Set.of(ANCHOR, POSITIVE, NEGATIVE);
    private static final Set<Role> OF_PAIRS = Set.of(TEXT, TEXT_PAIR, LABEL);
    private static final Set<Role> COMPARED = Set.of(CHOSEN, REJECTED);
    private static final Set<Role> OF_PREFERENCES =
        Set.of(PROMPT, INSTRUCTION, INPUT, SYSTEM, CHOSEN, REJECTED);
    private static final Set<Role> OF_INSTRUCTIONS = Set.of(INSTRUCTION, INPUT);
    private static final Set<Role> OTHER_TEXTS = Set.of(TEXT, TOKENS, PROMPT, MESSAGES);

    /** Of which a row is read from one. */
    private static final Set<Role> SOURCES =
        Set.of(TEXT, TOKENS, PROMPT, MESSAGES, INSTRUCTION, QUESTION, ANCHOR);

    private final List<String> names;

    Role(String... names) {
      this.names = List.of(names);
    }

    /** The names by which the role is recognised; the first is its own. */
    public List<String> names() {
      return names;
    }

    static Role of(String name) {
      for (Role role : values()) {
        if (role.names.contains(name)) {
          return role;
        }
      }
      return null;
    }
  }

  private static final String SKIP = "_";
  private static final String MORE = "...";

  private static final char QUOTE = '"';

  /** How columns with names of their own are given. */
  static final String BY_NAME = "text=NAME,label=NAME";

  /** The same of anchors. */
  static final String PAIR_BY_NAME = "anchor=NAME,positive=NAME";

  /** The same of answers that are compared. */
  static final String PREFERENCE_BY_NAME = "prompt=NAME,chosen=NAME,rejected=NAME";

  /** What a row is to be. */
  private enum Form {
    /** What most tasks learn from. */
    ANY,
    /** The same, of which one text is read. */
    ONE_TEXT,
    /** Anchors with what they are like. */
    PAIR,
    /** A prompt with an answer and a worse one. */
    PREFERENCE
  }

  private static final String LABEL_COLUMNS = "labels";

  private final List<String> positions; // null where the file names its columns
  private final boolean moreAllowed;
  private final Map<Role, String> chosen;
  private final List<String> labelColumns; // each says 0 or 1; empty where there is one of labels
  private final Map<Role, String> guessed; // of roles that no column has by its name
  private final Form form;

  private Columns(
      List<String> positions,
      boolean moreAllowed,
      Map<Role, String> chosen,
      List<String> labelColumns,
      Map<Role, String> guessed,
      Form form) {
    this.form = form;
    this.positions = positions;
    this.moreAllowed = moreAllowed;
    this.chosen = chosen;
    this.labelColumns = labelColumns;
    this.guessed = guessed;
  }

  /** All that they say, as a text: of equal columns the same. */
  String described() {
    return positions
        + " "
        + moreAllowed
        + ' '
        + new TreeMap<>(chosen)
        + ' '
        + labelColumns
        + ' '
        + new TreeMap<>(guessed)
        + ' '
        + form;
  }

  /** The file names its columns and they are recognised. */
  static Columns automatic() {
    return new Columns(null, false, Map.of(), List.of(), Map.of(), Form.ANY);
  }

  /** Reads what was given as columns; null is {@link #automatic}. */
  public static Columns parse(String option) {
    if (option == null) {
      return automatic();
    }
    List<String> parts = split(option, ',');
    long named = parts.stream().filter(Columns::isNamed).count();
    Check.input(
        named == 0 || named == parts.size(),
        "%s mixes positions and names. Give positions (text,label) for a file without"
            + " header, or names (%s) for a file with one.",
        Term.COLUMNS.of(option),
        BY_NAME);
    Check.input(
        parts.stream().noneMatch(String::isEmpty),
        "%s has an empty name; %s skips a column",
        Term.COLUMNS.of(option),
        SKIP);
    return named > 0 ? named(option, parts) : positional(option, parts);
  }

  /** Parts between separators; one in a quoted name is no separator. */
  private static List<String> split(String option, char separator) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < option.length(); i++) {
      char c = option.charAt(i);
      boolean opens = part.isEmpty() || "=;".indexOf(part.charAt(part.length() - 1)) >= 0;
      if (c == QUOTE && (quoted || opens)) {
        quoted = !quoted || i + 1 < option.length() && option.charAt(i + 1) == QUOTE;
        if (quoted && !opens) {
          part.append(option.charAt(i++)); // a doubled quote is one of the name
        }
      }
      if (c == separator && !quoted) {
        parts.add(part.toString().strip());
        part.setLength(0);
      } else if (!part.isEmpty() || !Character.isWhitespace(c)) {
        part.append(c);
      }
    }
    Check.input(!quoted, "%s: a quote is not closed", Term.COLUMNS.of(option));
    parts.add(part.toString().strip());
    return parts;
  }

  private static boolean isNamed(String part) {
    return part.contains("=") && part.charAt(0) != QUOTE;
  }

  /** A name without the quotes around it. */
  private static String unquoted(String name) {
    String part = name.strip();
    boolean quoted =
        part.length() >= 2 && part.charAt(0) == QUOTE && part.charAt(part.length() - 1) == QUOTE;
    return quoted ? part.substring(1, part.length() - 1).replace("\"\"", "\"") : part;
  }

  /** A name as the option takes it. */
  static String quoted(String name) {
    boolean plain =
        name.equals(name.strip())
            && !name.isEmpty()
            && name.chars().noneMatch(c -> ",;=\"".indexOf(c) >= 0);
    return plain ? name : QUOTE + name.replace("\"", "\"\"") + QUOTE;
  }

  /** The option that names columns by their roles: {@code --columns text=body,label=stars}. */
  static String option(Map<Role, String> columns) {
    return Term.COLUMNS.of(
        columns.entrySet().stream()
            .map(e -> e.getKey().names().get(0) + "=" + quoted(e.getValue()))
            .collect(Collectors.joining(",")));
  }

  private static Columns named(String option, List<String> parts) {
    Map<Role, String> chosen = new EnumMap<>(Role.class);
    List<String> labelColumns = List.of();
    for (String part : parts) {
      String name = part.substring(0, part.indexOf('=')).strip();
      if (name.equals(LABEL_COLUMNS)) {
        labelColumns = labelColumns(option, part.substring(part.indexOf('=') + 1));
        continue;
      }
      Role role = Role.of(name);
      Check.input(
          role != null && role.names().get(0).equals(name),
          "%s: there is no role \"%s\". Roles: %s.",
          Term.COLUMNS.of(option),
          name,
          Arrays.stream(Role.values())
              .map(r -> r.names().get(0))
              .collect(Collectors.joining(", ")));
      String column = unquoted(part.substring(part.indexOf('=') + 1));
      String given = Term.COLUMNS.of(option);
      Check.input(!column.isEmpty(), "%s gives no column for %s", given, name);
      Check.input(chosen.put(role, column) == null, "%s gives %s twice", given, name);
    }
    return new Columns(null, false, chosen, labelColumns, Map.of(), Form.ANY);
  }

  private static List<String> labelColumns(String option, String value) {
    List<String> columns = split(value, ';').stream().map(Columns::unquoted).toList();
    Check.input(
        columns.stream().noneMatch(String::isEmpty) && Set.copyOf(columns).size() == columns.size(),
        "%s: labels=NAME;NAME names each column of 0 and 1 once",
        Term.COLUMNS.of(option));
    return columns;
  }

  private static Columns positional(String option, List<String> parts) {
    String given = Term.COLUMNS.of(option);
    boolean more = parts.get(parts.size() - 1).equals(MORE);
    List<String> names =
        parts.subList(0, more ? parts.size() - 1 : parts.size()).stream()
            .map(Columns::unquoted)
            .toList();
    Set<String> distinct = new LinkedHashSet<>();
    for (String name : names) {
      Check.input(name.equals(SKIP) || distinct.add(name), "%s gives %s twice", given, name);
      Check.input(!name.equals(MORE), "%s: %s can only stand at the end", given, MORE);
    }
    Columns columns =
        new Columns(List.copyOf(names), more, Map.of(), List.of(), Map.of(), Form.ANY);
    Check.input(
        columns.isUsable(names)
            || columns.forPairs().isUsable(names)
            || columns.forPreferences().isUsable(names),
        "%s names no text. Use some of text, text_pair, label, tokens, tags,"
            + " prompt, completion, anchor, positive, negative, chosen, rejected, in the order of the"
            + " file; %s skips a column.",
        given,
        SKIP);
    columns.resolve(names);
    return columns;
  }

  /** Whether the file has no header because the columns were given by position. */
  boolean isPositional() {
    return positions != null;
  }

  List<String> positions() {
    return positions;
  }

  boolean moreAllowed() {
    return moreAllowed;
  }

  boolean isSkipped(int column) {
    return positions != null && (column >= positions.size() || positions.get(column).equals(SKIP));
  }

  /** Whether positions were given and name exactly tokens and tags (others skipped). */
  boolean isWordAndTag() {
    return positions != null && resolve(positions).keySet().equals(Set.of(Role.TOKENS, Role.TAGS));
  }

  /** The column of each role among the given names. A role with two columns is an error. */
  public Map<Role, String> resolve(Collection<String> names) {
    Map<Role, String> found = new EnumMap<>(Role.class);
    for (Role role : Role.values()) {
      if (chosen.containsKey(role)) {
        if (names.contains(chosen.get(role))) {
          found.put(role, chosen.get(role));
        }
        continue;
      }
      if (Role.SOURCES.contains(role) && asksForSource() && !Role.OF_QUESTIONS.contains(role)) {
        continue; // the option says what is read
      }
      for (String name : names) {
        if (role.names().contains(name)
            && !chosen.containsValue(name)
            && !labelColumns.contains(name)) {
          String other = found.put(role, name);
          if (other != null) {
            throw new InputException(
                String.format(
                    "the columns \"%s\" and \"%s\" both mean %s. Say which: %s or %s",
                    other,
                    name,
                    role.names().get(0),
                    option(Map.of(role, other)),
                    option(Map.of(role, name))));
          }
        }
      }
    }
    guessed.forEach(
        (role, column) -> {
          if (names.contains(column)) {
            found.values().remove(column); // a guess says what a name that might mean more does
            found.putIfAbsent(role, column);
          }
        });
    if (form == Form.PREFERENCE) {
      found.keySet().retainAll(Role.OF_PREFERENCES);
      if (found.containsKey(Role.PROMPT)) {
        found.keySet().removeAll(Role.OF_INSTRUCTIONS);
      }
      return found;
    }
    found.keySet().removeAll(Role.COMPARED);
    if (form == Form.PAIR) {
      boolean anchored = found.containsKey(Role.ANCHOR) && found.containsKey(Role.POSITIVE);
      found.keySet().retainAll(anchored ? Role.OF_ANCHORS : Role.OF_PAIRS);
      return found;
    }
    found.keySet().removeAll(Role.OF_ANCHORS);
    boolean isOther = found.keySet().stream().anyMatch(Role.OTHER_TEXTS::contains);
    if (isOther || !(found.containsKey(Role.QUESTION) && found.containsKey(Role.CONTEXT))) {
      found.keySet().removeAll(Role.OF_QUESTIONS);
    }
    if (isOther || !found.containsKey(Role.INSTRUCTION)) {
      found.keySet().removeAll(Role.OF_INSTRUCTIONS);
    }
    if (!found.containsKey(Role.MESSAGES) && !areTurns(found)) {
      found.remove(Role.SYSTEM);
    }
    if (form == Form.ONE_TEXT && !hasSecondText(found)) {
      found.remove(Role.TEXT_PAIR);
    }
    return found;
  }

  /** Whether it is in question which of two texts is read, and no option says so. */
  private boolean hasSecondText(Map<Role, String> found) {
    return asksFor(Role.TEXT_PAIR) || found.containsKey(Role.TEXT) && !asksForSource();
  }

  /**
   * Whether prompt and completion are one turn each, rather than one text that is joined as it is:
   * instructions, what is prompt and completion under other names, and answers that are compared
   * after a turn of the system.
   */
  boolean areTurns(Map<Role, String> found) {
    return found.containsKey(Role.INSTRUCTION)
        || form == Form.PREFERENCE && found.containsKey(Role.SYSTEM)
        || Stream.of(Role.PROMPT, Role.COMPLETION)
            .anyMatch(role -> guessed.containsKey(role) && found.containsKey(role));
  }

  /** Whether a column has a role by a guess. */
  boolean isGuess(Role role, String column) {
    return column.equals(guessed.get(role));
  }

  /** The same with columns for roles that none has by its name. */
  Columns withGuessed(Map<Role, String> columns) {
    return new Columns(positions, moreAllowed, chosen, labelColumns, columns, form);
  }

  /** The same for rows of which one text is read: others beside it are not. */
  public Columns forOneText() {
    return new Columns(positions, moreAllowed, chosen, labelColumns, guessed, Form.ONE_TEXT);
  }

  /** The same for rows that are pairs or triplets of texts. */
  public Columns forPairs() {
    return new Columns(positions, moreAllowed, chosen, labelColumns, guessed, Form.PAIR);
  }

  /** The same for rows that are prompts with two answers, of which one is better. */
  public Columns forPreferences() {
    return new Columns(positions, moreAllowed, chosen, labelColumns, guessed, Form.PREFERENCE);
  }

  /** Whether rows are prompts with two answers. */
  boolean arePreferences() {
    return form == Form.PREFERENCE;
  }

  /** How a message names columns of such rows. */
  String byName() {
    return switch (form) {
      case ANY, ONE_TEXT -> "text=NAME";
      case PAIR -> PAIR_BY_NAME;
      case PREFERENCE -> PREFERENCE_BY_NAME;
    };
  }

  /** Whether rows are pairs or triplets of texts. */
  boolean arePairs() {
    return form == Form.PAIR;
  }

  /**
   * The columns of negatives, the first of which has the role: it, and those that go on counting
   * where its name ends in 1.
   */
  static List<String> negatives(Map<Role, String> found, Collection<String> names) {
    String first = found.get(Role.NEGATIVE);
    if (first == null || !first.endsWith("1")) {
      return first == null ? List.of() : List.of(first);
    }
    String stem = first.substring(0, first.length() - 1);
    List<String> columns = new ArrayList<>();
    for (int i = 1; names.contains(stem + i); i++) {
      columns.add(stem + i);
    }
    return columns;
  }

  /** Whether the option says which column has a role. */
  boolean asksFor(Role role) {
    return chosen.containsKey(role);
  }

  /** Whether the option says what rows are read from, so that nothing else is guessed. */
  boolean asksForSource() {
    return chosen.keySet().stream().anyMatch(Role.SOURCES::contains);
  }

  /** Whether the option names a column. */
  boolean asksFor(String column) {
    return chosen.containsValue(column) || labelColumns.contains(column);
  }

  /** Columns that each say with 0 or 1 whether a label holds; empty where none do. */
  List<String> labelColumns() {
    return labelColumns;
  }

  /** The columns asked for by name that are not among the given names. */
  List<String> absent(Collection<String> names) {
    return Stream.concat(chosen.values().stream(), labelColumns.stream())
        .filter(c -> !names.contains(c))
        .toList();
  }

  /**
   * Refuses columns that are asked for of a file that has none.
   *
   * @param form what it is instead, to follow its name
   */
  void checkNone(Path file, String form) {
    Check.input(absent(List.of()).isEmpty(), "%s %s; leave %s out", file, form, Term.COLUMNS);
  }

  /** Whether the names give an example something to read. */
  boolean isUsable(Collection<String> names) {
    Map<Role, String> found = resolve(names);
    if (form == Form.PREFERENCE) {
      return found.keySet().containsAll(Role.COMPARED);
    }
    return Role.SOURCES.stream().anyMatch(found::containsKey);
  }

  /** Whether a first row repeats the columns given by position: then it is a header. */
  boolean repeatsHeader(List<String> row) {
    boolean any = false;
    for (int i = 0; i < Math.min(row.size(), positions.size()); i++) {
      String name = positions.get(i);
      Role role = Role.of(name);
      if (role != null) {
        String cell = row.get(i).strip().toLowerCase(Locale.ROOT);
        if (!cell.equals(name)
            && !role.names().contains(cell)
            && !UsualNames.has(role.names().get(0), row.get(i))) {
          return false;
        }
        any = true;
      }
    }
    return any;
  }

  /** The option that names the columns of a header by the roles that positions gave them. */
  String named(List<String> header) {
    Map<Role, String> names = new EnumMap<>(Role.class);
    for (int i = 0; i < Math.min(header.size(), positions.size()); i++) {
      Role role = Role.of(positions.get(i));
      if (role != null) {
        names.put(role, header.get(i));
      }
    }
    return option(names);
  }

  /** Whether cells of a column may hold lists: words, their tags, or labels. */
  boolean mayBeList(String column) {
    boolean asked =
        Stream.of(Role.TOKENS, Role.TAGS, Role.LABEL).anyMatch(r -> column.equals(chosen.get(r)));
    return asked
        || !asksFor(column)
            && Stream.of(Role.TOKENS, Role.TAGS, Role.LABEL)
                .anyMatch(
                    r -> r.names().contains(column) || UsualNames.has(r.names().get(0), column));
  }

  /** The columns among the names that nothing is read from. */
  List<String> unused(Collection<String> names) {
    Map<Role, String> found = resolve(names);
    Set<String> used = new LinkedHashSet<>(found.values());
    used.addAll(negatives(found, names));
    return names.stream()
        .filter(name -> !used.contains(name) && !labelColumns.contains(name))
        .toList();
  }

  /** What was recognised, for the report: {@code text <- sentence, label}. */
  String describe(Map<Role, String> found) {
    List<String> parts = new ArrayList<>();
    found.forEach(
        (role, column) -> {
          String own = role.names().get(0);
          String mark = isGuess(role, column) ? " (guessed by its name)" : "";
          parts.add((own.equals(column) ? own : own + " <- " + column) + mark);
        });
    if (!labelColumns.isEmpty()) {
      parts.add(LABEL_COLUMNS + " <- " + String.join("; ", labelColumns));
    }
    return String.join(", ", parts);
  }

  /** The recognised names, for messages. */
  static String documentation() {
    return Arrays.stream(Role.values())
        .map(
            r ->
                r.names().size() == 1
                    ? r.names().get(0)
                    : r.names().get(0)
                        + " (or "
                        + String.join(", ", r.names().subList(1, r.names().size()))
                        + ")")
        .collect(Collectors.joining("; "));
  }
}
