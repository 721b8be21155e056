package dev.attune.testkit;

import dev.attune.memory.Allocator;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Host memory as an allocator of the product's interface, for tests of who owns what: knows what is
 * live, can run out at a chosen call, and can refuse views as a device does.
 */
public final class HostAllocator implements Allocator {
  private final Map<Long, BytePointer> live = new HashMap<>();
  private final boolean views;
  private int calls;
  private int failingCall;

  /**
   * @param views whether the host can address this memory
   */
  public HostAllocator(boolean views) {
    this.views = views;
  }

  /** Lets the n-th allocation from here on fail, counted from 1. */
  public void failAt(int call) {
    calls = 0;
    failingCall = call;
  }

  /** How many allocations are live. */
  public int liveCount() {
    return live.size();
  }

  @Override
  public long allocate(long sizeBytes, boolean hugePages) {
    if (++calls == failingCall) {
      throw new DeviceMemoryException(sizeBytes + " bytes were wanted, 0 are free");
    }
    BytePointer pointer = new BytePointer(sizeBytes);
    Pointer.memset(pointer, 0, sizeBytes);
    live.put(pointer.address(), pointer);
    return pointer.address();
  }

  @Override
  public void free(long address, long sizeBytes) {
    BytePointer pointer = live.remove(address);
    if (pointer == null || pointer.capacity() != sizeBytes) {
      throw new AssertionError("freed " + sizeBytes + " bytes that are not a live allocation");
    }
    pointer.deallocate();
  }

  @Override
  public void advise(long address, long sizeBytes, boolean hugePages) {}

  @Override
  public void discard(long address, long sizeBytes) {
    Pointer.memset(new NativePointer(address, sizeBytes), 0, sizeBytes);
  }

  @Override
  public boolean hasViews() {
    return views;
  }

  @Override
  public ByteBuffer view(long address, long sizeBytes) {
    if (!views) {
      throw new UnsupportedOperationException("the host cannot address this memory");
    }
    return bytes(address, sizeBytes);
  }

  @Override
  public void upload(long address, ByteBuffer source) {
    bytes(address, source.remaining()).put(source);
  }

  @Override
  public void download(ByteBuffer target, long address) {
    target.put(bytes(address, target.remaining()));
  }

  private static ByteBuffer bytes(long address, long sizeBytes) {
    return new NativePointer(address, sizeBytes).asByteBuffer().order(ByteOrder.nativeOrder());
  }
}
