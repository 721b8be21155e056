package dev.attune.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** A shape spelled as dimensions, such as {@code "N=800 C=384"}; a range is {@code "T=4-46"}. */
final class Dims {
  /** An odd stride through the lengths, so that neighbours differ. */
  private static final int SHUFFLE = 13;

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

  /** Where each of {@code B} sequences begins, and the end: lengths are spread evenly over T. */
  int[] offsets() {
    int B = of("B");
    int[] offsets = new int[B + 1];
    for (int b = 0; b < B; b++) {
      int place = b * SHUFFLE % B;
      offsets[b + 1] = offsets[b] + low("T") + (high("T") - low("T")) * place / (B - 1);
    }
    return offsets;
  }

  /** Pairs of rows of one sequence. */
  static double pairs(int[] offsets) {
    double pairs = 0;
    for (int b = 1; b < offsets.length; b++) {
      pairs += Math.pow((double) offsets[b] - offsets[b - 1], 2);
    }
    return pairs;
  }

  private int[] range(String name) {
    int[] range = ranges.get(name);
    if (range == null) {
      throw new IllegalArgumentException("shape '" + text + "' has no " + name);
    }
    return range;
  }
}
