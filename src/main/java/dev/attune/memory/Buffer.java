package dev.attune.memory;

import dev.attune.core.Check;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/** One allocation. Closing twice is fine; using a closed buffer throws. */
public final class Buffer implements AutoCloseable {
  private final Allocator allocator;
  private final long sizeBytes;
  private long address;

  private Buffer(Allocator allocator, long address, long sizeBytes) {
    this.allocator = allocator;
    this.address = address;
    this.sizeBytes = sizeBytes;
  }

  /** Allocates {@code sizeBytes} (at least 1) of zeroed memory. */
  public static Buffer allocate(Allocator allocator, long sizeBytes, boolean hugePages) {
    Check.argument(sizeBytes > 0, "a buffer needs at least one byte, not %d", sizeBytes);
    return new Buffer(allocator, allocator.allocate(sizeBytes, hugePages), sizeBytes);
  }

  public long address() {
    Check.state(address != 0, "the buffer is closed");
    return address;
  }

  public long sizeBytes() {
    return sizeBytes;
  }

  /** Host view of a byte range; see {@link Allocator#view}. */
  public ByteBuffer bytes(long offset, long length) {
    Check.argument(
        offset >= 0 && length >= 0 && offset + length <= sizeBytes,
        "range %d+%d is outside a buffer of %d bytes",
        offset,
        length,
        sizeBytes);
    return allocator.view(address() + offset, length);
  }

  /** Host view of {@code count} floats from element {@code first}. */
  public FloatBuffer floats(long first, long count) {
    return bytes(first * Float.BYTES, count * Float.BYTES).asFloatBuffer();
  }

  /** Host view of {@code count} ints from element {@code first}. */
  public IntBuffer ints(long first, long count) {
    return bytes(first * Integer.BYTES, count * Integer.BYTES).asIntBuffer();
  }

  @Override
  public void close() {
    if (address != 0) {
      long closing = address;
      address = 0;
      allocator.free(closing, sizeBytes);
    }
  }
}
