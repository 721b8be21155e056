package dev.attune.bench;

import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;

/** Brings the machine into the state of the middle of a training step before each timed call. */
final class CallState implements AutoCloseable {
  /** Read and written once each: 128 MiB in all, several times a last-level cache. */
  private static final long FLUSH_BYTES = 64L << 20;

  /** Enough work for every thread of either backend to get a share. */
  private static final long WAKE_COUNT = 1L << 18;

  private final Backend backend;
  private final Buffer source;
  private final Buffer target;
  private final Buffer small;

  CallState(Backend backend) {
    this.backend = backend;
    this.source = Buffer.allocate(backend, FLUSH_BYTES, true);
    this.target = Buffer.allocate(backend, FLUSH_BYTES, true);
    this.small = Buffer.allocate(backend, WAKE_COUNT * Float.BYTES, true);
    backend.run(new FillZeroCall(source.address(), FLUSH_BYTES));
  }

  /** Pushes everything out of the caches. */
  void flushCaches() {
    backend.run(new CopyCall(target.address(), source.address(), FLUSH_BYTES));
  }

  /** Wakes the backend's threads. */
  void wakeThreads() {
    backend.run(new ActivationCall.Forward(
        small.address(), small.address(), WAKE_COUNT, Activation.RELU, DType.F32));
  }

  @Override
  public void close() {
    source.close();
    target.close();
    small.close();
  }
}
