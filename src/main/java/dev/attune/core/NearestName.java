package dev.attune.core;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** What was probably meant by a name that nothing has. */
public final class NearestName {
  private static final int PREFIX = 4;

  private NearestName() {}

  /** The known name that is spelled most like the typed one; empty: none is nearly so. */
  public static Optional<String> of(String typed, Collection<String> known) {
    return known.stream()
        .filter(name -> badness(typed, name) <= allowed(typed))
        .min(Comparator.comparingInt(name -> badness(typed, name)));
  }

  /** With a third of its letters wrong it would be another word. */
  private static int allowed(String typed) {
    return Math.max(2, typed.length() / 3);
  }

  /** Wrong letters; a beginning of the other is nearly right. */
  private static int badness(String typed, String name) {
    boolean begins = typed.length() >= PREFIX && name.startsWith(typed);
    return begins ? 1 : distance(typed, name);
  }

  /** Letters to insert, remove or replace (Levenshtein). */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
