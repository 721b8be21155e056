package dev.attune.data.mapped;

/** Where columns in the making lie. */
@FunctionalInterface
public interface Storage {
  /** Memory. */
  Storage MEMORY = name -> new IntArray();

  /**
   * A new column.
   *
   * @param name of which there is one
   */
  IntSink ints(String name);
}
