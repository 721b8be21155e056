package dev.attune.ops;

import dev.attune.memory.Allocator;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/** Copies of small arrays of a device on the host. */
final class HostArrays {
  private final Allocator device;

  HostArrays(Allocator device) {
    this.device = device;
  }

  FloatBuffer floats(long address, int count) {
    return read(address, count).asFloatBuffer();
  }

  IntBuffer ints(long address, int count) {
    return read(address, count).asIntBuffer();
  }

  private ByteBuffer read(long address, int count) {
    ByteBuffer copy = ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder());
    device.download(copy, address);
    return copy.flip();
  }

  void write(long address, float[] values) {
    ByteBuffer copy = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder());
    copy.asFloatBuffer().put(values);
    device.upload(address, copy);
  }
}
