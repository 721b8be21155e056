package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import java.util.function.UnaryOperator;

/** A backend with the precision and the arena of one run. */
public final class Session implements AutoCloseable {
  private static final long ARENA_STEP = 4096;

  private final Backend backend;
  private final DType precision;
  private final Session lender; // null: backend and tape are its own
  private Tape tape;
  private long leftBytes;

  private Session(Backend backend, DType precision, Session lender) {
    this.backend = backend;
    this.precision = precision;
    this.lender = lender;
  }

  /** The same backend and the same tape for one of several runs; this one is closed last. */
  Session lent() {
    return new Session(backend, precision, this);
  }

  /** Opens the backend that a config asks for. */
  public static Session open(RunConfig config) {
    return open(Compute.of(config));
  }

  static Session open(Compute compute) {
    return open(compute, UnaryOperator.identity());
  }

  /**
   * Opens a backend.
   *
   * @param seen what stands in its place for all who use it
   */
  static Session open(Compute compute, UnaryOperator<Backend> seen) {
    Backend backend = seen.apply(compute.open());
    try {
      return new Session(backend, compute.precision().on(backend), null);
    } catch (RuntimeException e) {
      backend.close();
      throw e;
    }
  }

  public Backend backend() {
    return backend;
  }

  public DType precision() {
    return precision;
  }

  public String precisionName() {
    return PrecisionOption.name(precision);
  }

  /** Takes the memory of a model's weights in training, and of those of its generator. */
  void prepareTraining(Model model) {
    model.parameters().enableTraining();
    model.parameters().prepare(precision);
    prepareGenerator(model, precision);
  }

  /** The same of a model that only answers. */
  static void prepareInference(Model model, DType precision) {
    model.parameters().prepareInference(precision);
    prepareGenerator(model, precision);
  }

  private static void prepareGenerator(Model model, DType precision) {
    if (model.generator() != null) {
      model.generator().parameters().prepareInference(precision);
    }
  }

  /** Memory that {@link #tape} leaves to keys and values, which are allocated after it. */
  public void leave(long cacheBytes) {
    leftBytes = cacheBytes;
  }

  /** The tape; its arena may grow to what the backend can reserve when this is first called. */
  public Tape tape(long seed) {
    if (lender != null) {
      return lender.tape(seed);
    }
    if (tape == null) {
      tape = new Tape(backend, arena(backend, leftBytes), precision, seed);
    }
    return tape;
  }

  /**
   * An arena that may take what a backend can reserve. That is most of a device's memory, taken at
   * once, so keys and values that come later need to be left room; on the CPU the arena follows
   * what is needed.
   */
  public static Arena arena(Backend backend, long cacheBytes) {
    long bytes = backend.reservableBytes();
    if (backend.device() == DeviceKind.CPU) {
      return Arena.growing(backend, bytes);
    }
    if (cacheBytes >= bytes) {
      throw new DeviceMemoryException(
          String.format(
              "no room for keys and values: %s are wanted, %s are free; a smaller %s,"
                  + " %s or %s takes less",
              DeviceMemoryException.size(cacheBytes),
              DeviceMemoryException.size(bytes),
              RunOption.STREAMS,
              RunOption.MAX_LENGTH,
              RunOption.MAX_NEW_TOKENS));
    }
    return new Arena(backend, (bytes - cacheBytes) / ARENA_STEP * ARENA_STEP);
  }

  @Override
  public void close() {
    if (lender != null) {
      return;
    }
    if (tape != null) {
      tape.close();
    }
    backend.close();
  }
}
