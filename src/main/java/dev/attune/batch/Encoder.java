package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.data.mapped.Storage;

/**
 * Tokenises datasets on several threads, and packs what comes in the order of the rows, so that few
 * rows are held at a time. Results do not depend on how many threads there are.
 */
public final class Encoder {
  /** Rows that a thread takes at a time, and about the bytes of them where those are known. */
  private static final int CHUNK = 64;

  private static final int CHUNK_BYTES = 1 << 18;

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

  /** What becomes of each row. */
  RowEncoder<?> rows() {
    return rows;
  }

  /** Tokenises every example; a bad label or an example without text is an error with its row. */
  public EncodedDataset encode(Dataset dataset) {
    return encode(dataset, (done, total) -> {});
  }

  /** As {@link #encode(Dataset)}, telling how far it is. */
  public EncodedDataset encode(Dataset dataset, Progress progress) {
    return encode(dataset, Storage.MEMORY, progress);
  }

  /** The same with columns that lie elsewhere. */
  EncodedDataset encode(Dataset dataset, Storage storage, Progress progress) {
    return new Work<>(dataset, rows, storage, threads).run(progress);
  }

  /**
   * One dataset on its way. Threads take chunks of rows in their order and leave what became of
   * them in a ring, from which the caller packs; when nothing is ready it tokenises too.
   */
  private static final class Work<R> {
    private final Dataset dataset;
    private final RowEncoder<R> encoder;
    private final RowEncoder.Packing<R> packing;
    private final Thread[] helpers;
    private final Object[][] ring; // what became of chunk i at i % length; null: not ready
    private int nextRow; // to be taken
    private int taken; // chunks
    private int packed; // chunks
    private Throwable failure; // of the lowest chunk that failed
    private int failedChunk = Integer.MAX_VALUE;

    Work(Dataset dataset, RowEncoder<R> encoder, Storage storage, int threads) {
      this.dataset = dataset;
      this.encoder = encoder;
      this.packing = encoder.packing(dataset, storage);
      this.ring = new Object[2 * threads + 2][];
      helpers = new Thread[Math.max(0, chunks(threads) - 1)];
    }

    EncodedDataset run(Progress progress) {
      for (int i = 0; i < helpers.length; i++) {
        helpers[i] = new Thread(this::help, "attune-encode-" + (i + 1));
        helpers[i].setDaemon(true);
        helpers[i].start();
      }
      try {
        packAll(progress);
      } finally {
        stop();
      }
      EncodedDataset done = packing.done();
      progress.update(dataset.size(), dataset.size());
      return done;
    }

    private void packAll(Progress progress) {
      int done = 0;
      while (done < dataset.size()) {
        InterruptedCallException.check("tokenising " + dataset.source());
        Object[] ready = ready();
        if (ready != null) {
          for (Object row : ready) {
            @SuppressWarnings("unchecked") // that is what encode gave
            R encoded = (R) row;
            packing.add(encoded);
          }
          done += ready.length;
          packedOne();
          progress.update(done, dataset.size());
        } else if (!encodeOne()) {
          await();
        }
      }
    }

    /** The next chunk to pack, where it is ready. */
    private synchronized Object[] ready() {
      if (failedChunk == packed) {
        throwFailure();
      }
      int slot = packed % ring.length;
      Object[] ready = ring[slot];
      ring[slot] = null;
      return ready;
    }

    private void throwFailure() {
      if (failure instanceof Error error) {
        throw error;
      }
      throw (RuntimeException) failure;
    }

    private synchronized void packedOne() {
      packed++;
      notifyAll();
    }

    private synchronized void await() {
      try {
        while (ring[packed % ring.length] == null && failedChunk != packed) {
          wait();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt(); // seen before the next chunk
      }
    }

    private void help() {
      while (awaitRoom() && encodeOne()) {
        // the next one
      }
    }

    /** Waits until a chunk may be taken; false where there is none any more. */
    private synchronized boolean awaitRoom() {
      try {
        while (nextRow < dataset.size() && taken - packed >= ring.length) {
          wait();
        }
      } catch (InterruptedException e) {
        return false; // stopped
      }
      return nextRow < dataset.size();
    }

    /** Takes a chunk and tokenises it; false where none may be taken. */
    private boolean encodeOne() {
      int chunk;
      int begin;
      int end;
      synchronized (this) {
        if (nextRow >= dataset.size() || taken - packed >= ring.length) {
          return false;
        }
        begin = nextRow;
        end = chunkEnd(begin);
        nextRow = end;
        chunk = taken++;
      }
      Object[] out = new Object[end - begin];
      try {
        for (int i = begin; i < end; i++) {
          out[i - begin] = encoder.encodeAt(dataset, i);
        }
      } catch (RuntimeException | Error e) {
        fail(chunk, e);
        return false;
      }
      synchronized (this) {
        ring[chunk % ring.length] = out;
        notifyAll();
      }
      return true;
    }

    /** Chunks that there are, of which more than {@code most} are not counted. */
    private int chunks(int most) {
      int count = 0;
      for (int row = 0; row < dataset.size() && count < most; row = chunkEnd(row)) {
        count++;
      }
      return count;
    }

    private int chunkEnd(int begin) {
      int end = begin;
      long bytes = 0;
      while (end < dataset.size() && end - begin < CHUNK && bytes < CHUNK_BYTES) {
        bytes += dataset.storedBytes(end++);
      }
      return end;
    }

    /** Chunks before it are packed first: the first bad row is the one that is told. */
    private synchronized void fail(int chunk, Throwable why) {
      if (chunk < failedChunk) {
        failedChunk = chunk;
        failure = why;
      }
      nextRow = dataset.size();
      notifyAll();
    }

    /** Ends the helpers: each ends its chunk. */
    private void stop() {
      synchronized (this) {
        nextRow = dataset.size();
        notifyAll();
      }
      boolean interrupted = false;
      for (Thread helper : helpers) {
        helper.interrupt();
        while (helper.isAlive()) {
          try {
            helper.join();
          } catch (InterruptedException e) {
            interrupted = true; // they end by themselves, soon
          }
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
