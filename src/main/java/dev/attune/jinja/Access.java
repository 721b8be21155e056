package dev.attune.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** What values hold: items, attributes, methods and slices. */
final class Access {
  private Access() {}

  /** {@code value[key]}, or Undefined. */
  static Object item(Object value, Object key) {
    if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    if (value instanceof Map<?, ?> map && !(key instanceof List || key instanceof Map)) {
      if (map.containsKey(key)) {
        return map.get(key);
      }
      Budget.spendItems(key instanceof Number ? map.size() : 0);
      for (Map.Entry<?, ?> entry : map.entrySet()) { // 1, 1.0 and true are one key
        if (key instanceof Number && Values.equal(entry.getKey(), key)) {
          return entry.getValue();
        }
      }
    } else if (key instanceof Long || key instanceof Boolean) {
      long index = Values.integer(key);
      long size = value instanceof List || value instanceof String ? Values.length(value) : 0;
      index += index < 0 ? size : 0;
      if (index >= 0 && index < size) {
        if (value instanceof List<?> list) {
          return list.get((int) index);
        }
        String text = (String) value;
        Budget.spend(text.length());
        int begin = text.offsetByCodePoints(0, (int) index);
        return text.substring(begin, text.offsetByCodePoints(begin, 1));
      }
    } else if (key instanceof String name) {
      Callable method = Methods.of(value, name);
      if (method != null) {
        return method;
      }
    }
    return new Undefined(
        "'" + Values.type(value) + " object' has no element " + Values.repr(key) + ", so it");
  }

  /** {@code value.name}: a method, else a field, else Undefined. */
  static Object attribute(Object value, String name) {
    if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    if (value instanceof Namespace namespace && namespace.fields().containsKey(name)) {
      return namespace.fields().get(name);
    }
    if (value instanceof Loop loop) {
      return loop.attribute(name);
    }
    Callable method = Methods.of(value, name);
    if (method != null) {
      return method;
    }
    if (value instanceof Map<?, ?> map && map.containsKey(name)) {
      return map.get(name);
    }
    return new Undefined(
        "'" + Values.type(value) + " object' has no attribute '" + name + "', so it");
  }

  /** {@code value[from:to:step]}; null leaves a bound out. */
  static Object slice(Object value, Object from, Object to, Object by) {
    if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    if (!(value instanceof List || value instanceof String)) {
      throw TemplateException.of("'%s' object cannot be sliced", Values.type(value));
    }
    if (value instanceof String text) {
      Budget.spend(text.length());
      int[] all = text.codePoints().toArray();
      StringBuilder out = new StringBuilder();
      places(from, to, by, all.length).forEach(i -> out.appendCodePoint(all[i]));
      return out.toString();
    }
    List<Object> all = Values.items(value);
    List<Object> out = new ArrayList<>();
    places(from, to, by, all.size()).forEach(i -> out.add(all.get(i)));
    return out;
  }

  private static IntStream places(Object from, Object to, Object by, int size) {
    long given = by == null ? 1 : Values.integer(by);
    if (given == 0) {
      throw new TemplateException("slice step cannot be zero");
    }
    long step = Math.max(-size - 1L, Math.min(size + 1L, given)); // beyond, one item is left
    long begin = bound(from, step > 0 ? 0 : size - 1, size, step);
    long end = bound(to, step > 0 ? size : -1, size, step);
    return LongStream.iterate(begin, i -> step > 0 ? i < end : i > end, i -> i + step)
        .mapToInt(i -> (int) i);
  }

  private static long bound(Object given, long otherwise, int size, long step) {
    if (given == null) {
      return otherwise;
    }
    long at = Values.integer(given);
    at += at < 0 ? size : 0;
    return step > 0 ? Math.max(0, Math.min(size, at)) : Math.max(-1, Math.min(size - 1, at));
  }
}
