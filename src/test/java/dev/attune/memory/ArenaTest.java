package dev.attune.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.HostAllocator;
import dev.attune.testkit.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Blocks do not overlap, come back to use, and lie where they lay the last time. */
class ArenaTest {
  private static final long LINE = 64;
  private static final long CAPACITY = 1 << 16;

  private final HostAllocator memory = new HostAllocator(true);

  @Test
  void blocksAreDisjointAndAligned() {
    Random random = new Random(Seeds.seed());
    try (Arena arena = new Arena(memory, CAPACITY)) {
      long base = arena.allocate(0);
      arena.free(base);
      TreeMap<Long, Long> live = new TreeMap<>();
      for (int i = 0; i < 5000; i++) {
        if (random.nextInt(5) < 3) {
          long size = random.nextInt(1000);
          long address;
          try {
            address = arena.allocate(size);
          } catch (DeviceMemoryException full) {
            assertNoRoom(live, base, size);
            continue;
          }
          assertEquals(0, (address - base) % LINE, Seeds.replay());
          assertTrue(address >= base && address + size <= base + CAPACITY, Seeds.replay());
          Map.Entry<Long, Long> before = live.floorEntry(address);
          Map.Entry<Long, Long> after = live.ceilingEntry(address);
          assertTrue(before == null || before.getKey() + before.getValue() <= address);
          assertTrue(after == null || address + size <= after.getKey(), Seeds.replay());
          live.put(address, size);
        } else if (!live.isEmpty()) {
          Long victim = new ArrayList<>(live.keySet()).get(random.nextInt(live.size()));
          arena.free(victim);
          live.remove(victim);
        }
      }
      // Neighbours were joined again, in whatever order they were freed.
      new ArrayList<>(live.keySet()).forEach(arena::free);
      assertEquals(0, arena.liveBytes());
      assertEquals(base, arena.allocate(CAPACITY));
    }
    assertEquals(0, memory.liveCount());
  }

  /** It only says that it is full if no gap between blocks has the room. */
  private static void assertNoRoom(TreeMap<Long, Long> live, long base, long size) {
    long wanted = Math.max(LINE, (size + LINE - 1) / LINE * LINE);
    long end = base;
    for (Map.Entry<Long, Long> block : live.entrySet()) {
      assertTrue(block.getKey() - end < wanted, Seeds.replay());
      end = block.getKey() + Math.max(LINE, (block.getValue() + LINE - 1) / LINE * LINE);
    }
    assertTrue(base + CAPACITY - end < wanted, Seeds.replay());
  }

  @Test
  void theSameCallsGiveTheSameAddresses() {
    try (Arena arena = new Arena(memory, CAPACITY)) {
      List<Long> first = someCalls(arena);
      arena.reset();
      assertEquals(first, someCalls(arena));
    }
  }

