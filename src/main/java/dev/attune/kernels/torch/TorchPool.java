package dev.attune.kernels.torch;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.javacpp.PointerScope;

/**
 * The threads of a backend: they share the tiles of one call and sleep between calls. How a call is
 * cut into tiles depends on its shapes alone, so the number of threads does not change a result.
 *
 * <p>Each tile runs inside a PointerScope of its own, so memory for temporaries is that of one tile
 * a thread.
 */
final class TorchPool implements AutoCloseable {
  /** Elements of a tile: its few f32 temporaries stay in the cache. */
  static final long TILE = 1L << 18;

  /** Shape of a block of a matrix product: large against the packing of its operands. */
  private static final long BLOCK_ROWS = 256;

  private static final long BLOCK_COLUMNS = 512;

  @FunctionalInterface
  interface Tile {
    void run(long index);
  }

  @FunctionalInterface
  interface Range {
    void run(long first, long length);
  }

  @FunctionalInterface
  interface Block {
    void run(long row, long rows, long column, long columns);
  }

  private final int threads;
  private final ExecutorService helpers;

  TorchPool(int threads) {
    this.threads = threads;
    AtomicInteger number = new AtomicInteger();
    this.helpers =
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            task -> {
              Thread thread = new Thread(task, "attune-torch-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  /** Runs tiles 0..count-1, each once, on the caller's thread and the helpers. */
  void tiles(long count, Tile tile) {
    if (count <= 0) {
      return;
    }
    Batch batch = new Batch(count, tile);
    for (long i = 1; i < Math.min(threads, count); i++) {
      helpers.execute(batch);
    }
    batch.run();
    batch.await();
  }

  /** Cuts {@code count} elements (or rows) into ranges of {@code step}. */
  void ranges(long count, long step, Range range) {
    tiles(
        (count + step - 1) / step,
        index -> range.run(index * step, Math.min(step, count - index * step)));
  }

  /** Cuts a matrix into blocks that are worth a product each. */
  void blocks(long rows, long columns, Block block) {
    long across = (columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    tiles(
        (rows + BLOCK_ROWS - 1) / BLOCK_ROWS * across,
        index -> {
          long row = index / across * BLOCK_ROWS;
          long column = index % across * BLOCK_COLUMNS;
          block.run(
              row,
              Math.min(BLOCK_ROWS, rows - row),
              column,
              Math.min(BLOCK_COLUMNS, columns - column));
        });
  }

  /** Rows of width C in a tile; a multiple of a random block, so that masks start at one. */
  static long rowsOfTile(long C) {
    return Math.max(1, TILE / C / TorchDropout.LANES) * TorchDropout.LANES;
  }

  @Override
  public void close() {
    helpers.shutdown();
  }

  /** The tiles of one call. A helper that comes late finds none left. */
  private static final class Batch implements Runnable {
    private final long count;
    private final Tile tile;
    private final AtomicLong next = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private long done;

    Batch(long count, Tile tile) {
      this.count = count;
      this.tile = tile;
    }

    @Override
    public void run() {
      for (long index = next.getAndIncrement(); index < count; index = next.getAndIncrement()) {
        if (failure.get() == null) {
          runOne(index);
        }
        synchronized (this) {
          if (++done == count) {
            notifyAll();
          }
        }
      }
    }

    @SuppressWarnings("try") // the scope is there to be closed
    private void runOne(long index) {
      try (PointerScope scope = new PointerScope()) {
        tile.run(index);
      } catch (RuntimeException | Error e) {
        failure.compareAndSet(null, e);
      }
    }

    /** Waits for every tile even if interrupted: they borrow the caller's memory. */
    void await() {
      boolean interrupted = false;
      synchronized (this) {
        while (done < count) {
          try {
            wait();
          } catch (InterruptedException e) {
            interrupted = true;
          }
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      Throwable thrown = failure.get();
      if (thrown instanceof Error error) {
        throw error;
      } else if (thrown instanceof RuntimeException exception) {
        throw exception;
      }
    }
  }
}
