package dev.attune.store;

import dev.attune.core.InputException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression of Python's re, as PEFT's configurations hold them, over the names of
 * modules. What Python and Java read alike is taken over; what they do not is refused.
 */
public final class PythonPattern {
  /** Escapes of one meaning in both, beside those of punctuation and of groups by number. */
  private static final String ESCAPES = "dDwWsSbBAntrf";

  private final String source;
  private final Pattern pattern;

  private PythonPattern(String source, Pattern pattern) {
    this.source = source;
    this.pattern = pattern;
  }

  /**
   * Reads an expression.
   *
   * @param where what messages call it: "target_modules"
   * @throws InputException if it is none, or has what Java would read otherwise
   */
  public static PythonPattern compile(String python, String where) {
    try {
      return new PythonPattern(python, Pattern.compile(new Translation(python, where).run()));
    } catch (PatternSyntaxException e) {
      throw new InputException(
          where + ": '" + python + "' is no regular expression: " + e.getDescription(), e);
    }
  }

  /** The expression as it was written. */
  public String source() {
    return source;
  }

  /** Python's re.fullmatch. */
  public boolean matchesAll(String text) {
    return pattern.matcher(text).matches();
  }

  /** Python's re.match: from the beginning of the text on. */
  Matcher matchBegin(String text) {
    Matcher matcher = pattern.matcher(text);
    return matcher.lookingAt() ? matcher : null;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PythonPattern && source.equals(((PythonPattern) other).source);
  }

  @Override
  public int hashCode() {
    return source.hashCode();
  }

  @Override
  public String toString() {
    return source;
  }

  /** One pass over an expression. */
  private static final class Translation {
    private final String python;
    private final String where;
    private final StringBuilder java = new StringBuilder();
    private int at;

    Translation(String python, String where) {
      this.python = python;
      this.where = where;
    }

    String run() {
      while (at < python.length()) {
        char c = python.charAt(at);
        switch (c) {
          case '\\' -> escape();
          case '[' -> characterClass();
          case '(' -> group();
          default -> {
            java.append(c);
            at++;
          }
        }
      }
      return java.toString();
    }

    private boolean follows(String text) {
      return python.startsWith(text, at);
    }

    private void take(int count) {
      java.append(python, at, at + count);
      at += count;
    }

    private void escape() {
      if (at + 1 == python.length()) {
        throw refused("a lone \\ at its end");
      }
      char escaped = python.charAt(at + 1);
      if (escaped == 'Z') { // Python's is the very end, Java's may stand before a line end
        java.append("\\z");
        at += 2;
        return;
      }
      boolean isLetter = Character.isLetter(escaped);
      if (isLetter && ESCAPES.indexOf(escaped) < 0 || escaped == '0') {
        throw refused("\\" + escaped);
      }
      take(2);
    }

    private void characterClass() {
      take(follows("[^") ? 2 : 1);
      if (follows("]")) {
        throw refused("a ] that begins a class");
      }
      while (at < python.length() && !follows("]")) {
        if (follows("[") || follows("&&")) {
          throw refused(python.charAt(at) + " inside a class");
        } else if (follows("\\")) {
          escape();
        } else {
          take(1);
        }
      }
      take(at < python.length() ? 1 : 0);
    }

    private void group() {
      if (follows("(?P<")) {
        // A name that nothing refers to; Java's may not have an underscore.
        int end = python.indexOf('>', at);
        if (end < 0) {
          throw refused("(?P<");
        }
        java.append('(');
        at = end + 1;
        return;
      }
      if (!follows("(?")) {
        take(1);
        return;
      }
      for (String known : new String[] {"(?:", "(?=", "(?!", "(?<=", "(?<!"}) {
        if (follows(known)) {
          take(known.length());
          return;
        }
      }
      if (at == 0 && follows("(?i)")) {
        take(4);
        return;
      }
      throw refused(python.substring(at, Math.min(python.length(), at + 4)));
    }

    private InputException refused(String construct) {
      return new InputException(
          where
              + ": '"
              + python
              + "' has "
              + construct
              + ", which is not supported in a regular expression here; name the modules in a"
              + " list instead");
    }
  }
}
