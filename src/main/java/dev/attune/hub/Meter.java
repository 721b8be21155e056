package dev.attune.hub;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

/** Bytes that several transfers have moved, and how fast. */
final class Meter {
  private static final long WINDOW_NANOS = 5_000_000_000L;

  private record Mark(long nanos, long bytes) {}

  private final AtomicLong done = new AtomicLong();
  private final AtomicLong total = new AtomicLong();
  private final AtomicLong moved = new AtomicLong();
  private final Deque<Mark> marks = new ArrayDeque<>();

  /** More is to come than was known. */
  void expect(long bytes) {
    total.addAndGet(bytes);
  }

  /** Bytes came. */
  void add(long bytes) {
    done.addAndGet(bytes);
    moved.addAndGet(bytes);
  }

  /** Bytes that had come before; negative where they must come again. */
  void found(long bytes) {
    done.addAndGet(bytes);
  }

  /** Tells where things stand; for one thread. */
  void tell(Progress progress) {
    long now = System.nanoTime();
    marks.addLast(new Mark(now, moved.get()));
    while (marks.size() > 2 && now - marks.peekFirst().nanos() > WINDOW_NANOS) {
      marks.removeFirst();
    }
    double seconds = (now - marks.peekFirst().nanos()) * 1e-9;
    long bytes = marks.peekLast().bytes() - marks.peekFirst().bytes();
    progress.transferred(done.get(), total.get(), seconds > 0 ? bytes / seconds : 0);
  }

  /** "1.42 GiB", "312 MiB", "17 KiB". */
  static String size(long bytes) {
    if (bytes >= 1L << 30) {
      return String.format(Locale.ROOT, "%.2f GiB", bytes / (double) (1L << 30));
    }
    return bytes >= 1L << 20 ? (bytes >> 20) + " MiB" : ((bytes + 1023) >> 10) + " KiB";
  }
}
