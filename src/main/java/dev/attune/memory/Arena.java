package dev.attune.memory;

import dev.attune.core.Check;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Blocks inside one reservation: activations, their gradients, temporaries. First-fit over a list
 * of free ranges kept in address order; neighbours coalesce. The same sequence of calls gives the
 * same addresses. Allocates nothing itself once its lists have grown to the working set.
 *
 * <p>A growing arena reserves what was needed so far, in chunks; {@link #reset} makes one of them,
 * so that it soon works in one range, as the other kind does.
 *
 * <p>Memory of others can be lent to it until it is reset: that is taken first while it may be.
 */
public final class Arena implements AutoCloseable {
  /** Blocks start at cache lines. */
  private static final long ALIGNMENT = 64;

  /** Chunks are whole huge pages. */
  private static final long CHUNK_STEP = 2L << 20;

  /** What is lent has its addresses as offsets, so far below those of chunks. */
  private static final long LENT = Long.MIN_VALUE / 2;

  private final Allocator allocator;
  private final long limitBytes;
  private boolean closed;

  /** What is reserved, as ranges of offsets with a gap between them, lest blocks span two. */
  private final List<Chunk> chunks = new ArrayList<>();

  private long reservedBytes;
  private long layout;

  // Free ranges, ascending and disjoint, as offsets.
  private long[] freeBegin = new long[64];
  private long[] freeEnd = new long[64];
  private int freeCount;

  // Live blocks, unordered.
  private long[] liveAddress = new long[256];
  private long[] liveOffset = new long[256];
  private long[] liveSize = new long[256];
  private long[] liveSerial = new long[256];
  private long nextSerial;
  private int liveCount;

  private boolean usesLent;
  private int lentCount; // live blocks in what is lent

  private long highWaterBytes;

  private static final class Chunk {
    final Buffer buffer;
    final long begin;
    long used; // the most, counted to the end of the last block

    Chunk(Buffer buffer, long begin) {
      this.buffer = buffer;
      this.begin = begin;
    }

    long end() {
      return begin + buffer.sizeBytes();
    }
  }

  private Arena(Allocator allocator, long limitBytes, long reservedBytes) {
    this.allocator = allocator;
    this.limitBytes = limitBytes;
    if (reservedBytes > 0) {
      reserve(reservedBytes);
    }
  }

  /**
   * An arena of one range, reserved at once.
   *
   * @param capacityBytes to reserve; on the CPU it costs memory only where touched
   */
  public Arena(Allocator allocator, long capacityBytes) {
    this(allocator, capacityBytes, capacityBytes);
  }

  /**
   * An arena that reserves more as it is needed.
   *
   * @param limitBytes how much at the most
   */
  public static Arena growing(Allocator allocator, long limitBytes) {
    return new Arena(allocator, limitBytes, 0);
  }

  private void reserve(long sizeBytes) {
    long begin = chunks.isEmpty() ? 0 : chunks.get(chunks.size() - 1).end() + ALIGNMENT;
    Chunk chunk = new Chunk(Buffer.allocate(allocator, sizeBytes, true, "activations"), begin);
    chunks.add(chunk);
    layout++;
    reservedBytes += sizeBytes;
    addFree(chunk.begin, chunk.end());
  }

  /**
   * The address of a new block of at least {@code sizeBytes}.
   *
   * @throws DeviceMemoryException if no free range is large enough, and none can be reserved
   */
  public long allocate(long sizeBytes) {
    Check.argument(sizeBytes >= 0, "negative size %d", sizeBytes);
    Check.state(!closed, "the arena is closed");
    long size = Math.max(ALIGNMENT, (sizeBytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    int range = firstFit(size);
    if (range < 0) {
      if (size > limitBytes - reservedBytes) {
        throw noRoom(size);
      }
      reserve(nextChunk(size));
      range = firstFit(size);
    }
    long offset = freeBegin[range];
    freeBegin[range] += size;
    if (freeBegin[range] == freeEnd[range]) {
      removeFree(range);
    }
    return addLive(offset, size);
  }

  private int firstFit(long size) {
    for (int i = usesLent ? 0 : firstOwn(); i < freeCount; i++) {
      if (freeEnd[i] - freeBegin[i] >= size) {
        return i;
      }
    }
    return -1;
  }

  private int firstOwn() {
    int first = 0;
    while (first < freeCount && freeBegin[first] < 0) {
      first++;
    }
    return first;
  }

  /** Lends a range of memory, for blocks that are allocated while {@link #useLent} says so. */
  public void lend(long address, long sizeBytes) {
    long begin = (address + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    long end = (address + sizeBytes) / ALIGNMENT * ALIGNMENT;
    if (begin < end) {
      addFree(LENT + begin, LENT + end);
    }
  }

  /** Whether blocks that are allocated from here on may lie in what is lent. */
  public void useLent(boolean use) {
    usesLent = use;
  }

  /** Whether a live block lies in a range of what is lent. */
  public boolean holds(long begin, long end) {
    for (int i = 0; lentCount > 0 && i < liveCount; i++) {
      boolean overlaps = liveAddress[i] < end && liveAddress[i] + liveSize[i] > begin;
      if (liveOffset[i] < 0 && overlaps) {
        return true;
      }
    }
    return false;
  }

  /** As much again as there is, so that an arena grows a few times only. */
  private long nextChunk(long size) {
    long wanted = (Math.max(size, reservedBytes) + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
    return Math.min(wanted, limitBytes - reservedBytes);
  }

  private DeviceMemoryException noRoom(long size) {
    return new DeviceMemoryException(
        String.format(
            "a block of %s was wanted; of %s, %s are in use, and the largest free range has %s",
            DeviceMemoryException.size(size),
            DeviceMemoryException.size(limitBytes),
            DeviceMemoryException.size(liveBytes(0)),
            DeviceMemoryException.size(Math.max(largestFreeBytes(), limitBytes - reservedBytes))));
  }

  /** Of what is its own. */
  private long largestFreeBytes() {
    long largest = 0;
    for (int i = firstOwn(); i < freeCount; i++) {
      largest = Math.max(largest, freeEnd[i] - freeBegin[i]);
    }
    return largest;
  }

  /** Frees a block; its address must come from {@link #allocate} and not be freed already. */
  public void free(long address) {
    for (int i = liveCount - 1; i >= 0; i--) {
      if (liveAddress[i] == address) {
        addFree(liveOffset[i], liveOffset[i] + liveSize[i]);
        lentCount -= liveOffset[i] < 0 ? 1 : 0;
        liveCount--;
        liveAddress[i] = liveAddress[liveCount];
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
      if (liveSerial[i] >= mark && !contains(keep, liveAddress[i])) {
        free(liveAddress[i]);
      }
    }
  }

  /** A loop, for it is asked for each block of each layer of each token. */
  private static boolean contains(long[] blocks, long block) {
    for (long other : blocks) {
      if (other == block) {
        return true;
      }
    }
    return false;
  }

  /** Frees every block but some. */
  public void retainOnly(long... keep) {
    freeSince(0, keep);
  }

  /** Frees every block, gives back what is lent, brings what was reserved in chunks into one. */
  public void reset() {
    liveCount = 0;
    lentCount = 0;
    usesLent = false;
    freeCount = 0;
    if (chunks.size() > 1) {
      long sizeBytes = reservedBytes;
      release();
      reserve(sizeBytes);
    } else if (chunks.size() == 1) {
      addFree(chunks.get(0).begin, chunks.get(0).end());
    }
  }

  private void release() {
    chunks.forEach(chunk -> chunk.buffer.close());
    chunks.clear();
    reservedBytes = 0;
  }

  /** Bytes in live blocks, those in what is lent among them. */
  public long liveBytes() {
    return liveBytes(Long.MIN_VALUE);
  }

  /** Of blocks from an offset on: from 0 on, those in its own memory. */
  private long liveBytes(long from) {
    long sum = 0;
    for (int i = 0; i < liveCount; i++) {
      sum += liveOffset[i] >= from ? liveSize[i] : 0;
    }
    return sum;
  }

  /** Of what is reserved: as long as it is the same, the same calls give the same addresses. */
  public long layout() {
    return layout;
  }

  /** What is reserved. */
  public long reservedBytes() {
    return reservedBytes;
  }

  /**
   * The most of its own memory that was ever in use, counted to the end of the last block of each
   * chunk: what is lent does not count.
   */
  public long highWaterBytes() {
    return highWaterBytes;
  }

  @Override
  public void close() {
    closed = true;
    release();
  }

  private long addLive(long offset, long size) {
    if (liveCount == liveOffset.length) {
      liveAddress = Arrays.copyOf(liveAddress, liveCount * 2);
      liveOffset = Arrays.copyOf(liveOffset, liveCount * 2);
      liveSize = Arrays.copyOf(liveSize, liveCount * 2);
      liveSerial = Arrays.copyOf(liveSerial, liveCount * 2);
    }
    long address = offset < 0 ? offset - LENT : place(offset, size);
    lentCount += offset < 0 ? 1 : 0;
    liveAddress[liveCount] = address;
    liveOffset[liveCount] = offset;
    liveSize[liveCount] = size;
    liveSerial[liveCount] = nextSerial++;
    liveCount++;
    return address;
  }

  /** The address of a block in a chunk. */
  private long place(long offset, long size) {
    Chunk chunk = chunks.get(0);
    for (int i = 1; offset >= chunk.end(); i++) {
      chunk = chunks.get(i);
    }
    long end = offset + size - chunk.begin;
    if (end > chunk.used) {
      chunk.used = end;
      noteUse();
    }
    return chunk.buffer.address() + offset - chunk.begin;
  }

  private void noteUse() {
    long used = 0;
    for (int i = 0; i < chunks.size(); i++) {
      used += chunks.get(i).used;
    }
    highWaterBytes = Math.max(highWaterBytes, used);
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
