package dev.attune.jinja;

/** What one rendering may cost: a template comes from a model folder and must not hang a run. */
final class Budget {
  private static final long LONGEST = 16L << 20;
  private static final long MOST_CHARACTERS = 256L << 20;
  static final long MOST_RANGE = 100_000;
  static final int DEEPEST = 100;
  private static final long MOST_STEPS = 20_000_000;

  private long steps;
  private long characters;
  private int depth;

  void step() {
    if (++steps > MOST_STEPS) {
      throw TemplateException.of("the template takes more than %d steps", MOST_STEPS);
    }
  }

  /** Refuses a string of such a length before it is made. */
  static void checkLength(long length) {
    if (length > LONGEST) {
      throw TemplateException.of("a string has more than %d characters", LONGEST);
    }
  }

  /** Counts what was written or made. */
  void write(int count) {
    checkLength(count);
    characters += count;
    if (characters > MOST_CHARACTERS) {
      throw TemplateException.of("the template writes more than %d characters", MOST_CHARACTERS);
    }
  }

  void enter() {
    if (++depth > DEEPEST) {
      throw TemplateException.of("macros call each other more than %d deep", DEEPEST);
    }
  }

  void leave() {
    depth--;
  }
}
