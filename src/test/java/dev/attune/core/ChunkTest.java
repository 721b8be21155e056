package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Buffers that are lent. */
class ChunkTest {
  @TempDir private Path folder;

  private static long directBytes() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(pool -> pool.getName().equals("direct"))
        .findFirst()
        .orElseThrow()
        .getTotalCapacity();
  }

  @Test
  void whatIsGivenBackIsLentAgain() {
    try (Chunk first = Chunk.borrow()) {
      first.bytes().putLong(0, 0x0123456789ABCDEFL);
    }
    try (Chunk again = Chunk.borrow();
        Chunk other = Chunk.borrow()) {
      assertEquals(0x0123456789ABCDEFL, again.bytes().getLong(0));
      assertEquals(Chunk.BYTES, again.bytes().remaining());
      other.bytes().putLong(0, 1);
      assertEquals(0x0123456789ABCDEFL, again.bytes().getLong(0), "two at a time are two");
    }
  }

  @Test
  void oneIsGivenBackOnceAndNotUsedAfterwards() {
    Chunk chunk = Chunk.borrow();
    int free = Chunk.free();
    chunk.close();
    chunk.close();
    assertEquals(free + 1, Chunk.free());
    assertThrows(IllegalStateException.class, chunk::bytes);
  }

  @Test
  void aBurstLeavesFew() {
    List<Chunk> burst = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      burst.add(Chunk.borrow());
    }
    burst.forEach(Chunk::close);
    assertEquals(16, Chunk.free());
  }

  @Test
  void readingAFileManyTimesLeavesNothingToTheCollector() throws IOException {
    Path file = Files.write(folder.resolve("file"), new byte[3 << 20]);
    try (FileChannel channel = FileChannel.open(file)) {
      ByteBuffer first = BlockChecksums.of(channel, 3 << 20, 2);
      long before = directBytes();
      for (int i = 0; i < 50; i++) {
        assertEquals(first, BlockChecksums.of(channel, 3 << 20, 2));
      }
      long grown = directBytes() - before;
      assertTrue(grown <= 2 * Chunk.BYTES, grown + " bytes wait for the collector");
    }
  }
}
