package dev.attune.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.Philox;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class GrowingArenaTest {
  private static final long MIB = 1L << 20;

  /** Gives addresses without memory behind them, and knows what is reserved. */
  private static final class Addresses implements Allocator {
    private final TreeMap<Long, Long> reserved = new TreeMap<>();
    private long next = 1L << 32;

    @Override
    public long allocate(long sizeBytes, boolean hugePages) {
      long address = next;
      next += sizeBytes; // neighbours, as the system may give them
      reserved.put(address, sizeBytes);
      return address;
    }

    @Override
    public void free(long address, long sizeBytes) {
      assertEquals(sizeBytes, reserved.remove(address));
    }

    long reservedBytes() {
      return reserved.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Whether a block lies inside one reservation. */
    boolean holds(long address, long sizeBytes) {
      Map.Entry<Long, Long> range = reserved.floorEntry(address);
      return range != null && address + sizeBytes <= range.getKey() + range.getValue();
    }

    @Override
    public void advise(long address, long sizeBytes, boolean hugePages) {}

    @Override
    public void discard(long address, long sizeBytes) {}

    @Override
    public boolean hasViews() {
      return false;
    }

    @Override
    public ByteBuffer view(long address, long sizeBytes) {
      throw new UnsupportedOperationException();
    }
  }

  private final Addresses memory = new Addresses();

  @Test
  void aGrowingArenaReservesWhatIsNeededAndNothingBefore() {
    try (Arena arena = Arena.growing(memory, 1L << 40)) {
      assertEquals(0, memory.reservedBytes());
      arena.allocate(100);
      assertEquals(2 * MIB, memory.reservedBytes());
      arena.allocate(30 * MIB);
      assertEquals(32 * MIB, memory.reservedBytes());
      assertEquals(memory.reservedBytes(), arena.reservedBytes());
    }
    assertEquals(0, memory.reservedBytes());
  }

  @Test
  void resetMakesOneRangeOfAllChunks() {
    try (Arena arena = Arena.growing(memory, 1L << 40)) {
      arena.allocate(1);
      arena.allocate(3 * MIB);
      arena.allocate(9 * MIB);
      long reserved = memory.reservedBytes();
      arena.reset();
      assertEquals(1, memory.reserved.size());
      assertEquals(reserved, memory.reservedBytes());
      long first = arena.allocate(reserved - 64);
      arena.reset();
      assertEquals(first, arena.allocate(reserved), "the same calls give the same addresses");
      assertEquals(reserved, memory.reservedBytes());
    }
  }

  @Test
  void blocksOfRandomSizesNeverMeetNorSpanTwoChunks() {
    try (Arena arena = Arena.growing(memory, 1L << 40)) {
      for (int pass = 0; pass < 4; pass++) {
        TreeMap<Long, Long> live = new TreeMap<>();
        List<Long> order = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
          long pick = Philox.bits64(5, pass, i);
          if (Math.floorMod(pick, 3L) == 0 && !order.isEmpty()) {
            long block = order.remove((int) Math.floorMod(pick >> 8, (long) order.size()));
            live.remove(block);
            arena.free(block);
            continue;
          }
          long size = 1 + Math.floorMod(pick >> 8, Math.floorMod(pick, 7L) == 1 ? 5 * MIB : 9000L);
          long block = arena.allocate(size);
          assertEquals(0, block % 64);
          assertTrue(memory.holds(block, size));
          Map.Entry<Long, Long> before = live.floorEntry(block);
          Map.Entry<Long, Long> after = live.ceilingEntry(block);
          assertTrue(before == null || before.getKey() + before.getValue() <= block);
          assertTrue(after == null || block + size <= after.getKey());
          live.put(block, size);
          order.add(block);
        }
        assertTrue(arena.liveBytes() >= live.values().stream().mapToLong(Long::longValue).sum());
        assertTrue(arena.highWaterBytes() >= arena.liveBytes());
        assertTrue(arena.highWaterBytes() <= arena.reservedBytes() || pass > 0);
        arena.reset();
        assertEquals(0, arena.liveBytes());
      }
    }
  }

  @Test
  void theLimitHolds() {
    try (Arena arena = Arena.growing(memory, 10 * MIB)) {
      arena.allocate(6 * MIB);
      DeviceMemoryException e =
          assertThrows(DeviceMemoryException.class, () -> arena.allocate(5 * MIB));
      assertEquals(
          "a block of 5 MiB was wanted; of 10 MiB, 6 MiB are in use, and the largest free range"
              + " has 4 MiB",
          e.getMessage());
      arena.allocate(4 * MIB);
      assertThrows(DeviceMemoryException.class, () -> arena.allocate(1));
      arena.reset();
      arena.allocate(10 * MIB);
    }
  }

  @Test
  void whatWasAllocatedSinceAMarkIsFreedInEveryChunk() {
    try (Arena arena = Arena.growing(memory, 1L << 40)) {
      long kept = arena.allocate(MIB);
      long mark = arena.mark();
      long keptToo = arena.allocate(5 * MIB);
      arena.allocate(20 * MIB);
      arena.freeSince(mark, keptToo);
      assertEquals(6 * MIB, arena.liveBytes());
      arena.retainOnly(kept, kept);
      assertEquals(MIB, arena.liveBytes());
      assertThrows(IllegalStateException.class, () -> arena.free(keptToo));
    }
  }

  @Test
  void aClosedArenaIsRefused() {
    Arena arena = Arena.growing(memory, MIB);
    assertNotEquals(0, arena.allocate(1));
    arena.close();
    arena.close();
    assertThrows(IllegalStateException.class, () -> arena.allocate(1));
    assertEquals(0, memory.reservedBytes());
  }
}
