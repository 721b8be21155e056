package dev.attune.kernels;

import dev.attune.core.Check;
import java.util.Arrays;

/**
 * The rows of one job in a pass that several share: which they are, and what keys the job's dropout
 * masks. The job's rows are computed as if there were no others, so its random streams are numbered
 * as they would be then, while the pass numbers those of ops that all jobs have in common.
 */
public final class RowRange {
  private final long first;
  private final long rows;
  private final long total;
  private final Sequences sequences;
  private final long seed;
  private final long streamBase;
  private long[] streams = new long[256]; // the job's, by the numbers of the pass
  private long taken; // of the job's

  /**
   * The sequences of the rows.
   *
   * @param cuSeqlens address of their bounds, i32 (count+1), counted from the job's first row
   * @param count how many
   * @param maxLength which the rows of none exceed
   */
  public record Sequences(long cuSeqlens, long count, long maxLength) {}

  /**
   * @param first row of the pass
   * @param rows of the job
   * @param total rows of the pass
   * @param seed of the job's masks
   * @param streamBase what is added to the job's streams in this pass
   */
  public RowRange(
      long first, long rows, long total, Sequences sequences, long seed, long streamBase) {
    this.first = first;
    this.rows = rows;
    this.total = total;
    this.sequences = sequences;
    this.seed = seed;
    this.streamBase = streamBase;
  }

  /** The first row, of the pass. */
  public long first() {
    return first;
  }

  /** How many rows. */
  public long rows() {
    return rows;
  }

  /** The sequences of the rows. */
  public Sequences sequences() {
    return sequences;
  }

  /** Of the job's masks. */
  public long seed() {
    return seed;
  }

  /** The address of the job's first row in a tensor of all rows; 0 where there is no tensor. */
  public long at(long address, long rowBytes) {
    return address == 0 ? 0 : address + first * rowBytes;
  }

  /** The job's rows of a call on all of them. */
  public long of(long count) {
    Check.state(count == total, "a call on %d rows in a pass of %d", count, total);
    return rows;
  }

  /** Elements of a row of a tensor of all rows that has so many in all. */
  public long rowElements(long count) {
    Check.state(count % total == 0, "%d elements of %d rows", count, total);
    return count / total;
  }

  /** Takes streams of the job alone; returns the first. */
  public long takeStreams(int count) {
    long own = streamBase + taken;
    taken += count;
    return own;
  }

  /** Takes streams for an op of all jobs, which the pass numbers from {@code shared} on. */
  public void takeStreams(long shared, int count) {
    int at = Math.toIntExact(shared);
    if (at + count > streams.length) {
      streams = Arrays.copyOf(streams, 2 * (at + count));
    }
    for (int i = 0; i < count; i++) {
      streams[at + i] = takeStreams(1);
    }
  }

  /** The job's stream for one of the pass. */
  public long stream(long shared) {
    return streams[Math.toIntExact(shared)];
  }

  /** How many streams the job has taken. */
  public long taken() {
    return taken;
  }

  /** Takes the streams from there on once more. */
  public void takeAgain(long from) {
    taken = from;
  }
}
