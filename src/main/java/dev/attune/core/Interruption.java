package dev.attune.core;

/**
 * Interrupts a stretch of a thread's work, and nothing that the thread does after it: an interrupt
 * also closes files that are in use then, so it must not reach what is shared.
 */
public final class Interruption {
  private Thread thread; // guarded by this; null: outside the stretch
  private boolean isAsked; // guarded by this
  private boolean isReached; // guarded by this: the thread was interrupted

  /** The calling thread begins the stretch; throws where it was interrupted before. */
  public synchronized void begin() {
    if (isAsked) {
      throw new InterruptedCallException("interrupted before it began");
    }
    thread = Thread.currentThread();
  }

  /** Interrupts the stretch, or keeps it from beginning; nothing where it is over. */
  public synchronized void interrupt() {
    isAsked = true;
    if (thread != null) {
      isReached = true;
      thread.interrupt();
    }
  }

  /**
   * What has failed in the stretch: the interrupt, where there was one, whatever became of it on
   * its way up.
   */
  public synchronized RuntimeException cause(RuntimeException failure) {
    if (!isReached || failure instanceof InterruptedCallException) {
      return failure;
    }
    InterruptedCallException interrupted = new InterruptedCallException("interrupted");
    interrupted.addSuppressed(failure);
    return interrupted;
  }

  /** The calling thread, which began the stretch, is past it, and interrupted no more. */
  public synchronized void end() {
    if (thread != null) {
      thread = null;
      if (isReached) {
        isReached = false;
        Thread.interrupted();
      }
    }
  }
}
