package dev.attune.core;

/** Argument checks whose messages carry the value. For user input, see {@link InputException}. */
public final class Check {
  private Check() {}

  /** Throws {@link IllegalArgumentException} with the formatted message unless the claim holds. */
  public static void argument(boolean claim, String format, Object... args) {
    if (!claim) {
      throw new IllegalArgumentException(String.format(format, args));
    }
  }

  /** Throws {@link IllegalStateException} with the formatted message unless the claim holds. */
  public static void state(boolean claim, String format, Object... args) {
    if (!claim) {
      throw new IllegalStateException(String.format(format, args));
    }
  }

  /** Throws {@link InputException} with the formatted message unless the claim holds. */
  public static void input(boolean claim, String format, Object... args) {
    if (!claim) {
      throw new InputException(String.format(format, args));
    }
  }
}
