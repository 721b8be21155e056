package dev.attune.kernels.cuda;

import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import java.util.ArrayList;
import java.util.List;

/**
 * What graphs ask of those whose work is recorded in them: while one is being recorded nothing is
 * allocated or measured, and scratch whose address a graph may have recorded stays where it is.
 */
final class Recording implements AutoCloseable {
  private final Allocator allocator;
  private final List<Buffer> retired = new ArrayList<>();
  private boolean on;
  private boolean graphsExist;

  Recording(Allocator allocator) {
    this.allocator = allocator;
  }

  /** Whether a graph is being recorded. */
  boolean isOn() {
    return on;
  }

  void begin() {
    on = true;
  }

  void stop() {
    on = false;
  }

  /** From here on there is a graph that may hold addresses of scratch. */
  void keepAddresses() {
    graphsExist = true;
  }

  /**
   * A buffer of at least this size: the old one, or a new zeroed one in its place. Graphs may have
   * recorded the old one's address, so it then stays until the end.
   *
   * @param old may be null
   */
  Buffer scratch(Buffer old, long sizeBytes) {
    if (old != null && old.sizeBytes() >= sizeBytes) {
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
