package dev.attune.jinja;

/** Something that writes. */
interface Statement {
  /** What comes after it. */
  enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  Flow render(Scope scope, Output out);
}
