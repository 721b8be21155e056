package dev.attune.memory;

import dev.attune.core.Check;
import dev.attune.core.Term;
import java.nio.ByteBuffer;

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

  /**
   * Allocates zeroed memory.
   *
   * @param purpose what it is for, as the exception says if there is not enough
   */
  public static Buffer allocate(
      Allocator allocator, long sizeBytes, boolean hugePages, String purpose) {
    return allocate(
        allocator,
        sizeBytes,
        hugePages,
        purpose,
        "a smaller " + Term.BATCH_SIZE + " or " + Term.MAX_LENGTH);
  }

  /**
   * Allocates zeroed memory.
   *
   * @param purpose what it is for, as the exception says if there is not enough
   * @param remedies options with which less of this is needed, in terms
   */
  public static Buffer allocate(
      Allocator allocator, long sizeBytes, boolean hugePages, String purpose, String remedies) {
    try {
      return allocate(allocator, sizeBytes, hugePages);
    } catch (DeviceMemoryException e) {
      throw new DeviceMemoryException(
          "no room for " + purpose + ": " + e.getMessage() + "; " + remedies + " takes less", e);
    }
  }

  /** Whether it may still be used. */
  public boolean isOpen() {
    return address != 0;
  }

  public long address() {
    Check.state(address != 0, "the buffer is closed");
    return address;
  }

  public long sizeBytes() {
    return sizeBytes;
  }

  /** Copies the remaining bytes of a host buffer to here; see {@link Allocator#upload}. */
  public void write(long offset, ByteBuffer source) {
    checkRange(offset, source.remaining());
    allocator.upload(address() + offset, source);
  }

  /** Fills a host buffer with bytes from here; see {@link Allocator#download}. */
  public void read(long offset, ByteBuffer target) {
    checkRange(offset, target.remaining());
    allocator.download(target, address() + offset);
  }

  /**
   * The memory of a range itself, at most 2 GiB; null where the host cannot address it, and {@link
   * #read} copies.
   */
  public ByteBuffer view(long offset, long length) {
    checkRange(offset, length);
    return allocator.hasViews() ? allocator.view(address() + offset, length) : null;
  }

  private void checkRange(long offset, long length) {
    Check.argument(
        offset >= 0 && length >= 0 && offset + length <= sizeBytes,
        "range %d+%d is outside a buffer of %d bytes",
        offset,
        length,
        sizeBytes);
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
