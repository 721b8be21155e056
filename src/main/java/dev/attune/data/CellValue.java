package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A list or an object that stands in a cell as text: as JSON has it, as Python, pandas and numpy
 * write it ({@code ['a', "b's"]}, {@code {'a', 'b'}}, {@code [1 0]}, {@code {'a': None}}, {@code
 * array(['a'], dtype=object)}). Strings stand in quotes.
 */
final class CellValue {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS) // as Python writes and reads them
          .build();

  private static final Set<String> TYPES = Set.of("object", "int32", "int64");
  private static final int DEEPEST = 40;
  private static final int LONGEST = 1000; // digits, as of the parser of JSON

  private final String cell;
  private int at;

  private CellValue(String cell) {
    this.cell = cell;
  }

  /** The list or the object; null where the cell is neither. */
  static Object parse(String text) {
    String cell = text.strip();
    if (cell.isEmpty() || "[{".indexOf(cell.charAt(0)) < 0) {
      return null;
    }
    try {
      CellValue value = new CellValue(cell);
      Object parsed = value.value(0);
      return value.at == cell.length() ? parsed : null;
    } catch (Unreadable e) {
      return null;
    }
  }

  /**
   * The same as chat templates read it: its numbers are those of Java. JSON comes first, which may
   * say a field twice and go as deep as its parser does.
   */
  static Object plain(String text) {
    try {
      Object parsed = JSON.readValue(text, Object.class);
      return parsed instanceof List || parsed instanceof Map ? parsed : null;
    } catch (JsonProcessingException e) {
      return JsonNumber.plain(parse(text));
    }
  }

  private Object value(int depth) {
    if (depth > DEEPEST) {
      throw new Unreadable();
    }
    char first = peek();
    if (first == '[' || first == '(') {
      return list(first == '[' ? ']' : ')', depth);
    }
    if (first == '{') {
      return object(depth);
    }
    return first == '\'' || first == '"'
        ? string()
        : Character.isLetter(first) ? word(depth) : number();
  }

  private char peek() {
    if (at >= cell.length()) {
      throw new Unreadable();
    }
    return cell.charAt(at);
  }

  private void take(char wanted) {
    if (peek() != wanted) {
      throw new Unreadable();
    }
    at++;
  }

  private void skipSpace() {
    while (Character.isWhitespace(peek())) {
      at++;
    }
  }

  /** Items are parted by commas or, of numpy, by white space. */
  private List<Object> list(char end, int depth) {
    List<Object> items = new ArrayList<>();
    at++;
    for (skipSpace(); peek() != end; skipSpace()) {
      items.add(value(depth + 1));
      int after = at;
      skipSpace();
      if (peek() == ',') {
        at++;
      } else if (peek() != end && at == after) {
        throw new Unreadable(); // two items run into each other
      }
    }
    at++;
    return items;
  }

  /** An object; or the list of a set's strings, as Python writes one. */
  private Object object(int depth) {
    int begin = at++;
    skipSpace();
    if (peek() != '}') {
      string();
      skipSpace();
      if (peek() == ',' || peek() == '}') {
        at = begin;
        return list('}', depth);
      }
    }
    at = begin;
    return fields(depth);
  }

  private Map<String, Object> fields(int depth) {
    Map<String, Object> fields = new LinkedHashMap<>();
    at++;
    for (skipSpace(); peek() != '}'; skipSpace()) {
      String name = string();
      skipSpace();
      take(':');
      skipSpace();
      if (fields.containsKey(name)) {
        throw new Unreadable();
      }
      fields.put(name, value(depth + 1));
      skipSpace();
      if (peek() != '}') {
        take(',');
      }
    }
    at++;
    return fields;
  }

  private String string() {
    char quote = peek();
    if (quote != '\'' && quote != '"') {
      throw new Unreadable();
    }
    at++;
    StringBuilder out = new StringBuilder();
    while (peek() != quote) {
      char c = cell.charAt(at++);
      out.appendCodePoint(c == '\\' ? escaped() : c);
    }
    at++;
    return out.toString();
  }

  private int escaped() {
    char escaped = peek();
    at++;
    return switch (escaped) {
      case '\\', '\'', '"', '/' -> escaped;
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'x' -> code(2);
      case 'u' -> code(4);
      case 'U' -> code(8);
      default -> throw new Unreadable();
    };
  }

  private int code(int digits) {
    String code = cell.substring(at, Math.min(cell.length(), at + digits));
    if (!code.matches("[0-9a-fA-F]{" + digits + "}")) {
      throw new Unreadable();
    }
    at += digits;
    long value = Long.parseLong(code, 16);
    if (value > Character.MAX_CODE_POINT) {
      throw new Unreadable();
    }
    return (int) value;
  }

  private Object word(int depth) {
    String word = letters();
    switch (word) {
      case "true", "True":
        return true;
      case "false", "False":
        return false;
      case "null", "None":
        return null;
      case "array":
        take('(');
        Object items = value(depth + 1);
        if (peek() == ',') {
          at++;
          skipSpace();
          type();
        }
        take(')');
        return items;
      default:
        throw new Unreadable();
    }
  }

  private void type() {
    if (!letters().equals("dtype")) {
      throw new Unreadable();
    }
    take('=');
    if (!TYPES.contains(letters())) {
      throw new Unreadable();
    }
  }

  private String letters() {
    int begin = at;
    while (Character.isLetterOrDigit(peek())) {
      at++;
    }
    return cell.substring(begin, at);
  }

  private Number number() {
    int begin = at;
    while ("+-.eE".indexOf(peek()) >= 0 || Character.isDigit(peek())) {
      at++;
    }
    String literal = cell.substring(begin, at);
    if (literal.matches("-?[0-9]{1," + LONGEST + "}")) {
      return JsonNumber.of(JsonNumber.integer(literal), literal);
    }
    if (!literal.matches("-?[0-9]+(\\.[0-9]*)?([eE][+-]?[0-9]+)?")) {
      throw new Unreadable();
    }
    return JsonNumber.of(Double.valueOf(literal), literal);
  }

  /** The text is none that is known here. */
  private static final class Unreadable extends RuntimeException {
    private static final long serialVersionUID = 1;

    Unreadable() {
      super(null, null, false, false);
    }
  }
}
