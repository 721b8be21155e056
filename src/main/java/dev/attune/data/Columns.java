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
 *   <li>instruction, with input, system and history where they are: those names, and no other text
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

  private final ColumnsOption given;
  private final Map<ColumnRole, String> guessed; // of roles that no column has by its name
  private final Form form;

  private Columns(ColumnsOption given, Map<ColumnRole, String> guessed, Form form) {
    this.given = given;
    this.guessed = guessed;
    this.form = form;
  }

  /** All that they say, as a text: of equal columns the same. */
  String described() {
    return given.described() + ' ' + new TreeMap<>(guessed) + ' ' + form;
  }

  /** The file names its columns and they are recognised. */
  static Columns automatic() {
    return parse(null);
  }

  /** Reads what was given as columns; null is {@link #automatic}. */
  public static Columns parse(String option) {
    ColumnsOption given = ColumnsOption.parse(option);
    Columns columns = new Columns(given, Map.of(), Form.ANY);
    if (columns.isPositional()) {
      List<String> names = columns.positions();
      Check.input(
          columns.isUsable(names)
              || columns.forPairs().isUsable(names)
              || columns.forPreferences().isUsable(names),
          "%s names no text. Use some of text, text_pair, label, tokens, tags,"
              + " prompt, completion, anchor, positive, negative, chosen, rejected, in the order of the"
              + " file; %s skips a column.",
          Term.COLUMNS.of(option),
          ColumnsOption.SKIP);
      columns.resolve(names);
    }
    return columns;
  }

  /** Whether the file has no header because the columns were given by position. */
  boolean isPositional() {
    return given.positions() != null;
  }

  List<String> positions() {
    return given.positions();
  }

  boolean moreAllowed() {
    return given.moreAllowed();
  }

  boolean isSkipped(int column) {
    return isPositional()
        && (column >= positions().size() || positions().get(column).equals(ColumnsOption.SKIP));
  }

  /** Whether positions were given and name exactly tokens and tags (others skipped). */
  boolean isWordAndTag() {
    return isPositional()
        && resolve(positions()).keySet().equals(Set.of(ColumnRole.TOKENS, ColumnRole.TAGS));
  }

  /** The column of each role among the given names. A role with two columns is an error. */
  public Map<ColumnRole, String> resolve(Collection<String> names) {
    Map<ColumnRole, String> found = new EnumMap<>(ColumnRole.class);
    for (ColumnRole role : ColumnRole.values()) {
      if (given.chosen().containsKey(role)) {
        if (names.contains(given.chosen().get(role))) {
          found.put(role, given.chosen().get(role));
        }
        continue;
      }
      boolean isSource =
          ColumnRole.SOURCES.contains(role) && !ColumnRole.OF_QUESTIONS.contains(role);
      if ((isSource || role == ColumnRole.HISTORY) && asksForSource()) {
        continue; // the option says what is read
      }
      for (String name : names) {
        if (role.names().contains(name)
            && !given.chosen().containsValue(name)
            && !given.labelColumns().contains(name)) {
          String other = found.put(role, name);
          if (other != null) {
            throw new InputException(
                String.format(
                    "the columns \"%s\" and \"%s\" both mean %s. Say which: %s or %s",
                    other,
                    name,
                    role.names().get(0),
                    ColumnsOption.of(Map.of(role, other)),
                    ColumnsOption.of(Map.of(role, name))));
          }
        }
      }
    }
    Map<ColumnRole, String> guesses = new EnumMap<>(ColumnRole.class);
    guessed.forEach(
        (role, column) -> {
          if (names.contains(column)) {
            guesses.put(role, column);
          }
        });
    found.values().removeAll(guesses.values()); // a guess says what a name that may mean more does
    guesses.forEach(found::putIfAbsent);
    if (form == Form.PREFERENCE) {
      found.keySet().retainAll(ColumnRole.OF_PREFERENCES);
      if (found.containsKey(ColumnRole.PROMPT)) {
        found.keySet().removeAll(ColumnRole.OF_INSTRUCTIONS);
      }
      if (!areTurns(found)) {
        found.remove(ColumnRole.HISTORY);
      }
      return found;
    }
    found.keySet().removeAll(ColumnRole.COMPARED);
    if (form == Form.PAIR) {
      boolean anchored =
          found.containsKey(ColumnRole.ANCHOR) && found.containsKey(ColumnRole.POSITIVE);
      found.keySet().retainAll(anchored ? ColumnRole.OF_ANCHORS : ColumnRole.OF_PAIRS);
      return found;
    }
    found.keySet().removeAll(ColumnRole.OF_ANCHORS);
    boolean isOther = found.keySet().stream().anyMatch(ColumnRole.OTHER_TEXTS::contains);
    if (isOther
        || !(found.containsKey(ColumnRole.QUESTION) && found.containsKey(ColumnRole.CONTEXT))) {
      found.keySet().removeAll(ColumnRole.OF_QUESTIONS);
    }
    if (isOther || !found.containsKey(ColumnRole.INSTRUCTION)) {
      found.keySet().removeAll(ColumnRole.OF_INSTRUCTIONS);
    }
    boolean areTurns = areTurns(found);
    if (!areTurns || found.containsKey(ColumnRole.LABEL)) {
      found.remove(ColumnRole.HISTORY);
    }
    if (!found.containsKey(ColumnRole.MESSAGES) && !areTurns) {
      found.remove(ColumnRole.SYSTEM);
    }
    if (form == Form.ONE_TEXT && !hasSecondText(found)) {
      found.remove(ColumnRole.TEXT_PAIR);
    }
    return found;
  }

  /** Whether it is in question which of two texts is read, and no option says so. */
  private boolean hasSecondText(Map<ColumnRole, String> found) {
    return asksFor(ColumnRole.TEXT_PAIR) || found.containsKey(ColumnRole.TEXT) && !asksForSource();
  }

  /**
   * Whether prompt and completion are one turn each, rather than one text that is joined as it is:
   * instructions, what is prompt and completion under other names, and what has a turn of the
   * system or earlier turns before it.
   */
  boolean areTurns(Map<ColumnRole, String> found) {
    return found.containsKey(ColumnRole.INSTRUCTION)
        || (form == Form.PREFERENCE || found.containsKey(ColumnRole.PROMPT))
            && !found.containsKey(ColumnRole.MESSAGES)
            && (found.containsKey(ColumnRole.SYSTEM) || found.containsKey(ColumnRole.HISTORY))
        || Stream.of(ColumnRole.PROMPT, ColumnRole.COMPLETION)
            .anyMatch(role -> guessed.containsKey(role) && found.containsKey(role));
  }

  /** Whether a column has a role by a guess. */
  boolean isGuess(ColumnRole role, String column) {
    return column.equals(guessed.get(role));
  }

  /** The same with columns for roles that none has by its name. */
  Columns withGuessed(Map<ColumnRole, String> columns) {
    return new Columns(given, columns, form);
  }

  /** The same for rows of which one text is read: others beside it are not. */
  public Columns forOneText() {
    return new Columns(given, guessed, Form.ONE_TEXT);
  }

  /** The same for rows that are pairs or triplets of texts. */
  public Columns forPairs() {
    return new Columns(given, guessed, Form.PAIR);
  }

  /** The same for rows that are prompts with two answers, of which one is better. */
  public Columns forPreferences() {
    return new Columns(given, guessed, Form.PREFERENCE);
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
  static List<String> negatives(Map<ColumnRole, String> found, Collection<String> names) {
    String first = found.get(ColumnRole.NEGATIVE);
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
  boolean asksFor(ColumnRole role) {
    return given.chosen().containsKey(role);
  }

  /** Whether the option says what rows are read from, so that nothing else is guessed. */
  boolean asksForSource() {
    return given.chosen().keySet().stream().anyMatch(ColumnRole.SOURCES::contains);
  }

  /** Whether the option names a column. */
  boolean asksFor(String column) {
    return given.chosen().containsValue(column) || given.labelColumns().contains(column);
  }

  /** Columns that each say with 0 or 1 whether a label holds; empty where none do. */
  List<String> labelColumns() {
    return given.labelColumns();
  }

  /** The columns asked for by name that are not among the given names. */
  List<String> absent(Collection<String> names) {
    return Stream.concat(given.chosen().values().stream(), given.labelColumns().stream())
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
    Map<ColumnRole, String> found = resolve(names);
    if (form == Form.PREFERENCE) {
      return found.keySet().containsAll(ColumnRole.COMPARED);
    }
    return ColumnRole.SOURCES.stream().anyMatch(found::containsKey);
  }

  /** Whether a first row repeats the columns given by position: then it is a header. */
  boolean repeatsHeader(List<String> row) {
    boolean any = false;
    for (int i = 0; i < Math.min(row.size(), positions().size()); i++) {
      String name = positions().get(i);
      ColumnRole role = ColumnRole.of(name);
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
    Map<ColumnRole, String> names = new EnumMap<>(ColumnRole.class);
    for (int i = 0; i < Math.min(header.size(), positions().size()); i++) {
      ColumnRole role = ColumnRole.of(positions().get(i));
      if (role != null) {
        names.put(role, header.get(i));
      }
    }
    return ColumnsOption.of(names);
  }

  /** Whether cells of a column may hold lists: words, their tags, or labels; of pairs, texts. */
  boolean mayBeList(String column) {
    Set<ColumnRole> lists = arePairs() ? ColumnRole.LISTS_OF_PAIRS : ColumnRole.LISTS;
    return lists.stream().anyMatch(role -> column.equals(given.chosen().get(role)))
        || !asksFor(column)
            && lists.stream()
                .anyMatch(
                    role ->
                        role.names().contains(column)
                            || UsualNames.has(role.names().get(0), column));
  }

  /** The columns among the names that nothing is read from. */
  List<String> unused(Collection<String> names) {
    Map<ColumnRole, String> found = resolve(names);
    Set<String> used = new LinkedHashSet<>(found.values());
    used.addAll(negatives(found, names));
    return names.stream()
        .filter(name -> !used.contains(name) && !given.labelColumns().contains(name))
        .toList();
  }

  /** What was recognised, for the report: {@code text <- sentence, label}. */
  String describe(Map<ColumnRole, String> found) {
    List<String> parts = new ArrayList<>();
    found.forEach(
        (role, column) -> {
          String own = role.names().get(0);
          String mark = isGuess(role, column) ? " (guessed by its name)" : "";
          parts.add((own.equals(column) ? own : own + " <- " + column) + mark);
        });
    if (!given.labelColumns().isEmpty()) {
      parts.add(ColumnsOption.LABEL_COLUMNS + " <- " + String.join("; ", labelColumns()));
    }
    return String.join(", ", parts);
  }

  /** The recognised names, for messages. */
  static String documentation() {
    return Arrays.stream(ColumnRole.values())
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
