package dev.attune.text.jinja;

/** Something that has a value. */
interface Expression {
  Object value(Scope scope);
}
