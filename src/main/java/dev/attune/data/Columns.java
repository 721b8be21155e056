package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which column plays which role. Columns are recognised by these names alone, in lower case:
 *
 * <ul>
 *   <li>text: {@code text, sentence, sentence1, premise}
 *   <li>text_pair: {@code text_pair, sentence2, hypothesis}
 *   <li>label: {@code label, labels}
 *   <li>tokens: {@code tokens, words}
 *   <li>tags: {@code tags, ner_tags}
 *   <li>prompt, completion, messages: those names
 *   <li>question, context, answers, answer_text, answer_start: those names, where there is both a
 *       question and a context, and no other text
 * </ul>
 *
 * Other names are given with {@code --columns text=NAME,label=NAME}; several columns of 0 and 1,
 * each named as a label, with {@code --columns text=NAME,labels=NAME;NAME;NAME}. A file without
 * header gets the columns in their order, {@code --columns text,label}; there {@code _} skips a
 * column and a last {@code ...} allows any further ones.
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
    QUESTION("question"),
    CONTEXT("context"),
    ANSWERS("answers"),
    ANSWER_TEXT("answer_text"),
    ANSWER_START("answer_start");

    private static final Set<Role> OF_QUESTIONS =
        Set.of(QUESTION, CONTEXT, ANSWERS, ANSWER_TEXT, ANSWER_START);
    private static final Set<Role> OTHER_TEXTS = Set.of(TEXT, TOKENS, PROMPT, MESSAGES);

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

  /** How columns with names of their own are given. */
  static final String BY_NAME = "text=NAME,label=NAME";

  private static final String LABEL_COLUMNS = "labels";

  private final List<String> positions; // null where the file names its columns
  private final boolean moreAllowed;
  private final Map<Role, String> chosen;
  private final List<String> labelColumns; // each says 0 or 1; empty where there is one of labels

  private Columns(
      List<String> positions,
      boolean moreAllowed,
      Map<Role, String> chosen,
      List<String> labelColumns) {
    this.positions = positions;
    this.moreAllowed = moreAllowed;
    this.chosen = chosen;
    this.labelColumns = labelColumns;
  }

  /** The file names its columns and they are recognised. */
  static Columns automatic() {
    return new Columns(null, false, Map.of(), List.of());
  }

  /** Reads what was given as columns; null is {@link #automatic}. */
  public static Columns parse(String option) {
    if (option == null) {
      return automatic();
    }
    List<String> parts = Arrays.stream(option.split(",", -1)).map(String::strip).toList();
    long named = parts.stream().filter(p -> p.contains("=")).count();
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
      String column = part.substring(part.indexOf('=') + 1).strip();
      String given = Term.COLUMNS.of(option);
      Check.input(!column.isEmpty(), "%s gives no column for %s", given, name);
      Check.input(chosen.put(role, column) == null, "%s gives %s twice", given, name);
    }
    return new Columns(null, false, chosen, labelColumns);
  }

  private static List<String> labelColumns(String option, String value) {
    List<String> columns = Arrays.stream(value.split(";", -1)).map(String::strip).toList();
    Check.input(
        columns.stream().noneMatch(String::isEmpty) && Set.copyOf(columns).size() == columns.size(),
        "%s: labels=NAME;NAME names each column of 0 and 1 once",
        Term.COLUMNS.of(option));
    return columns;
  }

  private static Columns positional(String option, List<String> parts) {
    String given = Term.COLUMNS.of(option);
    boolean more = parts.get(parts.size() - 1).equals(MORE);
    List<String> names = more ? parts.subList(0, parts.size() - 1) : parts;
    Set<String> distinct = new LinkedHashSet<>();
    for (String name : names) {
      Check.input(name.equals(SKIP) || distinct.add(name), "%s gives %s twice", given, name);
      Check.input(!name.equals(MORE), "%s: %s can only stand at the end", given, MORE);
    }
    Columns columns = new Columns(List.copyOf(names), more, Map.of(), List.of());
    Check.input(
        columns.isUsable(names),
        "%s names no text. Use some of text, text_pair, label, tokens, tags,"
            + " prompt, completion, in the order of the file; %s skips a column.",
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
      for (String name : names) {
        if (role.names().contains(name)
            && !chosen.containsValue(name)
            && !labelColumns.contains(name)) {
          String other = found.put(role, name);
          if (other != null) {
            throw new InputException(
                String.format(
                    "the columns \"%s\" and \"%s\" both mean %s. Say which: %s",
                    other,
                    name,
                    role.names().get(0),
                    Term.COLUMNS.of(role.names().get(0) + "=" + other)));
          }
        }
      }
    }
    boolean isQuestion = found.containsKey(Role.QUESTION) && found.containsKey(Role.CONTEXT);
    if (!isQuestion || found.keySet().stream().anyMatch(Role.OTHER_TEXTS::contains)) {
      found.keySet().removeAll(Role.OF_QUESTIONS);
    }
    return found;
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

  /** Whether the names give an example something to read. */
  boolean isUsable(Collection<String> names) {
    Map<Role, String> found = resolve(names);
    return found.containsKey(Role.TEXT)
        || found.containsKey(Role.TOKENS)
        || found.containsKey(Role.PROMPT)
        || found.containsKey(Role.MESSAGES)
        || found.containsKey(Role.QUESTION);
  }

  /** Whether a first row repeats the columns given by position: then it is a header. */
  boolean repeatsHeader(List<String> row) {
    boolean any = false;
    for (int i = 0; i < Math.min(row.size(), positions.size()); i++) {
      String name = positions.get(i);
      Role role = Role.of(name);
      if (role != null) {
        String cell = row.get(i).strip().toLowerCase(Locale.ROOT);
        if (!cell.equals(name) && !role.names().contains(cell)) {
          return false;
        }
        any = true;
      }
    }
    return any;
  }

  /** What was recognised, for the report: {@code text <- sentence, label}. */
  String describe(Map<Role, String> found) {
    List<String> parts = new ArrayList<>();
    found.forEach(
        (role, column) -> {
          String own = role.names().get(0);
          parts.add(own.equals(column) ? own : own + " <- " + column);
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
