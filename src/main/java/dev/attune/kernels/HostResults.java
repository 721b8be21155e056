package dev.attune.kernels;

import dev.attune.memory.Allocator;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Results of a backend in the host's memory: they are there once its calls have returned. */
final class HostResults implements Results {
  private final Allocator memory;
  private final ByteBuffer[] slots;

  HostResults(Allocator memory, int slots, int slotBytes) {
    this.memory = memory;
    this.slots = new ByteBuffer[slots];
    for (int i = 0; i < slots; i++) {
      this.slots[i] = ByteBuffer.allocate(slotBytes).order(ByteOrder.nativeOrder());
    }
  }

  @Override
  public void post(int slot, int offset, long address, int sizeBytes) {
    slots[slot].put(offset, memory.view(address, sizeBytes), 0, sizeBytes);
  }

  @Override
  public void seal(int slot) {}

  @Override
  public ByteBuffer await(int slot) {
    return slots[slot];
  }

  @Override
  public void close() {}
}
