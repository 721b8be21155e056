package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;

/** Tokenises datasets on several threads. Results do not depend on how many. */
public final class Encoder {
  private static final int CHUNK = 64;

  /** Hears how far an encoding is; called on the thread that called {@link Encoder#encode}. */
  @FunctionalInterface
  public interface Progress {
    void update(int done, int total);
  }

  private final RowEncoder<?> rows;
  private final int threads;

  /**
   * @param rows says what becomes of each row
   * @param threads how many threads tokenise, the caller's among them
   */
  public Encoder(RowEncoder<?> rows, int threads) {
    Check.input(threads >= 1, "%d threads: there must be at least 1", threads);
    this.rows = rows;
    this.threads = threads;
  }

  /** Tokenises every example; a bad label or an example without text is an error with its row. */
  public EncodedDataset encode(Dataset dataset) {
    return encode(dataset, (done, total) -> {});
  }

  /** As {@link #encode(Dataset)}, telling how far it is. */
  public EncodedDataset encode(Dataset dataset, Progress progress) {
    return encode(dataset, rows, progress);
  }

  private <R> EncodedDataset encode(Dataset dataset, RowEncoder<R> encoder, Progress progress) {
    @SuppressWarnings("unchecked") // never seen as an array
    R[] out = (R[]) new Object[dataset.size()];
    List<R> list = Arrays.asList(out);
    tokenise(dataset, list, encoder::encode, progress);
    return encoder.pack(dataset, list);
  }

  /** Fills {@code out} with what {@code encode} makes of each example. */
  private <T> void tokenise(
      Dataset dataset, List<T> out, BiFunction<Dataset, Example, T> encode, Progress progress) {
    int total = dataset.size();
    AtomicInteger taken = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    Throwable[] failures = new Throwable[threads];
    int helpers = Math.min(threads - 1, (total - 1) / CHUNK);
    Thread[] others = new Thread[Math.max(0, helpers)];
    for (int i = 0; i < others.length; i++) {
      int slot = i + 1;
      others[i] =
          new Thread(
              () -> {
                try {
                  work(dataset, out, encode, taken, done, (d, n) -> {});
                } catch (RuntimeException | Error e) {
                  failures[slot] = e;
                  taken.set(total); // the others stop after their chunk
                }
              },
              "attune-encode-" + slot);
      others[i].setDaemon(true);
      others[i].start();
    }
    try {
      work(dataset, out, encode, taken, done, progress);
    } catch (RuntimeException | Error e) {
      failures[0] = e;
      taken.set(total);
    }
    boolean interrupted = false;
    for (Thread other : others) {
      while (other.isAlive()) {
        try {
          other.join();
        } catch (InterruptedException e) {
          interrupted = true; // the threads end by themselves, soon
          taken.set(total);
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt(); // whatever is thrown now
    }
    for (Throwable failure : failures) {
      if (failure instanceof Error error) {
        throw error;
      }
      if (failure instanceof RuntimeException exception) {
        throw exception;
      }
    }
    if (interrupted) {
      throw new InterruptedCallException("interrupted while tokenising " + dataset.source());
    }
    progress.update(total, total);
  }

  private static <T> void work(
      Dataset dataset,
      List<T> out,
      BiFunction<Dataset, Example, T> encode,
      AtomicInteger taken,
      AtomicInteger done,
      Progress progress) {
    int total = out.size();
    while (true) {
      InterruptedCallException.check("tokenising");
      int begin = taken.getAndUpdate(t -> t >= total ? t : t + CHUNK);
      if (begin >= total) {
        return;
      }
      int end = Math.min(total, begin + CHUNK);
      for (int i = begin; i < end; i++) {
        out.set(i, encode.apply(dataset, dataset.get(i)));
      }
      progress.update(done.addAndGet(end - begin), total);
    }
  }
}