  private static List<Long> someCalls(Arena arena) {
    Random random = new Random(5);
    List<Long> given = new ArrayList<>();
    List<Long> live = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      if (live.size() > 20) {
        arena.free(live.remove(random.nextInt(live.size())));
      }
      long address = arena.allocate(random.nextInt(500));
      given.add(address);
      live.add(address);
    }
    return given;
  }

  @Test
  void whatIsTooLargeIsRefusedWithTheSizes() {
    try (Arena arena = new Arena(memory, 4 * LINE)) {
      long[] blocks = {
        arena.allocate(LINE), arena.allocate(LINE), arena.allocate(LINE), arena.allocate(1)
      };
      arena.free(blocks[0]);
      arena.free(blocks[2]);
      DeviceMemoryException e =
          assertThrows(DeviceMemoryException.class, () -> arena.allocate(2 * LINE));
      assertEquals(
          "a block of 128 bytes was wanted; of 256 bytes, 128 bytes are in use, and the largest"
              + " free range has 64 bytes",
          e.getMessage());
      assertEquals(blocks[0], arena.allocate(LINE), "a refusal costs nothing");
      assertThrows(IllegalArgumentException.class, () -> arena.allocate(-1));
    }
  }

  /** What is lent is neither of the limit nor for every block. */
  @Test
  void aRefusalSpeaksOfWhatIsTheArenasOwn() {
    try (Buffer other = Buffer.allocate(memory, 16 * LINE, false);
        Arena arena = new Arena(memory, 4 * LINE)) {
      arena.lend(other.address(), 16 * LINE);
      arena.useLent(true);
      arena.allocate(2 * LINE);
      arena.useLent(false);
      arena.allocate(3 * LINE);
      DeviceMemoryException e =
          assertThrows(DeviceMemoryException.class, () -> arena.allocate(2 * LINE));
      assertEquals(
          "a block of 128 bytes was wanted; of 256 bytes, 192 bytes are in use, and the largest"
              + " free range has 64 bytes",
          e.getMessage());
      assertEquals(5 * LINE, arena.liveBytes());
    }
  }

  @Test
  void freeingTwiceIsRefused() {
    try (Arena arena = new Arena(memory, CAPACITY)) {
      long block = arena.allocate(100);
      arena.free(block);
      assertThrows(IllegalStateException.class, () -> arena.free(block));
      assertThrows(IllegalStateException.class, () -> arena.free(block + LINE));
    }
  }

  @Test
  void blocksSinceAMomentAreFreedButForSome() {
    try (Arena arena = new Arena(memory, CAPACITY)) {
      final long before = arena.allocate(LINE);
      long mark = arena.mark();
      final long kept = arena.allocate(2 * LINE);
      arena.allocate(3 * LINE);
      arena.freeSince(mark, kept);
      assertEquals(3 * LINE, arena.liveBytes());
      arena.free(before);
      arena.free(kept);
    }
  }

  @Test
  void onlyTwoBlocksAreRetained() {
    try (Arena arena = new Arena(memory, CAPACITY)) {
      final long first = arena.allocate(LINE);
      arena.allocate(LINE);
      final long second = arena.allocate(LINE);
      arena.retainOnly(first, second);
      assertEquals(2 * LINE, arena.liveBytes());
      arena.retainOnly(second, second);
      assertEquals(LINE, arena.liveBytes());
      arena.free(second);
    }
  }

  @Test
  void theHighWaterMarkOutlivesAReset() {
    try (Arena arena = new Arena(memory, CAPACITY)) {
      arena.allocate(10 * LINE);
      arena.reset();
      arena.allocate(LINE);
      assertEquals(10 * LINE, arena.highWaterBytes());
      assertEquals(CAPACITY, arena.reservedBytes());
    }
  }

  @Test
  void withoutMemoryThereIsNoArena() {
    memory.failAt(1);
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> new Arena(memory, CAPACITY));
    assertTrue(e.getMessage().startsWith("no room for activations: "), e.getMessage());
    assertEquals(0, memory.liveCount());
  }

  /** Lent memory comes first while it may be used, and goes back with a reset. */
  @Test
  void whatIsLentIsTakenWhileItMayBe() {
    try (Arena arena = new Arena(memory, CAPACITY);
        Buffer other = Buffer.allocate(memory, 9 * LINE, false, "what is lent")) {
      long begin = (other.address() + LINE - 1) / LINE * LINE;
      long end = begin + 8 * LINE;
      long own = arena.allocate(LINE);
      arena.lend(begin, 4 * LINE);
      assertTrue(arena.allocate(LINE) > own, "not before it may be used");
      arena.useLent(true);
      long first = arena.allocate(3 * LINE);
      assertEquals(begin, first);
      arena.lend(begin + 4 * LINE, 4 * LINE);
      assertEquals(first + 3 * LINE, arena.allocate(5 * LINE), "what follows is one with it");
      long full = arena.allocate(LINE);
      assertTrue(full < first || full >= end);
      arena.useLent(false);
      arena.free(first);
      long after = arena.allocate(LINE);
      assertTrue(after < first || after >= end);
      assertTrue(arena.holds(first + 3 * LINE, first + 4 * LINE));
      assertFalse(arena.holds(first, first + 3 * LINE));
      assertEquals(4 * LINE, arena.highWaterBytes());
      arena.reset();
      assertFalse(arena.holds(first, end));
      arena.useLent(true);
      assertEquals(own, arena.allocate(LINE));
    }
    assertEquals(0, memory.liveCount());
  }
}
