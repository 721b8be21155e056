package dev.attune.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** A shape spelled as dimensions, such as {@code "N=800 C=384"}; a range is {@code "T=4-46"}. */
final class Dims {
  private final String text;
  private final Map<String, int[]> ranges = new LinkedHashMap<>();

  Dims(String text) {
    this.text = text;
    for (String part : text.split(" ")) {
      String[] pair = part.split("=");
      String[] range = pair.length == 2 ? pair[1].split("-") : new String[0];
      if (range.length < 1 || range.length > 2) {
        throw new IllegalArgumentException(
            "shape '" + text + "': '" + part + "' is not NAME=NUMBER or NAME=NUMBER-NUMBER");
      }
      int low = Integer.parseInt(range[0]);
      ranges.put(pair[0], new int[] {low, range.length == 2 ? Integer.parseInt(range[1]) : low});
    }
  }

  /** The size of a dimension that is not a range. */
  int of(String name) {
    if (low(name) != high(name)) {
      throw new IllegalArgumentException("shape '" + text + "': " + name + " is a range");
    }
    return low(name);
  }

  int low(String name) {
    return range(name)[0];
  }

  int high(String name) {
    return range(name)[1];
  }

  private int[] range(String name) {
    int[] range = ranges.get(name);
    if (range == null) {
      throw new IllegalArgumentException("shape '" + text + "' has no " + name);
    }
    return range;
  }
}
