package dev.attune.data;

import java.util.AbstractMap;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** The fields of a row that lies in a file: they are read when they are asked for. */
final class LazyFields extends AbstractMap<String, Object> {
  private final Supplier<Map<String, Object>> source;
  private volatile Map<String, Object> read;

  LazyFields(Supplier<Map<String, Object>> source) {
    this.source = source;
  }

  private Map<String, Object> read() {
    Map<String, Object> known = read;
    if (known == null) {
      known = Collections.unmodifiableMap(source.get());
      read = known;
    }
    return known;
  }

  @Override
  public Set<Entry<String, Object>> entrySet() {
    return read().entrySet();
  }

  @Override
  public Object get(Object name) {
    return read().get(name);
  }

  @Override
  public boolean containsKey(Object name) {
    return read().containsKey(name);
  }
}
