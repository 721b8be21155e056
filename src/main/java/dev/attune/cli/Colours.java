package dev.attune.cli;

import java.util.Map;

/**
 * Emphasis on terminals that have it: errors red, warnings yellow, the best bold; elsewhere text as
 * it is. NO_COLOR, CLICOLOR=0 and TERM=dumb switch it off, CLICOLOR_FORCE switches it on for pipes.
 */
final class Colours {
  /** No emphasis, anywhere. */
  static final Colours NONE = new Colours(false);

  private static final String END = "\u001b[0m";

  private final boolean on;

  private Colours(boolean on) {
    this.on = on;
  }

  /** Of what is printed to standard output, or to standard error. */
  static Colours of(boolean error) {
    return of(Terminal.is(error ? 2 : 1), System.getenv());
  }

  /**
   * By an environment's rules.
   *
   * @param terminal whether the text goes to a terminal
   */
  static Colours of(boolean terminal, Map<String, String> environment) {
    String term = environment.getOrDefault("TERM", "dumb");
    String force = environment.getOrDefault("CLICOLOR_FORCE", "0");
    boolean isForced = !force.isEmpty() && !force.equals("0");
    boolean isRefused =
        !environment.getOrDefault("NO_COLOR", "").isEmpty()
            || "0".equals(environment.get("CLICOLOR"))
            || term.isEmpty()
            || term.equals("dumb");
    return new Colours(!isRefused && terminal || isForced && !isSet(environment, "NO_COLOR"));
  }

  private static boolean isSet(Map<String, String> environment, String name) {
    return !environment.getOrDefault(name, "").isEmpty();
  }

  String error(String text) {
    return with("31", text);
  }

  String warning(String text) {
    return with("33", text);
  }

  String best(String text) {
    return with("1", text);
  }

  private String with(String code, String text) {
    return on ? "\u001b[" + code + "m" + text + END : text;
  }
}
