package dev.attune.memory;

import dev.attune.core.Check;
import java.util.Arrays;

/**
 * Blocks inside one reservation: activations, their gradients, temporaries. First-fit over a list
 * of free ranges kept in address order; neighbours coalesce. The same sequence of calls gives the
 * same addresses. Allocates nothing itself once its lists have grown to the working set.
 */
public final class Arena implements AutoCloseable {
  /** Blocks start at cache lines. */
  private static final long ALIGNMENT = 64;

  private final Buffer buffer;
  private final long capacityBytes;

  // Free ranges, ascending and disjoint, as offsets.
  private long[] freeBegin = new long[64];
  private long[] freeEnd = new long[64];
  private int freeCount;

  // Live blocks, unordered: offset and size.
  private long[] liveOffset = new long[256];
  private long[] liveSize = new long[256];
  private long[] liveSerial = new long[256];
  private long nextSerial;
  private int liveCount;

  private long highWaterBytes;

  /**
   * @param capacityBytes address space to reserve; on the CPU it costs memory only where touched
   */
  public Arena(Allocator allocator, long capacityBytes) {
    this.buffer = Buffer.allocate(allocator, capacityBytes, true, "activations");
    this.capacityBytes = capacityBytes;
    reset();
  }

  /**
   * The address of a new block of at least {@code sizeBytes}.
   *
   * @throws DeviceMemoryException if no free range is large enough
   */
  public long allocate(long sizeBytes) {
    Check.argument(sizeBytes >= 0, "negative size %d", sizeBytes);
    long size = Math.max(ALIGNMENT, (sizeBytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    for (int i = 0; i < freeCount; i++) {
      if (freeEnd[i] - freeBegin[i] >= size) {
        long offset = freeBegin[i];
        freeBegin[i] += size;
        if (freeBegin[i] == freeEnd[i]) {
          removeFree(i);
        }
        addLive(offset, size);
        highWaterBytes = Math.max(highWaterBytes, offset + size);
        return buffer.address() + offset;
      }
    }
    throw new DeviceMemoryException(
        String.format(
            "a block of %s was wanted; of %s, %s are in use, and the largest free range has %s",
            DeviceMemoryException.size(size),
            DeviceMemoryException.size(capacityBytes),
            DeviceMemoryException.size(liveBytes()),
            DeviceMemoryException.size(largestFreeBytes())));
  }

  private long largestFreeBytes() {
    long largest = 0;
    for (int i = 0; i < freeCount; i++) {
      largest = Math.max(largest, freeEnd[i] - freeBegin[i]);
    }
    return largest;
  }

  /** Frees a block; its address must come from {@link #allocate} and not be freed already. */
  public void free(long address) {
    long offset = address - buffer.address();
    for (int i = liveCount - 1; i >= 0; i--) {
      if (liveOffset[i] == offset) {
        addFree(offset, offset + liveSize[i]);
        liveCount--;
        liveOffset[i] = liveOffset[liveCount];
        liveSize[i] = liveSize[liveCount];
        liveSerial[i] = liveSerial[liveCount];
        return;
      }
    }
    throw new IllegalStateException("not a live block of this arena: " + Long.toHexString(address));
  }

  /** A moment, for {@link #freeSince}. */
  public long mark() {
    return nextSerial;
  }

  /** Frees the blocks that were allocated since a moment, but for some. */
  public void freeSince(long mark, long... keep) {
    for (int i = liveCount - 1; i >= 0; i--) {
      long block = buffer.address() + liveOffset[i];
      if (liveSerial[i] >= mark && Arrays.stream(keep).noneMatch(kept -> kept == block)) {
        free(block);
      }
    }
  }

  /** Frees every block but two, which may be one. */
  public void retainOnly(long first, long second) {
    for (int i = liveCount - 1; i >= 0; i--) {
      long block = buffer.address() + liveOffset[i];
      if (block != first && block != second) {
        free(block);
      }
    }
  }

  /** Frees every block. */
  public void reset() {
    liveCount = 0;
    freeCount = 1;
    freeBegin[0] = 0;
    freeEnd[0] = capacityBytes;
  }

  /** Bytes in live blocks. */
  public long liveBytes() {
    long sum = 0;
    for (int i = 0; i < liveCount; i++) {
      sum += liveSize[i];
    }
    return sum;
  }

  /** What was reserved. */
  public long capacityBytes() {
    return capacityBytes;
  }

  /** The most that was ever in use, counted to the end of the last block. */
  public long highWaterBytes() {
    return highWaterBytes;
  }

  @Override
  public void close() {
    buffer.close();
  }

  private void addLive(long offset, long size) {
    if (liveCount == liveOffset.length) {
      liveOffset = Arrays.copyOf(liveOffset, liveCount * 2);
      liveSize = Arrays.copyOf(liveSize, liveCount * 2);
      liveSerial = Arrays.copyOf(liveSerial, liveCount * 2);
    }
    liveOffset[liveCount] = offset;
    liveSize[liveCount] = size;
    liveSerial[liveCount] = nextSerial++;
    liveCount++;
  }

  private void removeFree(int index) {
    freeCount--;
    System.arraycopy(freeBegin, index + 1, freeBegin, index, freeCount - index);
    System.arraycopy(freeEnd, index + 1, freeEnd, index, freeCount - index);
  }

  private void addFree(long begin, long end) {
    int at = 0;
    while (at < freeCount && freeBegin[at] < begin) {
      at++;
    }
    boolean joinsPrevious = at > 0 && freeEnd[at - 1] == begin;
    boolean joinsNext = at < freeCount && freeBegin[at] == end;
    if (joinsPrevious && joinsNext) {
      freeEnd[at - 1] = freeEnd[at];
      removeFree(at);
    } else if (joinsPrevious) {
      freeEnd[at - 1] = end;
    } else if (joinsNext) {
      freeBegin[at] = begin;
    } else {
      if (freeCount == freeBegin.length) {
        freeBegin = Arrays.copyOf(freeBegin, freeCount * 2);
        freeEnd = Arrays.copyOf(freeEnd, freeCount * 2);
      }
      System.arraycopy(freeBegin, at, freeBegin, at + 1, freeCount - at);
      System.arraycopy(freeEnd, at, freeEnd, at + 1, freeCount - at);
      freeBegin[at] = begin;
      freeEnd[at] = end;
      freeCount++;
    }
  }
}
