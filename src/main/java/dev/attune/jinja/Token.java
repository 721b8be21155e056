package dev.attune.jinja;

/**
 * A piece of a template.
 *
 * @param text what it says: for strings without quotes and escapes
 * @param line where it stands, counted from 1
 */
record Token(Kind kind, String text, int line) {
  enum Kind {
    /** Text outside of any tag. */
    DATA,
    VARIABLE_BEGIN,
    VARIABLE_END,
    BLOCK_BEGIN,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean is(Kind wanted, String wantedText) {
    return kind == wanted && text.equals(wantedText);
  }
}
