package dev.attune.kernels;

import dev.attune.kernels.calls.Op;
import java.util.concurrent.atomic.AtomicBoolean;

/** Kernels of a native library, in one context of it. */
public abstract class NativeBackend implements Backend {
  private final KernelLibrary library;
  private final Frame frame = new Frame();
  private final AtomicBoolean busy = new AtomicBoolean();
  private KeptCalls kept; // null: calls are not kept
  private Thread keeper; // whose calls are kept; null: nobody's

  protected NativeBackend(KernelLibrary library) {
    this.library = library;
  }

  /**
   * The context.
   *
   * @throws IllegalStateException if the backend is closed
   */
  protected abstract long ctx();

  /** The library, whose file says where the kernels come from. */
  public final KernelLibrary library() {
    return library;
  }

  @Override
  public void run(Call call) {
    long ctx = ctx();
    Op op = Op.of(call);
    enter(op.title());
    try {
      frame.take(op.title(), call);
      check(library.call(ctx, op, frame));
      if (kept != null) {
        kept.add(op, frame);
      }
    } finally {
      busy.setRelease(false);
    }
  }

  /** {@link Backend#keep} for a library that does all of a call with the arguments of its frame. */
  protected final Replay keepCalls(Runnable body) {
    KeptCalls calls = new KeptCalls(library);
    enter("calls that are to be kept");
    kept = calls;
    keeper = Thread.currentThread();
    busy.setRelease(false);
    try {
      body.run();
    } finally {
      kept = null;
      keeper = null;
    }
    calls.seal();
    return () -> runAgain(calls);
  }

  private void runAgain(KeptCalls calls) {
    long ctx = ctx();
    enter("calls that were kept");
    try {
      check(calls.run(ctx));
    } finally {
      busy.setRelease(false);
    }
  }

  /**
   * The frame is one thread's at a time, as the context is; while calls are kept, also between
   * them: another thread's would be kept, and run again, with them.
   */
  private void enter(String what) {
    boolean isOthers = busy.getAndSet(true);
    if (!isOthers && keeper != null && keeper != Thread.currentThread()) {
      busy.setRelease(false);
      isOthers = true;
    }
    if (isOthers) {
      throw new IllegalStateException(what + ": another thread is using the context");
    }
  }

  /** Refuses what {@link #run} would refuse before it calls the library. */
  protected final void checkArguments(Call call) {
    ctx();
    Op op = Op.of(call);
    enter(op.title());
    try {
      frame.take(op.title(), call);
    } finally {
      busy.setRelease(false);
    }
  }

  /** Throws what a status means, unless it is that all went well. */
  protected final void check(int status) {
    if (status != 0) {
      throw failure(status, library.lastError());
    }
  }

  /** What a failure means to the caller. */
  protected RuntimeException failure(int status, String message) {
    return KernelLibrary.failure(status, message);
  }
}
