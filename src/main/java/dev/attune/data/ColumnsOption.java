package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What {@code --columns} says, and how it is written.
 *
 * @param positions the columns in their order; null where the file names its columns
 * @param moreAllowed whether further columns may follow those
 * @param chosen the column of each role that the option names
 * @param labelColumns columns that each say 0 or 1; empty where there is one of labels
 */
record ColumnsOption(
    List<String> positions,
    boolean moreAllowed,
    Map<ColumnRole, String> chosen,
    List<String> labelColumns) {
  /** Stands for a column that is skipped. */
  static final String SKIP = "_";

  /** Names columns of which each is a label. */
  static final String LABEL_COLUMNS = "labels";

  private static final String MORE = "...";

  private static final char QUOTE = '"';

  /**
   * Reads the option.
   *
   * @param option null: it is not given
   */
  static ColumnsOption parse(String option) {
    if (option == null) {
      return new ColumnsOption(null, false, Map.of(), List.of());
    }
    List<String> parts = split(option, ',');
    long named = parts.stream().filter(ColumnsOption::isNamed).count();
    Check.input(
        named == 0 || named == parts.size(),
        "%s mixes positions and names. Give positions (text,label) for a file without"
            + " header, or names (%s) for a file with one.",
        Term.COLUMNS.of(option),
        Columns.BY_NAME);
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
  static String of(Map<ColumnRole, String> columns) {
    return Term.COLUMNS.of(
        columns.entrySet().stream()
            .map(e -> e.getKey().names().get(0) + "=" + quoted(e.getValue()))
            .collect(Collectors.joining(",")));
  }

  private static ColumnsOption named(String option, List<String> parts) {
    Map<ColumnRole, String> chosen = new EnumMap<>(ColumnRole.class);
    List<String> labelColumns = List.of();
    for (String part : parts) {
      String name = part.substring(0, part.indexOf('=')).strip();
      if (name.equals(LABEL_COLUMNS)) {
        labelColumns = labelColumns(option, part.substring(part.indexOf('=') + 1));
        continue;
      }
      ColumnRole role = ColumnRole.of(name);
      Check.input(
          role != null && role.names().get(0).equals(name),
          "%s: there is no role \"%s\". Roles: %s.",
          Term.COLUMNS.of(option),
          name,
          Arrays.stream(ColumnRole.values())
              .map(r -> r.names().get(0))
              .collect(Collectors.joining(", ")));
      String column = unquoted(part.substring(part.indexOf('=') + 1));
      String given = Term.COLUMNS.of(option);
      Check.input(!column.isEmpty(), "%s gives no column for %s", given, name);
      Check.input(chosen.put(role, column) == null, "%s gives %s twice", given, name);
    }
    return new ColumnsOption(null, false, chosen, labelColumns);
  }

  private static List<String> labelColumns(String option, String value) {
    List<String> columns = split(value, ';').stream().map(ColumnsOption::unquoted).toList();
    Check.input(
        columns.stream().noneMatch(String::isEmpty) && Set.copyOf(columns).size() == columns.size(),
        "%s: labels=NAME;NAME names each column of 0 and 1 once",
        Term.COLUMNS.of(option));
    return columns;
  }

  private static ColumnsOption positional(String option, List<String> parts) {
    String given = Term.COLUMNS.of(option);
    boolean more = parts.get(parts.size() - 1).equals(MORE);
    List<String> names =
        parts.subList(0, more ? parts.size() - 1 : parts.size()).stream()
            .map(ColumnsOption::unquoted)
            .toList();
    Set<String> distinct = new LinkedHashSet<>();
    for (String name : names) {
      Check.input(name.equals(SKIP) || distinct.add(name), "%s gives %s twice", given, name);
      Check.input(!name.equals(MORE), "%s: %s can only stand at the end", given, MORE);
    }
    return new ColumnsOption(List.copyOf(names), more, Map.of(), List.of());
  }

  /** All that it says, as a text: of equal options the same. */
  String described() {
    return positions + " " + moreAllowed + ' ' + new TreeMap<>(chosen) + ' ' + labelColumns;
  }
}
