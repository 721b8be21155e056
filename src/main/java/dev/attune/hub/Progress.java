package dev.attune.hub;

/** Where a slow first use says what it is doing, in whole sentences. */
@FunctionalInterface
public interface Progress {
  void report(String message);

  /** Says nothing. */
  static Progress silent() {
    return message -> {};
  }
}
