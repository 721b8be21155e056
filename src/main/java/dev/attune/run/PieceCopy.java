package dev.attune.run;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.memory.Buffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A copy of buffers that is made piece by piece on a thread of its own, while they are read and not
 * written. Who is about to write them helps with what is left, with all cores.
 */
final class PieceCopy {
  /** Large enough that all threads are worth waking for it, and little to wait for. */
  private static final long PIECE = 32L << 20;

  private record Piece(Buffer from, Buffer to, long at, long bytes) {}

  private final List<Piece> pieces = new ArrayList<>();
  private final AtomicInteger taken = new AtomicInteger();
  private CountDownLatch left = new CountDownLatch(0);
  private volatile Throwable failure; // of a piece, on whichever thread

  /** Adds a buffer of as many bytes, before anything is copied. */
  void add(Buffer from, Buffer to) {
    for (long at = 0; at < from.sizeBytes(); at += PIECE) {
      pieces.add(new Piece(from, to, at, Math.min(PIECE, from.sizeBytes() - at)));
    }
    left = new CountDownLatch(pieces.size());
  }

  /**
   * Copies what nobody else does, on one core, and waits for the rest.
   *
   * @throws IllegalStateException if a piece could not be copied: the copy is none
   */
  void run() {
    for (Piece piece = next(); piece != null; piece = next()) {
      try {
        piece
            .to()
            .view(piece.at(), piece.bytes())
            .put(piece.from().view(piece.at(), piece.bytes()));
      } catch (RuntimeException | Error e) {
        failure = e;
      } finally {
        left.countDown();
      }
    }
    awaitEnd();
    if (failure != null) {
      throw new IllegalStateException("the state could not be copied: " + failure, failure);
    }
  }

  /**
   * The same with all cores of a backend, on its thread.
   *
   * @param backend whose memory the buffers are
   */
  void help(Backend backend) {
    for (Piece piece = next(); piece != null; piece = next()) {
      try {
        backend.run(
            new CopyCall(
                piece.to().address() + piece.at(),
                piece.from().address() + piece.at(),
                piece.bytes()));
      } catch (RuntimeException | Error e) {
        failure = e;
        throw e;
      } finally {
        left.countDown();
      }
    }
    awaitEnd();
  }

  private Piece next() {
    int index = taken.getAndIncrement();
    return index < pieces.size() ? pieces.get(index) : null;
  }

  /** A piece takes milliseconds: an interrupt is told of after it. */
  private void awaitEnd() {
    boolean isInterrupted = false;
    while (left.getCount() > 0) {
      try {
        left.await();
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
