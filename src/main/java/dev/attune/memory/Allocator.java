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

  /**
   * A direct, native-order view of at most 2 GiB for the host.
   *
   * @throws UnsupportedOperationException if the host cannot address this memory
   */
  ByteBuffer view(long address, long sizeBytes);
}
