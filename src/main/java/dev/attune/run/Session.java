package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.tape.Tape;

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

  /** The tape; its arena may grow to what the backend can reserve when this is first called. */
  Tape tape(long seed) {
    if (tape == null) {
      tape = new Tape(backend, new Arena(backend, backend.reservableBytes()), precision, seed);
    }
    return tape;
  }

  @Override
  public void close() {
    if (tape != null) {
      tape.close();
    }
    backend.close();
  }
}
