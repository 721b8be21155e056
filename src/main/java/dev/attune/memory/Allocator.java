package dev.attune.memory;

import java.nio.ByteBuffer;

/** Where buffers come from: implemented by each backend for its device. */
public interface Allocator {
  /**
   * Reserves zeroed memory; on the CPU its pages cost nothing until touched.
   *
   * @param hugePages whether large pages are wanted (a hint)
   * @return the address
   * @throws DeviceMemoryException if it cannot be had
   */
  long allocate(long sizeBytes, boolean hugePages);

  /** Frees what {@link #allocate} gave; the size must be the same. */
  void free(long address, long sizeBytes);

  /** Hints that a range of an allocation should use large pages or small ones. */
  void advise(long address, long sizeBytes, boolean hugePages);

  /** Gives the pages of a range back; they read as zero afterwards. */
  void discard(long address, long sizeBytes);

  /** Whether the host can address this memory, so that {@link #view} works. */
  boolean hasViews();

  /**
   * A direct, native-order view of at most 2 GiB for the host.
   *
   * @throws UnsupportedOperationException unless {@link #hasViews}
   */
  ByteBuffer view(long address, long sizeBytes);

  /**
   * Copies the remaining bytes of {@code source}, which it consumes, to {@code address}: after all
   * work that was asked for before, and before all that is asked for later. The source may be
   * changed once this returns.
   */
  default void upload(long address, ByteBuffer source) {
    view(address, source.remaining()).put(source);
  }

  /**
   * Fills {@code target} with the bytes from {@code address} on, as they are after all work that
   * was asked for before. On a device this waits for that work, and reports what went wrong with
   * it.
   */
  default void download(ByteBuffer target, long address) {
    target.put(view(address, target.remaining()));
  }
}
