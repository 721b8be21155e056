package dev.attune.testkit;

import java.util.SplittableRandom;

/**
 * Where the random numbers of tests come from: one seed for the run ({@code -Dattune.seed=N}, or a
 * fixed default) and a name, so that no test depends on which tests ran before it.
 */
public final class Seeds {
  private static final long DEFAULT = 20170612;

  private Seeds() {}

  /** The seed of this run. */
  public static long seed() {
    return Long.getLong("attune.seed", DEFAULT);
  }

  /** A generator for the test or case of this name. */
  public static SplittableRandom random(String name) {
    long state = seed();
    for (int i = 0; i < name.length(); i++) {
      state = (state ^ name.charAt(i)) * 0x9E3779B97F4A7C15L;
      state ^= state >>> 29;
    }
    return new SplittableRandom(state);
  }

  /** What to add to the command line to see the same numbers again. */
  public static String replay() {
    return "replay with -Dattune.seed=" + seed();
  }
}
