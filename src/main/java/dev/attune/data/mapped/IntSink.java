package dev.attune.data.mapped;

/** A column of whole numbers in the making. */
public interface IntSink {
  /** Appends a number. */
  void add(int value);

  /** Appends the numbers {@code values[from .. from+count-1]}. */
  default void addAll(int[] values, int from, int count) {
    for (int i = from; i < from + count; i++) {
      add(values[i]);
    }
  }

  /** How many were appended. */
  int size();

  /** The column, which nothing may be appended to afterwards. */
  Ints done();
}
