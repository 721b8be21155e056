package dev.attune.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Global functions, filters and tests. Of a filter or test the first argument is its value. */
final class Functions {
  static final Map<String, Object> GLOBALS = globals();
  static final Map<String, Callable> FILTERS = filters();
  static final Map<String, Callable> TESTS = tests();

  private static final int MOST_DIGITS = 4300;

  private Functions() {}

  private static Map<String, Object> globals() {
    Map<String, Callable> out = new HashMap<>();
    out.put("range", Functions::range);
    out.put(
        "namespace",
        a -> {
          Map<String, Object> fields = new LinkedHashMap<>();
          if (a.get(0, "", null) instanceof Map<?, ?> map) {
            map.forEach((key, value) -> fields.put(Values.string(key), value));
          }
          fields.putAll(a.named());
          return new Namespace(fields);
        });
    out.put("dict", a -> new LinkedHashMap<Object, Object>(a.named()));
    out.put(
        "raise_exception",
        a -> {
          throw new TemplateException(Values.string(a.get(0, "message")));
        });
    return new HashMap<>(out);
  }

  private static Object range(CallArguments a) {
    boolean one = a.values().size() == 1;
    long from = one ? 0 : Values.integer(a.get(0, "start"));
    long to = Values.integer(a.get(one ? 0 : 1, "stop"));
    long step = Values.integer(a.get(2, "step", 1L));
    if (step == 0) {
      throw new TemplateException("range: the step is zero");
    }
    List<Object> out = new ArrayList<>();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      if (out.size() >= Budget.MOST_RANGE) {
        throw TemplateException.of("a range has more than %d numbers", Budget.MOST_RANGE);
      }
      out.add(i);
    }
    return out;
  }

  // ---- filters

  private static Map<String, Callable> filters() {
    Map<String, Callable> out = new HashMap<>();
    out.put("trim", a -> Text.strip(text(a), Methods.optional(a, 1, "chars"), true, true));
    out.put("upper", a -> text(a).toUpperCase(Locale.ROOT));
    out.put("lower", a -> text(a).toLowerCase(Locale.ROOT));
    out.put("title", a -> Text.title(text(a)));
    out.put("capitalize", a -> Text.capitalised(text(a)));
    out.put("string", Functions::text);
    out.put("safe", a -> a.values().get(0));
    out.put("escape", a -> escaped(text(a)));
    out.put(
        "replace",
        a ->
            Text.replace(
                text(a),
                Values.string(a.get(1, "old")),
                Values.string(a.get(2, "new")),
                Values.integer(a.get(3, "count", -1L))));
    out.put("indent", Functions::indent);
    out.put("length", a -> Values.length(a.values().get(0)));
    out.put("list", a -> items(a));
    out.put("first", a -> edge(a, true));
    out.put("last", a -> edge(a, false));
    out.put(
        "reverse",
        a -> {
          List<Object> all = items(a);
          Collections.reverse(all);
          return a.values().get(0) instanceof String ? Text.join(all, "") : all;
        });
    out.put("sort", Functions::sort);
    out.put("unique", Functions::unique);
    out.put(
        "join",
        a -> {
          Object attribute = a.get(2, "attribute", null);
          List<Object> all = items(a);
          all.replaceAll(item -> attribute == null ? item : path(item, attribute));
          return Text.join(all, Values.string(a.get(1, "d", "")));
        });
    out.put("items", Functions::pairs);
    out.put(
        "dictsort",
        a -> {
          List<Object> pairs = pairs(a);
          pairs.sort((x, y) -> order(((List<?>) x).get(0), ((List<?>) y).get(0), false));
          return pairs;
        });
    out.put("map", Functions::map);
    out.put("select", a -> chosen(a, false, true));
    out.put("reject", a -> chosen(a, false, false));
    out.put("selectattr", a -> chosen(a, true, true));
    out.put("rejectattr", a -> chosen(a, true, false));
    out.put(
        "default",
        a -> {
          Object value = a.values().get(0);
          boolean falseToo = Values.isTrue(a.get(2, "boolean", false));
          return value instanceof Undefined || (falseToo && !Values.isTrue(value))
              ? a.get(1, "default_value", "")
              : value;
        });
    out.put("int", a -> whole(a.values().get(0), a.get(1, "default", 0L)));
    out.put("float", a -> real(a.values().get(0), a.get(1, "default", 0.0)));
    out.put(
        "abs",
        a ->
            a.values().get(0) instanceof Double number
                ? (Object) Math.abs(number)
                : Math.absExact(Values.integer(a.values().get(0))));
    out.put("round", Functions::round);
    out.put(
        "sum",
        a -> {
          Object total = a.get(2, "start", 0L);
          Object attribute = a.get(1, "attribute", null);
          for (Object item : items(a)) {
            Object part = attribute == null ? item : path(item, attribute);
            total = Arithmetic.apply("+", total, part);
          }
          return total;
        });
    out.put("min", a -> items(a).stream().min(Values::compare).orElse(new Undefined("the least")));
    out.put("max", a -> items(a).stream().max(Values::compare).orElse(new Undefined("the most")));
    out.put("tojson", Json::filter);
    out.put("count", out.get("length"));
    out.put("d", out.get("default"));
    out.put("e", out.get("escape"));
    return out;
  }

  private static String text(CallArguments a) {
    return Values.string(a.values().get(0));
  }

  private static List<Object> items(CallArguments a) {
    return Values.items(a.values().get(0));
  }

  private static List<Object> pairs(CallArguments a) {
    Object value = a.values().get(0);
    if (value instanceof Undefined) {
      return new ArrayList<>();
    }
    if (value instanceof Map<?, ?> map) {
      return Methods.pairs(map);
    }
    throw new TemplateException("items are those of a mapping, not of a " + Values.type(value));
  }

  private static Object edge(CallArguments a, boolean first) {
    List<Object> all = items(a);
    return all.isEmpty()
        ? new Undefined("the " + (first ? "first" : "last") + " item of nothing")
        : all.get(first ? 0 : all.size() - 1);
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&#34;")
        .replace("'", "&#39;");
  }

  private static Object indent(CallArguments a) {
    Object width = a.get(1, "width", 4L);
    boolean first = Values.isTrue(a.get(2, "first", false));
    boolean blank = Values.isTrue(a.get(3, "blank", false));
    String by =
        width instanceof String text
            ? text
            : " ".repeat((int) Math.min(100, Math.max(0, Values.integer(width))));
    List<Object> lines = Text.lines(text(a) + "\n", false); // as jinja2: a last break is a line
    StringBuilder out = new StringBuilder(first ? by : "");
    for (int i = 0; i < lines.size(); i++) {
      String line = (String) lines.get(i);
      out.append(i == 0 ? "" : "\n").append(i > 0 && (blank || !line.isEmpty()) ? by : "");
      Budget.checkLength(out.append(line).length());
    }
    return out.toString();
  }

  /** {@code a.b.0} of an item. */
  private static Object path(Object item, Object attribute) {
    if (attribute instanceof Long index) {
      return Access.item(item, index);
    }
    Object value = item;
    Budget.spendOn(attribute);
    for (String part : Values.string(attribute).split("\\.")) {
      value = isIndex(part) ? Access.item(value, Long.valueOf(part)) : Access.item(value, part);
    }
    return value;
  }

  private static boolean isIndex(String part) {
    return !part.isEmpty()
        && part.length() <= 18
        && part.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  private static int order(Object a, Object b, boolean caseCounts) {
    return Values.compare(folded(a, caseCounts), folded(b, caseCounts));
  }

  private static Object folded(Object value, boolean caseCounts) {
    Budget.spendOn(caseCounts ? null : value);
    return value instanceof String text && !caseCounts ? text.toLowerCase(Locale.ROOT) : value;
  }

  private static Object sort(CallArguments a) {
    List<Object> out = items(a);
    boolean caseCounts = Values.isTrue(a.get(2, "case_sensitive", false));
    Object attribute = a.get(3, "attribute", null);
    Comparator<Object> order =
        (x, y) ->
            attribute == null
                ? order(x, y, caseCounts)
                : order(path(x, attribute), path(y, attribute), caseCounts);
    out.sort(Values.isTrue(a.get(1, "reverse", false)) ? order.reversed() : order);
    return out;
  }

  private static Object unique(CallArguments a) {
    boolean caseCounts = Values.isTrue(a.get(1, "case_sensitive", false));
    List<Object> out = new ArrayList<>();
    List<Object> keys = new ArrayList<>();
    for (Object item : items(a)) {
      Object key = folded(item, caseCounts);
      if (keys.stream().noneMatch(other -> Values.equal(other, key))) {
        keys.add(key);
        out.add(item);
      }
    }
    return out;
  }

  private static Object map(CallArguments a) {
    List<Object> out = items(a);
    if (a.named().containsKey("attribute")) {
      Object otherwise = a.get(9, "default", null);
      out.replaceAll(
          item -> {
            Object value = path(item, a.named().get("attribute"));
            return value instanceof Undefined && otherwise != null ? otherwise : value;
          });
      return out;
    }
    String name = a.string(1, "filter");
    Callable filter = filter(name);
    List<Object> more = a.values().subList(2, a.values().size());
    long made = 0;
    for (int i = 0; i < out.size(); i++) {
      Budget.spendOn(out.get(i));
      Object value = filter.call(with(out.get(i), more, a.named()));
      made += value instanceof String text ? text.length() : 0;
      Budget.checkLength(made);
      Budget.keep(value instanceof List ? value : null);
      out.set(i, value);
    }
    return out;
  }

  private static CallArguments with(Object value, List<Object> more, Map<String, Object> named) {
    List<Object> values = new ArrayList<>();
    values.add(value);
    values.addAll(more);
    return new CallArguments(values, named);
  }

  private static Object chosen(CallArguments a, boolean byAttribute, boolean keepIfTrue) {
    int at = byAttribute ? 2 : 1;
    boolean tested = a.values().size() > at;
    Callable test = tested ? test(Values.string(a.values().get(at))) : null;
    List<Object> more = tested ? a.values().subList(at + 1, a.values().size()) : List.of();
    List<Object> out = new ArrayList<>();
    for (Object item : items(a)) {
      Object value = byAttribute ? path(item, a.get(1, "attribute")) : item;
      Budget.spendOn(tested ? value : null);
      Object answer = tested ? test.call(with(value, more, a.named())) : value;
      if (Values.isTrue(answer) == keepIfTrue) {
        out.add(item);
      }
    }
    return out;
  }

  private static Object whole(Object value, Object otherwise) {
    if (value instanceof Double number) {
      return Double.isNaN(number) || Double.isInfinite(number)
          ? otherwise
          : (Object) number.longValue();
    }
    if (value instanceof String text) {
      if (text.length() > MOST_DIGITS) {
        return otherwise; // as Python, which refuses to read so many
      }
      try {
        return new BigDecimal(text.strip().replace("_", "")).longValue();
      } catch (NumberFormatException e) {
        return otherwise;
      }
    }
    return value instanceof Long || value instanceof Boolean ? Values.integer(value) : otherwise;
  }

  private static Object real(Object value, Object otherwise) {
    if (value instanceof String text) {
      try {
        return Double.parseDouble(text.strip());
      } catch (NumberFormatException e) {
        return otherwise;
      }
    }
    return value instanceof Number || value instanceof Boolean ? Values.real(value) : otherwise;
  }

  private static Object round(CallArguments a) {
    int places = (int) Math.max(-20, Math.min(20, Values.integer(a.get(1, "precision", 0L))));
    String method = Values.string(a.get(2, "method", "common"));
    BigDecimal exact = new BigDecimal(Values.real(a.values().get(0)));
    RoundingMode mode =
        switch (method) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new TemplateException("round: method must be common, ceil or floor");
        };
    return exact.setScale(places, mode).doubleValue();
  }

  static Callable filter(String name) {
    return known(FILTERS, "filter", name);
  }

  static Callable test(String name) {
    return known(TESTS, "test", name);
  }

  private static Callable known(Map<String, Callable> all, String kind, String name) {
    Callable found = all.get(name);
    if (found == null) {
      throw TemplateException.of("no %s named '%s'", kind, name);
    }
    return found;
  }

  // ---- tests

  private static Map<String, Callable> tests() {
    Map<String, Callable> out = new HashMap<>();
    out.put("defined", a -> !(a.values().get(0) instanceof Undefined));
    out.put("undefined", a -> a.values().get(0) instanceof Undefined);
    out.put("none", a -> a.values().get(0) == null);
    out.put("true", a -> Boolean.TRUE.equals(a.values().get(0)));
    out.put("false", a -> Boolean.FALSE.equals(a.values().get(0)));
    out.put("boolean", a -> a.values().get(0) instanceof Boolean);
    out.put("string", a -> a.values().get(0) instanceof String);
    out.put("integer", a -> Values.type(a.values().get(0)).equals("int"));
    out.put("float", a -> a.values().get(0) instanceof Double);
    out.put(
        "number", a -> a.values().get(0) instanceof Number || a.values().get(0) instanceof Boolean);
    out.put("mapping", a -> a.values().get(0) instanceof Map);
    out.put("sequence", a -> isIterable(a.values().get(0)));
    out.put("iterable", a -> isIterable(a.values().get(0)));
    out.put("callable", a -> a.values().get(0) instanceof Callable);
    out.put("sameas", a -> same(a.values().get(0), a.get(1, "other")));
    out.put("even", a -> Math.floorMod(Values.integer(a.values().get(0)), 2L) == 0);
    out.put("odd", a -> Math.floorMod(Values.integer(a.values().get(0)), 2L) == 1);
    out.put(
        "divisibleby",
        a -> Values.equal(Arithmetic.apply("%", a.values().get(0), a.get(1, "num")), 0L));
    out.put("lower", a -> text(a).equals(text(a).toLowerCase(Locale.ROOT)));
    out.put("upper", a -> text(a).equals(text(a).toUpperCase(Locale.ROOT)));
    out.put("in", a -> Values.contains(a.get(1, "seq"), a.values().get(0)));
    out.put("filter", a -> FILTERS.containsKey(text(a)));
    out.put("test", a -> TESTS.containsKey(text(a)));
    for (String names :
        List.of("eq equalto ==", "ne !=", "lt lessthan <", "le <=", "gt greaterthan >", "ge >=")) {
      String[] all = names.split(" ");
      String operator = all[all.length - 1];
      for (String name : all) {
        out.put(name, a -> compared(operator, a.values().get(0), a.get(1, "other")));
      }
    }
    return out;
  }

  private static boolean isIterable(Object value) {
    return value instanceof List
        || value instanceof Map
        || value instanceof String
        || value instanceof Undefined;
  }

  private static boolean same(Object a, Object b) {
    return a instanceof List || a instanceof Map
        ? a == b
        : Values.type(a).equals(Values.type(b)) && Values.equal(a, b);
  }

  static boolean compared(String operator, Object a, Object b) {
    return switch (operator) {
      case "==" -> Values.equal(a, b);
      case "!=" -> !Values.equal(a, b);
      case "<" -> Values.compare(a, b) < 0;
      case "<=" -> Values.compare(a, b) <= 0;
      case ">" -> Values.compare(a, b) > 0;
      default -> Values.compare(a, b) >= 0;
    };
  }
}
