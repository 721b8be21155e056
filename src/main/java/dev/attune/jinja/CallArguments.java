package dev.attune.jinja;

import java.util.List;
import java.util.Map;

/** What a function is called with. */
record CallArguments(List<Object> values, Map<String, Object> named) {
  private static final Object REQUIRED = new Object();

  static CallArguments of(Object... values) {
    return new CallArguments(java.util.Arrays.asList(values), Map.of());
  }

  /** The argument at a position, or by its name. */
  Object get(int position, String name) {
    Object value = get(position, name, REQUIRED);
    if (value == REQUIRED) {
      throw TemplateException.of("the argument \"%s\" is missing", name);
    }
    return value;
  }

  Object get(int position, String name, Object otherwise) {
    return position < values.size()
        ? values.get(position)
        : named.containsKey(name) ? named.get(name) : otherwise;
  }

  String string(int position, String name) {
    Object value = get(position, name);
    if (value instanceof String text) {
      return text;
    }
    if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    throw TemplateException.of("%s must be a string, not %s", name, Values.repr(value));
  }

  /** Without the first one: what a filter is given beside its value. */
  CallArguments rest() {
    return new CallArguments(values.subList(1, values.size()), named);
  }
}
