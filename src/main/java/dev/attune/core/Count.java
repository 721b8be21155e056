package dev.attune.core;

import java.util.Locale;

/** Counts in sentences: "1 row", "2,000 rows". */
public final class Count {
  private Count() {}

  /**
   * Of a noun that takes an s.
   *
   * @param noun "row"
   */
  public static String many(long count, String noun) {
    return many(count, noun, noun + "s");
  }

  /**
   * With the words for one and for any other number.
   *
   * @param one "row is"
   * @param more "rows are"
   */
  public static String many(long count, String one, String more) {
    return String.format(Locale.ROOT, "%,d %s", count, count == 1 ? one : more);
  }
}
