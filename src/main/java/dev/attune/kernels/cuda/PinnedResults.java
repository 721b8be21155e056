package dev.attune.kernels.cuda;

import dev.attune.kernels.Results;
import java.nio.ByteBuffer;

/** Results in page-locked memory. */
final class PinnedResults implements Results {
  private final CudaBackend backend;
  private final CudaRuntime runtime;
  private final ByteBuffer[] memory;
  private final long[] events;

  PinnedResults(CudaBackend backend, CudaRuntime runtime, int slots, int slotBytes) {
    this.backend = backend;
    this.runtime = runtime;
    memory = new ByteBuffer[slots];
    events = new long[slots];
    backend.ctx();
    try {
      for (int i = 0; i < slots; i++) {
        memory[i] = runtime.allocateHost(slotBytes);
        events[i] = runtime.createEvent();
      }
    } catch (CudaFailure e) {
      throw backend.lost(e);
    }
  }

  @Override
  public void post(int slot, int offset, long address, int sizeBytes) {
    backend.ctx();
    try {
      runtime.copyToHost(memory[slot], offset, address, sizeBytes);
    } catch (CudaFailure e) {
      throw backend.lost(e);
    }
  }

  @Override
  public void seal(int slot) {
    backend.ctx();
    try {
      runtime.record(events[slot]);
    } catch (CudaFailure e) {
      throw backend.lost(e);
    }
  }

  @Override
  public ByteBuffer await(int slot) {
    backend.ctx();
    try {
      runtime.await(events[slot]);
    } catch (CudaFailure e) {
      throw backend.lost(e);
    }
    return memory[slot];
  }

  /** What belongs to a lost device goes with the process. */
  @Override
  public void close() {
    if (backend.isLost()) {
      return;
    }
    try {
      for (int i = 0; i < memory.length; i++) {
        runtime.await(events[i]);
        runtime.destroyEvent(events[i]);
        runtime.freeHost(memory[i]);
      }
    } catch (CudaFailure e) {
      throw backend.lost(e);
    }
  }
}
