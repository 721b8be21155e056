package dev.attune.kernels.torch;

import dev.attune.core.Check;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;

/**
 * Host memory from the C library: zeroed, 64-byte aligned. Large requests become fresh pages of the
 * system, which cost nothing until touched.
 */
final class TorchMemory {
  private static final long ALIGNMENT = 64;

  private record Allocation(long base, long sizeBytes) {}

  private final Map<Long, Allocation> live = new HashMap<>();

  synchronized long allocate(long sizeBytes) {
    Check.argument(
        sizeBytes > 0 && sizeBytes <= Long.MAX_VALUE - ALIGNMENT,
        "allocate: sizeBytes = %d; it must be 1 and up",
        sizeBytes);
    Pointer block = Pointer.calloc(1, sizeBytes + ALIGNMENT);
    if (block == null || block.isNull()) {
      throw new DeviceMemoryException(
          String.format(
              "out of memory: %d MiB were wanted and %d of %d MiB are free on this machine",
              sizeBytes >> 20,
              Pointer.availablePhysicalBytes() >> 20,
              Pointer.totalPhysicalBytes() >> 20));
    }
    long base = block.address();
    long address = (base + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    live.put(address, new Allocation(base, sizeBytes));
    return address;
  }

  synchronized void free(long address, long sizeBytes) {
    Allocation allocation = live.get(address);
    Check.argument(
        allocation != null,
        "free: address = 0x%x; it must be one that allocate gave and that is not freed",
        address);
    Check.argument(
        allocation.sizeBytes == sizeBytes,
        "free: sizeBytes = %d; it must be that of the allocation, %d",
        sizeBytes,
        allocation.sizeBytes);
    live.remove(address);
    Pointer.free(new NativePointer(allocation.base, sizeBytes));
  }

  static void zero(long address, long sizeBytes) {
    Pointer.memset(new NativePointer(address, sizeBytes), 0, sizeBytes);
  }

  private static void copy(long out, long inp, long sizeBytes) {
    Pointer.memcpy(new NativePointer(out, sizeBytes), new NativePointer(inp, sizeBytes), sizeBytes);
  }

  static void fillZero(FillZeroCall call) {
    if (call.bytes() > 0) {
      zero(call.out(), call.bytes());
    }
  }

  static void copy(CopyCall call) {
    if (call.bytes() > 0) {
      copy(call.out(), call.inp(), call.bytes());
    }
  }

  static ByteBuffer view(long address, long sizeBytes) {
    Check.argument(
        sizeBytes >= 0 && sizeBytes <= Integer.MAX_VALUE,
        "view: sizeBytes = %d; it must be 0..%d",
        sizeBytes,
        Integer.MAX_VALUE);
    return new NativePointer(address, sizeBytes).asByteBuffer().order(ByteOrder.nativeOrder());
  }
}
