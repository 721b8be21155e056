package dev.attune.kernels;

/**
 * A call on all rows of a batch that can be made on some of them alone: what it does to a row
 * depends on no other, but for those of the same sequence.
 */
public interface RowCall extends Call {
  /** The same for the rows of one job. */
  Call ofRows(RowRange range);
}
