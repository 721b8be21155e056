package dev.attune.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;

/** The methods of Python's str, dict and list that read. */
final class Methods {
  private Methods() {}

  /** A method of the value, or null. */
  static Callable of(Object value, String name) {
    if (value instanceof String text) {
      Callable method = ofString(text, name);
      Budget.spend(method == null ? 0 : text.length()); // all of it is read, but for a few
      return method;
    }
    if (value instanceof Map<?, ?> map) {
      return ofMap(map, name);
    }
    return value instanceof List<?> list ? ofList(list, name) : null;
  }

  private static Callable ofString(String text, String name) {
    return switch (name) {
      case "strip" -> a -> Text.strip(text, optional(a, 0, "chars"), true, true);
      case "lstrip" -> a -> Text.strip(text, optional(a, 0, "chars"), true, false);
      case "rstrip" -> a -> Text.strip(text, optional(a, 0, "chars"), false, true);
      case "split" -> a -> split(text, a, false);
      case "rsplit" -> a -> split(text, a, true);
      case "splitlines" -> a -> Text.lines(text, Values.isTrue(a.get(0, "keepends", false)));
      case "startswith" -> a -> affixes(a).stream().anyMatch(text::startsWith);
      case "endswith" -> a -> affixes(a).stream().anyMatch(text::endsWith);
      case "removeprefix" ->
          a ->
              text.startsWith(a.string(0, "prefix"))
                  ? text.substring(a.string(0, "prefix").length())
                  : text;
      case "removesuffix" ->
          a ->
              text.endsWith(a.string(0, "suffix"))
                  ? text.substring(0, text.length() - a.string(0, "suffix").length())
                  : text;
      case "upper" -> a -> text.toUpperCase(Locale.ROOT);
      case "lower" -> a -> text.toLowerCase(Locale.ROOT);
      case "title" -> a -> Text.title(text);
      case "capitalize" -> a -> Text.capitalised(text);
      case "replace" ->
          a ->
              Text.replace(
                  text,
                  a.string(0, "old"),
                  a.string(1, "new"),
                  Values.integer(a.get(2, "count", -1L)));
      case "find" -> a -> place(text, Search.find(text, a.string(0, "sub"), 0));
      case "rfind" -> a -> place(text, Search.findLast(text, a.string(0, "sub")));
      case "index" -> a -> found(place(text, Search.find(text, a.string(0, "sub"), 0)));
      case "count" -> a -> Text.split(text, a.string(0, "sub"), -1, false).size() - 1L;
      case "join" -> a -> Text.join(Values.items(a.get(0, "iterable")), text);
      case "isdigit" -> a -> all(text, Character::isDigit);
      case "isalpha" -> a -> all(text, Character::isLetter);
      case "isalnum" -> a -> all(text, Character::isLetterOrDigit);
      case "isspace" -> a -> all(text, Text::isSpace);
      case "isupper" ->
          a ->
              !text.equals(text.toLowerCase(Locale.ROOT))
                  && text.equals(text.toUpperCase(Locale.ROOT));
      case "islower" ->
          a ->
              !text.equals(text.toUpperCase(Locale.ROOT))
                  && text.equals(text.toLowerCase(Locale.ROOT));
      default -> null;
    };
  }

  private static Callable ofMap(Map<?, ?> map, String name) {
    return switch (name) {
      case "items" -> a -> pairs(map);
      case "keys" -> a -> new ArrayList<Object>(map.keySet());
      case "values" -> a -> new ArrayList<Object>(map.values());
      case "get" ->
          a -> {
            Object key = a.get(0, "key");
            if (key instanceof List || key instanceof Map) {
              throw TemplateException.of("a '%s' is no key of a dict", Values.type(key));
            }
            return map.containsKey(key) ? map.get(key) : a.get(1, "default", null);
          };
      default -> null;
    };
  }

  private static Callable ofList(List<?> list, String name) {
    return switch (name) {
      case "index" ->
          a -> {
            for (int i = 0; i < list.size(); i++) {
              if (Values.equal(list.get(i), a.get(0, "value"))) {
                return (long) i;
              }
            }
            return found(-1L);
          };
      case "count" -> a -> list.stream().filter(x -> Values.equal(x, a.get(0, "value"))).count();
      default -> null;
    };
  }

  /** Keys with their values. */
  static List<Object> pairs(Map<?, ?> map) {
    List<Object> out = new ArrayList<>();
    map.forEach((key, value) -> out.add(new Tuple(Arrays.asList(key, value))));
    return out;
  }

  static String optional(CallArguments arguments, int position, String name) {
    return arguments.get(position, name, null) == null ? null : arguments.string(position, name);
  }

  private static Object split(String text, CallArguments a, boolean fromRight) {
    return Text.split(
        text, optional(a, 0, "sep"), Values.integer(a.get(1, "maxsplit", -1L)), fromRight);
  }

  private static List<String> affixes(CallArguments a) {
    if (a.get(0, "prefix") instanceof List<?> several) {
      return several.stream().map(s -> CallArguments.of(s).string(0, "prefix")).toList();
    }
    return List.of(a.string(0, "prefix"));
  }

  private static Long place(String text, int index) {
    return index < 0 ? -1L : text.codePointCount(0, index);
  }

  private static Object found(Long place) {
    if (place < 0) {
      throw new TemplateException("substring or item not found");
    }
    return place;
  }

  private static Object all(String text, IntPredicate test) {
    return !text.isEmpty() && text.codePoints().allMatch(test);
  }
}
