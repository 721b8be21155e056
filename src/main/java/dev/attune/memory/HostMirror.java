package dev.attune.memory;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A small buffer that host and device both work on: one memory where the host can address it, else
 * two, brought together by {@link #push} and {@link #pull}. Starts zeroed.
 */
public final class HostMirror implements AutoCloseable {
  private final Buffer buffer;
  private final ByteBuffer host;
  private final boolean shared;

  /**
   * @param sizeBytes at most 2 GiB
   * @param hugePages whether large pages are wanted (a hint)
   */
  public HostMirror(Allocator allocator, long sizeBytes, boolean hugePages) {
    this.buffer = Buffer.allocate(allocator, sizeBytes, hugePages);
    this.shared = allocator.hasViews();
    this.host =
        shared
            ? allocator.view(buffer.address(), sizeBytes)
            : ByteBuffer.allocateDirect(Math.toIntExact(sizeBytes)).order(ByteOrder.nativeOrder());
  }

  /** The device's side. */
  public Buffer buffer() {
    return buffer;
  }

  /** Address on the device. */
  public long address() {
    return buffer.address();
  }

  /** The host's side, in native order: for absolute access. */
  public ByteBuffer host() {
    return host;
  }

  /** Brings a byte range of the host's side to the device. */
  public void push(int offset, int length) {
    if (!shared && length > 0) {
      buffer.write(offset, host.slice(offset, length));
    }
  }

  /** Brings a byte range of the device's side to the host, once the work before it is done. */
  public void pull(int offset, int length) {
    if (!shared && length > 0) {
      buffer.read(offset, host.slice(offset, length));
    }
  }

  @Override
  public void close() {
    buffer.close();
  }
}
