package dev.attune.data.mapped;

import dev.attune.core.InputException;
import dev.attune.core.Term;

/** A column of whole numbers in the making. */
public interface IntSink {
  /** The most of a column: who goes through it by pieces of up to 65,536 counts in an int. */
  int MOST = Integer.MAX_VALUE - (1 << 16);

  /**
   * The size of a column to which more is appended.
   *
   * @throws InputException if it were more than {@link #MOST}
   */
  static int grown(int size, int more) {
    if (more > MOST - size) {
      throw new InputException(
          String.format(
              "there are more than %,d rows, tokens or labels, which is as many as one set of data"
                  + " may have; train on fewer rows at a time, or with %s",
              MOST, Term.STREAMING));
    }
    return size + more;
  }

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
