package dev.attune.jinja;

/**
 * What one rendering may cost: a template comes from a model folder and must not hang a run. Steps
 * bound what a template asks for, characters what it makes, and work what hides in one step: the
 * characters that are compared, searched and copied, and the items that are visited.
 */
final class Budget {
  private static final long LONGEST = 16L << 20;
  private static final long MOST_CHARACTERS = 256L << 20;
  static final long MOST_RANGE = 100_000;
  static final int DEEPEST = 100;
  private static final long MOST_STEPS = 20_000_000;

  /** Characters; less than a second of them. */
  private static final long MOST_WORK = 1L << 28;

  /** What an item of a list takes to look at, beside a character. */
  private static final int VISIT = 8;

  /** What an item of a list takes to keep: it may be a string of its own. */
  private static final int ITEM = 32;

  /** Of the rendering on this thread: values do not know whose they are. */
  private static final ThreadLocal<Budget> CURRENT = new ThreadLocal<>();

  private long steps;
  private long characters;
  private long work;
  private int depth;

  /** Runs a rendering at this budget's cost. */
  void pay(Runnable rendering) {
    Budget outer = CURRENT.get();
    CURRENT.set(this);
    try {
      rendering.run();
    } finally {
      if (outer == null) {
        CURRENT.remove();
      } else {
        CURRENT.set(outer);
      }
    }
  }

  /** Counts characters that are looked at or copied. */
  static void spend(long characters) {
    Budget budget = CURRENT.get();
    if (budget != null) {
      budget.work += characters;
      if (budget.work > MOST_WORK) {
        throw TemplateException.of(
            "the template compares, searches or copies more than %d characters", MOST_WORK);
      }
    }
  }

  /** Counts items that are visited or copied. */
  static void spendItems(long count) {
    spend(count * VISIT);
  }

  /** Counts what a function reads of a value, once. */
  static void spendOn(Object value) {
    if (value instanceof String text) {
      spend(text.length());
    } else if (value instanceof java.util.Collection<?> items) {
      spendItems(items.size());
    }
  }

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

  /** Refuses a list of so many items before it is made. */
  static void checkItems(long count) {
    if (count > LONGEST / ITEM) {
      throw TemplateException.of("a list has more than %d items", LONGEST / ITEM);
    }
  }

  /** Counts what was written or made. */
  void write(long count) {
    checkLength(count);
    characters += count;
    if (characters > MOST_CHARACTERS) {
      throw TemplateException.of("the template writes more than %d characters", MOST_CHARACTERS);
    }
  }

  /** Counts a value that an operator or a function made: {@link #made} of this rendering. */
  static void keep(Object value) {
    Budget budget = CURRENT.get();
    if (budget != null) {
      budget.made(value);
    }
  }

  /** Counts a value that an operator or a function made. */
  void made(Object value) {
    if (value instanceof String text) {
      write(text.length());
    } else if (value instanceof java.util.List<?> list) {
      write((long) list.size() * ITEM);
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
