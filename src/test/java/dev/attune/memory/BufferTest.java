package dev.attune.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.HostAllocator;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Lifetimes of buffers, and the ways of bytes between host and device. */
class BufferTest {
  @Test
  void closingTwiceIsFineUsingAClosedOneIsNot() {
    HostAllocator memory = new HostAllocator(true);
    Buffer buffer = Buffer.allocate(memory, 12, false);
    assertEquals(1, memory.liveCount());
    buffer.close();
    buffer.close();
    assertEquals(0, memory.liveCount());
    assertThrows(IllegalStateException.class, buffer::address);
    assertThrows(IllegalStateException.class, () -> buffer.write(0, ByteBuffer.allocate(4)));
    assertThrows(IllegalStateException.class, () -> buffer.read(0, ByteBuffer.allocate(4)));
  }

  @Test
  void aBufferHasAtLeastOneByte() {
    HostAllocator memory = new HostAllocator(true);
    assertThrows(IllegalArgumentException.class, () -> Buffer.allocate(memory, 0, false));
    assertThrows(IllegalArgumentException.class, () -> Buffer.allocate(memory, -1, false));
    assertEquals(0, memory.liveCount());
  }

  @Test
  void withoutMemoryTheMessageSaysForWhatAndWhatHelps() {
    HostAllocator memory = new HostAllocator(true);
    memory.failAt(1);
    DeviceMemoryException e =
        assertThrows(
            DeviceMemoryException.class,
            () -> Buffer.allocate(memory, 12, false, "the moments", "an optimizer without them"));
    assertEquals(
        "no room for the moments: 12 bytes were wanted, 0 are free;"
            + " an optimizer without them takes less",
        e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void bytesCrossWithinTheRange(boolean views) {
    HostAllocator memory = new HostAllocator(views);
    try (Buffer buffer = Buffer.allocate(memory, 8, false)) {
      buffer.write(3, ByteBuffer.wrap(new byte[] {1, 2, 3}));
      ByteBuffer all = ByteBuffer.allocate(8);
      buffer.read(0, all);
      assertEquals(ByteBuffer.wrap(new byte[] {0, 0, 0, 1, 2, 3, 0, 0}), all.flip());
      ByteBuffer four = ByteBuffer.allocate(4);
      assertThrows(IllegalArgumentException.class, () -> buffer.write(5, four));
      assertThrows(IllegalArgumentException.class, () -> buffer.write(-1, four));
      assertThrows(IllegalArgumentException.class, () -> buffer.read(5, four));
      assertEquals(4, four.remaining(), "a refusal consumes nothing");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aMirrorShowsBothSidesTheSame(boolean views) {
    HostAllocator memory = new HostAllocator(views);
    try (HostMirror mirror = new HostMirror(memory, 8, false)) {
      assertEquals(0, mirror.host().getLong(0), "starts zeroed");
      mirror.host().putInt(4, 77);
      mirror.push(4, 4);
      assertEquals(77, onDevice(mirror, 4));
      mirror.buffer().write(0, bytes(-5));
      mirror.pull(0, 4);
      assertEquals(-5, mirror.host().getInt(0));
      assertEquals(77, mirror.host().getInt(4), "what was not asked for stays");
      mirror.push(8, 0);
    }
    assertEquals(0, memory.liveCount());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aWindowReadsAndWritesRanges(boolean views) {
    HostAllocator memory = new HostAllocator(views);
    HostWindow window = new HostWindow(memory);
    assertTrue(window.pieceBytes() >= 1 << 20);
    try (Buffer buffer = Buffer.allocate(memory, 16, false)) {
      window.prepare(buffer.address() + 4, 8).putInt(1).putInt(2);
      window.commit();
      window.commit(); // nothing is prepared any more
      ByteBuffer read = window.read(buffer.address(), 16);
      assertEquals(0, read.getInt(0));
      assertEquals(1, read.getInt(4));
      assertEquals(2, read.getInt(8));
      assertEquals(0, read.getInt(12));
      assertEquals(ByteOrder.nativeOrder(), read.order());
    }
  }

  private static int onDevice(HostMirror mirror, int offset) {
    ByteBuffer bytes = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
    mirror.buffer().read(offset, bytes);
    return bytes.getInt(0);
  }

  private static ByteBuffer bytes(int value) {
    return ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putInt(0, value);
  }
}
