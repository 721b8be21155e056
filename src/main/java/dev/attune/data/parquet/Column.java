package dev.attune.data.parquet;

/** The values of a column in one row group, with the levels that place them in rows. */
final class Column {
  private final SchemaNode node;
  private final int[] repetition;
  private final int[] definition;
  private final Object[] values;
  private int at;
  private int nextValue;

  /**
   * A column's values.
   *
   * @param values those that are there, in order
   */
  Column(SchemaNode node, int[] repetition, int[] definition, Object[] values) {
    this.node = node;
    this.repetition = repetition;
    this.definition = definition;
    this.values = values;
  }

  boolean isAtEnd() {
    return at == definition.length;
  }

  /** Of the entry that comes next. */
  int definition() {
    if (isAtEnd()) {
      throw new DamagedException("a column with fewer values than rows");
    }
    return definition[at];
  }

  /** Of the entry that comes next; 0 at the end, where a row would begin. */
  int repetition() {
    return isAtEnd() ? 0 : repetition[at];
  }

  /** The next entry, of which the value is there or is not. */
  Object next() {
    boolean there = definition() == node.maxDefinition();
    at++;
    return there ? node.type().value(values[nextValue++]) : null;
  }
}
