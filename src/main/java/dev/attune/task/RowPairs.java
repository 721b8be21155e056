package dev.attune.task;

/** All pairs of labelled rows, those that are alike and those that are not, each kind numbered. */
interface RowPairs {
  /** How many are alike. */
  long alike();

  /** How many are not. */
  long others();

  /** The two rows of a pair of a kind by its number, from 0. */
  int[] pair(boolean alike, long number);
}
