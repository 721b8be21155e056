package dev.attune.kernels.cuda;

import java.nio.ByteBuffer;

/**
 * Copies between the host's ordinary memory and the device, through page-locked buffers that copies
 * take in turn: those to the device are enqueued and do not wait.
 */
final class Transfers implements AutoCloseable {
  /** A step makes four or five small uploads, and some steps' are under way at a time. */
  private static final int STAGES = 24;

  /** One call's bytes may need several. */
  private static final int STAGE_BYTES = 512 << 10;

  private final CudaRuntime runtime;
  private final ByteBuffer[] stages = new ByteBuffer[STAGES];

  /** When the last copy out of a stage was done. */
  private final long[] events = new long[STAGES];

  private int next;

  Transfers(CudaRuntime runtime) {
    this.runtime = runtime;
    for (int i = 0; i < STAGES; i++) {
      stages[i] = runtime.allocateHost(STAGE_BYTES);
      events[i] = runtime.createEvent();
    }
  }

  /** Enqueues a copy of what remains of a buffer, which may change as soon as this returns. */
  void upload(long address, ByteBuffer source) {
    long at = address;
    while (source.hasRemaining()) {
      int size = Math.min(STAGE_BYTES, source.remaining());
      ByteBuffer stage = stages[next];
      runtime.await(events[next]); // until its copy before has left it
      stage.put(0, source, source.position(), size);
      source.position(source.position() + size);
      runtime.copyToDevice(at, stage, size);
      runtime.record(events[next]);
      next = (next + 1) % STAGES;
      at += size;
    }
  }

  /**
   * Fills what remains of a buffer.
   *
   * @param arrive waits for the work so far; called at least once
   */
  void download(ByteBuffer target, long address, Runnable arrive) {
    long at = address;
    do {
      int size = Math.min(STAGE_BYTES, target.remaining());
      ByteBuffer stage = stages[next];
      runtime.await(events[next]);
      if (size > 0) {
        runtime.copyToHost(stage, 0, at, size);
      }
      arrive.run();
      target.put(target.position(), stage, 0, size);
      target.position(target.position() + size);
      at += size;
    } while (target.hasRemaining());
  }

  @Override
  public void close() {
    for (int i = 0; i < STAGES; i++) {
      runtime.await(events[i]);
      runtime.destroyEvent(events[i]);
      runtime.freeHost(stages[i]);
    }
  }
}
