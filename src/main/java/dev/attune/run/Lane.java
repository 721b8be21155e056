package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostWindow;
import dev.attune.tape.Tape;
import dev.attune.task.Staging;
import dev.attune.train.Inference;

/**
 * What one thread needs to run a model whose weights it shares: a backend's context, a tape with
 * its arena, room for a batch. Memory grows to what its calls need, and stays.
 */
public final class Lane implements AutoCloseable {
  private final Backend backend;
  private final DType precision;
  private final boolean ownsBackend;
  private final Inference inference;
  private final Staging staging;
  private final HostWindow window;
  private Tape tape;
  private Thread user; // null: idle
  private int share;

  Lane(Backend backend, DType precision, boolean ownsBackend) {
    this.backend = backend;
    this.precision = precision;
    this.ownsBackend = ownsBackend;
    this.inference = new Inference(backend);
    this.staging = new Staging(backend);
    this.window = new HostWindow(backend);
  }

  /** Who has the lane; null: nobody. */
  Thread user() {
    return user;
  }

  void setUser(Thread thread) {
    user = thread;
  }

  /** How many of the backend's threads this lane may use. */
  void share(int threads) {
    if (threads != share) {
      share = threads;
      backend.share(threads);
    }
  }

  /** The context. */
  public Backend backend() {
    return backend;
  }

  /** Whether {@link #tape} was asked for before. */
  boolean hasTape() {
    return tape != null;
  }

  /** The tape, in the precision of the model. */
  public Tape tape() {
    return tape(0);
  }

  /**
   * The tape.
   *
   * @param leaveBytes of a device's memory, when this is first called
   */
  Tape tape(long leaveBytes) {
    if (tape == null) {
      tape = new Tape(backend, Session.arena(backend, leaveBytes), precision, 0);
    }
    return tape;
  }

  /** Room for a batch that is not the business of {@link #inference}. */
  Staging staging() {
    return staging;
  }

  /** The host's way to results. */
  HostWindow window() {
    return window;
  }

  /** Runs models with a head. */
  public Inference inference() {
    return inference;
  }

  @Override
  public void close() {
    inference.close();
    staging.close();
    if (tape != null) {
      tape.close();
    }
    if (ownsBackend) {
      backend.close();
    }
  }
}
