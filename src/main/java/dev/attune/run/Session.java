package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.tape.Tape;
import java.lang.management.ManagementFactory;

/** A backend with the precision and the arena of one run. */
final class Session implements AutoCloseable {
  private final Backend backend;
  private final DType precision;
  private Tape tape;

  private Session(Backend backend, DType precision) {
    this.backend = backend;
    this.precision = precision;
  }

  /** Opens the backend that a config asks for. */
  static Session open(RunConfig config) {
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    Backend backend = Backends.open(config.text(RunOption.BACKEND), threads);
    try {
      return new Session(backend, Backends.precision(config.text(RunOption.PRECISION), backend));
    } catch (RuntimeException e) {
      backend.close();
      throw e;
    }
  }

  Backend backend() {
    return backend;
  }

  DType precision() {
    return precision;
  }

  String precisionName() {
    return precision == DType.BF16 ? "bf16" : "fp32";
  }

  /** The tape; its arena may grow to {@link #arenaBytes}. */
  Tape tape(long seed) {
    if (tape == null) {
      tape = new Tape(backend, new Arena(backend, arenaBytes()), precision, seed);
    }
    return tape;
  }

  /**
   * Address space for activations: half of the machine's memory, of which most is never touched.
   */
  static long arenaBytes() {
    java.lang.management.OperatingSystemMXBean bean = ManagementFactory.getOperatingSystemMXBean();
    return bean instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize() / 2
        : 8L << 30;
  }

  @Override
  public void close() {
    if (tape != null) {
      tape.close();
    }
    backend.close();
  }
}
