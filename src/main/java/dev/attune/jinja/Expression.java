package dev.attune.jinja;

/** Something that has a value. */
interface Expression {
  Object value(Scope scope);
}
