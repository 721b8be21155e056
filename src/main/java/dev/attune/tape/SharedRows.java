package dev.attune.tape;

import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import java.util.List;
import java.util.function.Supplier;

/**
 * Whose rows the ops of a pass run on: those of all, or, where several jobs share it, those of each
 * job in turn, with the random streams that it would have alone.
 */
final class SharedRows {
  private final Backend backend;
  private final long seed;
  private List<RowRange> ranges = List.of(); // empty: nobody shares
  private RowRange within; // whose ops run; null: those of all rows
  private boolean whole; // a kernel runs for all rows at once
  private int streams;

  /**
   * @param seed of the dropout masks of a pass that nobody shares
   */
  SharedRows(Backend backend, long seed) {
    this.backend = backend;
    this.seed = seed;
  }

  /** Starts a pass: no job has rows of its own, no stream is taken. */
  void begin() {
    ranges = List.of();
    within = null;
    streams = 0;
  }

  /** See {@link Tape#share}. */
  void share(List<RowRange> jobs) {
    ranges = List.copyOf(jobs);
  }

  /** The jobs' ranges, where ops run for several; else none. */
  List<RowRange> ranges() {
    return within == null ? ranges : List.of();
  }

  /** The job whose ops run; null: all. */
  RowRange current() {
    return within;
  }

  /** Goes on with the ops of a job; null: of all. */
  void enter(RowRange range) {
    within = range;
  }

  <T> T within(RowRange range, Supplier<T> body) {
    RowRange outer = within;
    within = range;
    try {
      return body.get();
    } finally {
      within = outer;
    }
  }

  void whole(Runnable body) {
    whole = true;
    try {
      body.run();
    } finally {
      whole = false;
    }
  }

  /** Runs a kernel, once for the rows of each job unless its rows need not be told apart. */
  void run(Call call) {
    boolean isOfBytes = call instanceof CopyCall || call instanceof FillZeroCall;
    if (whole || isOfBytes || ranges().isEmpty()) {
      backend.run(call);
      return;
    }
    if (!(call instanceof RowCall rows)) {
      throw new UnsupportedOperationException(
          call.getClass().getName() + " does not tell the rows of jobs apart");
    }
    for (RowRange range : ranges) {
      backend.run(rows.ofRows(range));
    }
  }

  /** Of the masks of the ops that run. */
  long seed() {
    return within == null ? seed : within.seed();
  }

  /** Takes so many consecutive streams; returns the first. */
  long takeStreams(int count) {
    if (within != null) {
      return within.takeStreams(count);
    }
    long first = streams;
    streams += count;
    ranges.forEach(range -> range.takeStreams(first, count));
    return first;
  }

  /** How many streams are taken: of the pass, then of each job. */
  long[] streams() {
    long[] taken = new long[1 + ranges.size()];
    taken[0] = streams;
    for (int i = 0; i < ranges.size(); i++) {
      taken[i + 1] = ranges.get(i).taken();
    }
    return taken;
  }

  /** Goes back, or on, to what {@link #streams} told. */
  void takeAgain(long[] taken) {
    streams = (int) taken[0];
    for (int i = 0; i < ranges.size(); i++) {
      ranges.get(i).takeAgain(taken[i + 1]);
    }
  }
}
