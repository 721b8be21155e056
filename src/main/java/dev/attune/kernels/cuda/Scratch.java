package dev.attune.kernels.cuda;

import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Memory that products and attention take beside their operands, as graphs allow it: while one is
 * being recorded nothing can be allocated, and what a graph may have recorded the address of stays
 * where it is.
 */
final class Scratch implements AutoCloseable {
  private final Allocator allocator;
  private final List<Buffer> retired = new ArrayList<>();
  private boolean recording;
  private boolean graphsExist;

  Scratch(Allocator allocator) {
    this.allocator = allocator;
  }

  /** Whether a graph is being recorded. */
  boolean isRecording() {
    return recording;
  }

  void beginRecording() {
    recording = true;
  }

  void endRecording() {
    recording = false;
  }

  /** From here on there is a graph that may hold addresses. */
  void keepAddresses() {
    graphsExist = true;
  }

  /**
   * A buffer of at least this size: the old one, or a new zeroed one in its place. Graphs may have
   * recorded the old one's address, so it then stays until the end.
   *
   * @param old may be null
   */
  Buffer grown(Buffer old, long sizeBytes) {
    // A closed one is what a larger one had no room for.
    if (old != null && old.isOpen() && old.sizeBytes() >= sizeBytes) {
      return old;
    }
    if (old != null && graphsExist) {
      retired.add(old);
    } else if (old != null) {
      old.close();
    }
    return Buffer.allocate(allocator, sizeBytes, true, "scratch of products");
  }

  @Override
  public void close() {
    retired.forEach(Buffer::close);
  }
}
