package dev.attune.jinja;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** {@code json.dumps} of Python. */
final class Json {
  private final boolean ascii;
  private final String indent;
  private final boolean sorted;
  private final String itemSeparator;
  private final String keySeparator;
  private final StringBuilder out = new StringBuilder();

  private Json(boolean ascii, String indent, List<?> separators, boolean sorted) {
    this.ascii = ascii;
    this.indent = indent;
    this.sorted = sorted;
    this.itemSeparator =
        separators != null ? Values.string(separators.get(0)) : indent == null ? ", " : ",";
    this.keySeparator = separators != null ? Values.string(separators.get(1)) : ": ";
  }

  /** The {@code tojson} filter with Transformers' defaults: no ASCII only, no HTML escapes. */
  static String filter(CallArguments arguments) {
    Object indent = arguments.get(2, "indent", null);
    Object separators = arguments.get(3, "separators", null);
    Json json =
        new Json(
            Values.isTrue(arguments.get(1, "ensure_ascii", false)),
            indent == null || indent instanceof String
                ? (String) indent
                : " ".repeat((int) Math.min(100, Math.max(0, Values.integer(indent)))),
            separators instanceof List<?> list && list.size() == 2 ? list : null,
            Values.isTrue(arguments.get(4, "sort_keys", false)));
    json.write(arguments.get(0, "value"), "\n");
    return json.out.toString();
  }

  private void write(Object value, String line) {
    Budget.checkLength(out.length()); // lists may hold one list many times over
    Budget.spendItems(1);
    if (value == null) {
      out.append("null");
    } else if (value instanceof Boolean || value instanceof Long) {
      out.append(value);
    } else if (value instanceof Double number) {
      out.append(
          Double.isNaN(number)
              ? "NaN"
              : Double.isInfinite(number)
                  ? (number > 0 ? "Infinity" : "-Infinity")
                  : Values.digits(number));
    } else if (value instanceof String text) {
      string(text);
    } else if (value instanceof List<?> list) {
      group('[', ']', list, line, item -> write(item, inner(line)));
    } else if (value instanceof Map<?, ?> map) {
      Map<?, ?> ordered = sorted ? sorted(map) : map;
      group(
          '{',
          '}',
          ordered.entrySet(),
          line,
          entry -> {
            string(key(entry.getKey()));
            out.append(keySeparator);
            write(entry.getValue(), inner(line));
          });
    } else if (value instanceof Number) {
      out.append(value);
    } else if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    } else {
      throw TemplateException.of("a %s cannot be written as JSON", Values.type(value));
    }
  }

  private static Map<?, ?> sorted(Map<?, ?> map) {
    Map<Object, Object> out = new TreeMap<>(Values::compare);
    out.putAll(map);
    return out;
  }

  private static String key(Object key) {
    return key == null ? "null" : key instanceof Boolean ? key.toString() : Values.string(key);
  }

  private <T> void group(
      char open,
      char close,
      java.util.Collection<T> items,
      String line,
      java.util.function.Consumer<T> write) {
    out.append(open);
    boolean more = false;
    for (T item : items) {
      out.append(more ? itemSeparator : "").append(indent == null ? "" : inner(line));
      write.accept(item);
      more = true;
    }
    out.append(more && indent != null ? line : "").append(close);
  }

  private String inner(String line) {
    Budget.spend(indent == null ? 0 : line.length());
    return indent == null ? line : line + indent;
  }

  private void string(String text) {
    Budget.spend(text.length());
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      int simple = "\"\\\n\r\t\b\f".indexOf(c);
      if (simple >= 0) {
        out.append('\\').append("\"\\nrtbf".charAt(simple));
      } else if (c < 32 || (ascii && c > 126)) {
        Budget.spend(Values.ESCAPE);
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
