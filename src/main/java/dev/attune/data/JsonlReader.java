package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.text.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rows that name their fields, of JSON or Parquet, to examples. */
final class JsonlReader {
  /** In the order of messages. Templates would drop or garble the turn of any other. */
  private static final List<String> ROLES =
      List.of("system", "developer", "user", "assistant", "tool");

  private final Path file;
  private final Columns columns;

  JsonlReader(Path file, Columns columns) {
    this.file = file;
    this.columns = columns;
  }

  Dataset read(FieldRows rows) {
    Check.input(
        !columns.isPositional(),
        "%s: its rows name their fields, so %s by position has no meaning. Name them: %s",
        file,
        Term.COLUMNS,
        Term.COLUMNS.of(Columns.BY_NAME));
    List<Example> examples = new ArrayList<>();
    Map<Columns.Role, String> seen = new LinkedHashMap<>();
    for (Map<String, Object> row = rows.next(); row != null; row = rows.next()) {
      examples.add(example(rows.row(), row, seen));
    }
    return new Dataset(file, examples, columns.describe(seen));
  }

  private Example example(int row, Map<String, Object> fields, Map<Columns.Role, String> seen) {
    for (Map.Entry<String, Object> field : fields.entrySet()) {
      String broken = WholeCharacters.broken(field.getValue());
      if (broken != null) {
        throw new InputException(
            at(row) + ": '" + field.getKey() + "' has " + WholeCharacters.describe(broken));
      }
    }
    String brokenName = WholeCharacters.broken(List.copyOf(fields.keySet()));
    if (brokenName != null) {
      throw new InputException(
          at(row) + ": the name of a field has " + WholeCharacters.describe(brokenName));
    }
    Map<Columns.Role, String> roles = columns.resolve(fields.keySet());
    if (!columns.isUsable(fields.keySet())) {
      throw new InputException(
          at(row)
              + " has no text: its fields are "
              + Excerpt.quoted(List.copyOf(fields.keySet()))
              + ". Recognised: "
              + Columns.documentation()
              + ". Name another with "
              + Term.COLUMNS.of("text=NAME"));
    }
    seen.putAll(roles);
    if (roles.containsKey(Columns.Role.QUESTION)) {
      return Example.ofQuestion(
          row,
          text(row, fields, roles.get(Columns.Role.QUESTION)),
          text(row, fields, roles.get(Columns.Role.CONTEXT)),
          answers(row, fields, roles),
          fields);
    }
    Object label = fields.get(roles.get(Columns.Role.LABEL));
    boolean isList = label instanceof List<?>;
    return new Example(
        row,
        text(row, fields, roles.get(Columns.Role.TEXT)),
        text(row, fields, roles.get(Columns.Role.TEXT_PAIR)),
        isList ? null : label(row, fields, roles.get(Columns.Role.LABEL)),
        isList
            ? strings(row, fields, roles.get(Columns.Role.LABEL), true)
            : LabelColumns.read(file, row, columns.labelColumns(), fields),
        strings(row, fields, roles.get(Columns.Role.TOKENS), false),
        strings(row, fields, roles.get(Columns.Role.TAGS), true),
        text(row, fields, roles.get(Columns.Role.PROMPT)),
        text(row, fields, roles.get(Columns.Role.COMPLETION)),
        messages(row, fields, roles.get(Columns.Role.MESSAGES)),
        null,
        fields);
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
              text(row, fields, column), start == null ? null : String.valueOf(start));
    } catch (InputException e) {
      throw e.getMessage().startsWith(at(row))
          ? e
          : new InputException(at(row) + ": " + e.getMessage(), e);
    }
  }

  private String text(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null || value instanceof String) {
      return (String) value;
    }
    throw wrongType(row, column, value, "a string");
  }

  private String label(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      return value.toString();
    }
    throw wrongType(row, column, value, "a string, a number or true/false");
  }

  private List<String> strings(
      int row, Map<String, Object> fields, String column, boolean numbersToo) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    String wanted = numbersToo ? "a list of strings or numbers" : "a list of strings";
    if (!(value instanceof List<?> list)) {
      throw wrongType(row, column, value, wanted);
    }
    List<String> out = new ArrayList<>(list.size());
    for (Object item : list) {
      if (!(item instanceof String || (numbersToo && item instanceof Integer))) {
        throw wrongType(row, column, value, wanted);
      }
      out.add(item.toString());
    }
    return out;
  }

  private List<ChatMessage> messages(int row, Map<String, Object> fields, String column) {
    Object value = column == null ? null : fields.get(column);
    if (value == null) {
      return null;
    }
    if (!(value instanceof List<?> list)) {
      throw wrongType(row, column, value, "a list of turns ({\"role\": ..., \"content\": ...})");
    }
    Check.input(!list.isEmpty(), "%s: \"%s\" is an empty list", at(row), column);
    List<ChatMessage> out = new ArrayList<>(list.size());
    for (Object item : list) {
      out.add(message(at(row) + ", turn " + (out.size() + 1), item));
    }
    return out;
  }

  private static ChatMessage message(String where, Object item) {
    if (!(item instanceof Map<?, ?> turn)) {
      throw new InputException(
          where
              + " must be an object with role and content, not "
              + Excerpt.shortened(String.valueOf(item)));
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    turn.forEach((name, value) -> fields.put((String) name, JsonNumber.plain(value)));
    boolean shareGpt = fields.containsKey("from") && fields.containsKey("value");
    Check.input(
        fields.get("role") instanceof String,
        "%s has no role%s. Roles: %s.",
        where,
        shareGpt ? " (\"from\" and \"value\" are ShareGPT's names for role and content)" : "",
        String.join(", ", ROLES));
    Check.input(
        ROLES.contains(fields.get("role")),
        "%s has the unknown role \"%s\". Roles: %s.",
        where,
        fields.get("role"),
        String.join(", ", ROLES));
    Object content = fields.get("content");
    boolean callsTools = fields.get("tool_calls") instanceof List<?> calls && !calls.isEmpty();
    Check.input(
        content instanceof String || (content == null && callsTools),
        "%s: the content must be a string, not %s",
        where,
        Excerpt.shortened(String.valueOf(content)));
    return new ChatMessage(fields);
  }

  private InputException wrongType(int row, String column, Object value, String wanted) {
    return new InputException(
        at(row)
            + ": \""
            + column
            + "\" must be "
            + wanted
            + ", not "
            + Excerpt.shortened(String.valueOf(value)));
  }

  private String at(int row) {
    return file + ", row " + row;
  }
}
