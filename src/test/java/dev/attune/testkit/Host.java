package dev.attune.testkit;

import dev.attune.memory.Buffer;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Copies of device memory for assertions. */
public final class Host {
  private Host() {}

  /** The bytes of a buffer. */
  public static byte[] bytes(Buffer buffer, long offset, int length) {
    return read(buffer, offset, length).array();
  }

  /** Floats of a buffer, from element {@code first} on. */
  public static float[] floats(Buffer buffer, long first, int count) {
    float[] values = new float[count];
    read(buffer, first * Float.BYTES, count * Float.BYTES).asFloatBuffer().get(values);
    return values;
  }

  /** All values of a tensor. */
  public static float[] values(Parameters parameters, Segment segment) {
    return floats(parameters.weights(), segment.first(), (int) segment.count());
  }

  /** Overwrites all values of a tensor. */
  public static void put(Parameters parameters, Segment segment, float[] values) {
    parameters.write(segment, (first, piece) -> piece.put(values, (int) first, piece.remaining()));
  }

  /** Fills a buffer with one byte. */
  public static void fill(Buffer buffer, int value) {
    byte[] bytes = new byte[Math.toIntExact(buffer.sizeBytes())];
    java.util.Arrays.fill(bytes, (byte) value);
    buffer.write(0, ByteBuffer.wrap(bytes));
  }

  /** What a view would show. */
  public static FloatBuffer floats(
      dev.attune.memory.Allocator allocator, long address, long bytes) {
    ByteBuffer copy = ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.nativeOrder());
    allocator.download(copy, address);
    return copy.flip().asFloatBuffer();
  }

  private static ByteBuffer read(Buffer buffer, long offset, int length) {
    ByteBuffer copy = ByteBuffer.allocate(length).order(ByteOrder.nativeOrder());
    buffer.read(offset, copy);
    return copy.flip();
  }
}
