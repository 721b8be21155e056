package dev.attune.core;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A direct buffer of 1 MiB through which files are read and written, lent until it is closed. What
 * is given back is lent again: the memory of a direct buffer that is dropped is freed only when the
 * collector finds it, which in a process with little on its heap may be never.
 */
public final class Chunk implements AutoCloseable {
  /** Bytes of each. */
  public static final int BYTES = 1 << 20;

  /**
   * Where its memory begins: at a multiple of this many bytes, as what goes past the memory of a
   * file system has to.
   */
  public static final int ALIGNMENT = 4096;

  /** Those that wait for the next borrower; more were lent at a time by a burst alone. */
  private static final int MOST_KEPT = 16;

  private static final Deque<ByteBuffer> FREE = new ArrayDeque<>();

  private ByteBuffer memory; // null once it was given back

  private Chunk(ByteBuffer memory) {
    this.memory = memory;
  }

  /** Lends one, of whatever content. */
  public static Chunk borrow() {
    ByteBuffer free;
    synchronized (FREE) {
      free = FREE.poll();
    }
    return new Chunk(free != null ? free : allocate());
  }

  private static ByteBuffer allocate() {
    return ByteBuffer.allocateDirect(BYTES + ALIGNMENT).alignedSlice(ALIGNMENT).slice(0, BYTES);
  }

  /**
   * Its memory from begin to end, in big-endian order: a view of its own for each call, which
   * nobody may use once this is closed.
   */
  public ByteBuffer bytes() {
    Check.state(memory != null, "a chunk was used after it was given back");
    return memory.duplicate();
  }

  /** Gives it back. Closing twice is fine. */
  @Override
  public void close() {
    synchronized (FREE) {
      if (memory != null && FREE.size() < MOST_KEPT) {
        FREE.push(memory);
      }
      memory = null;
    }
  }

  /** How many wait for the next borrower. */
  static int free() {
    synchronized (FREE) {
      return FREE.size();
    }
  }
}
