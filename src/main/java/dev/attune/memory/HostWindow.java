package dev.attune.memory;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The host's way to ranges of device memory, one at a time: the memory itself where the host can
 * address it, else one copy, reused. What a call returns is valid until the next one.
 */
public final class HostWindow {
  private static final long VIEW_BYTES = 1L << 30;
  private static final long COPY_BYTES = 16L << 20;

  private final Allocator allocator;
  private ByteBuffer copy = ByteBuffer.allocateDirect(0);
  private long preparedAddress;
  private ByteBuffer prepared;

  public HostWindow(Allocator allocator) {
    this.allocator = allocator;
  }

  /** How large the pieces should be in which a long range is passed through this window. */
  public long pieceBytes() {
    return allocator.hasViews() ? VIEW_BYTES : COPY_BYTES;
  }

  /** The content of a range, in native order. */
  public ByteBuffer read(long address, long sizeBytes) {
    if (allocator.hasViews()) {
      return allocator.view(address, sizeBytes);
    }
    ByteBuffer bytes = copy(sizeBytes);
    allocator.download(bytes.duplicate(), address);
    return bytes;
  }

  /**
   * Room, in native order, for the new content of a range, which becomes it with {@link #commit};
   * every byte has to be written.
   */
  public ByteBuffer prepare(long address, long sizeBytes) {
    if (allocator.hasViews()) {
      return allocator.view(address, sizeBytes);
    }
    preparedAddress = address;
    prepared = copy(sizeBytes);
    return prepared.duplicate().order(ByteOrder.nativeOrder());
  }

  /** Makes what was written to the prepared room the content of its range. */
  public void commit() {
    if (prepared != null) {
      allocator.upload(preparedAddress, prepared);
      prepared = null;
    }
  }

  private ByteBuffer copy(long sizeBytes) {
    int size = Math.toIntExact(sizeBytes);
    if (copy.capacity() < size) {
      copy = ByteBuffer.allocateDirect(size);
    }
    return copy.slice(0, size).order(ByteOrder.nativeOrder());
  }
}
