package dev.attune.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.FailingFiles;
import dev.attune.testkit.Host;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each file operation of a save fails in turn: what was there stays whole, and the next save works.
 */
class CheckpointFaultTest {
  private static final int SIZE = (1 << 20) + 5000; // more than one piece
  private static final int SMALL = 5000;

  private static CpuBackend backend;

  @TempDir Path scratch;

  @BeforeAll
  static void open() {
    backend = new CpuBackend(1);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private final List<String> notes = new ArrayList<>();

  private CheckpointStore store(Path folder) {
    return new CheckpointStore(folder, 2, notes::add);
  }

  private CheckpointStore failing(Path folder, FailingFiles files) {
    return new CheckpointStore(folder, 2, notes::add, files);
  }

  @Test
  void aCheckpointIsFoundWhateverTheDigitsOfALanguage() {
    Locale usual = Locale.getDefault();
    try (Buffer buffer = filled(1)) {
      Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
      CheckpointStore store = store(scratch.resolve("digits"));
      store.save(1, state(1), Map.of("weights", buffer));
      assertEquals(1, checkLatest(store));
    } finally {
      Locale.setDefault(usual);
    }
  }

  @Test
  void aSaveThatFailsAnywhereLeavesASoundCheckpoint() {
    int failAt = 1;
    boolean injected = true;
    while (injected) {
      Path folder = scratch.resolve("fail-" + failAt);
      try (Buffer buffer = filled(1)) {
        notes.clear();
        CheckpointStore store = store(folder);
        store.save(1, state(1), Map.of("weights", buffer));
        store.save(2, state(2), Map.of("weights", buffer));
        Host.fill(buffer, 3);
        FailingFiles failing = new FailingFiles(failAt);
        CheckpointStore broken = failing(folder, failing);
        boolean failed = false;
        try {
          broken.save(3, state(3), Map.of("weights", buffer));
        } catch (UncheckedIOException e) {
          failed = true;
          String there = e.getMessage().contains("is written") ? "3" : "2";
          assertTrue(e.getMessage().endsWith("there is that of step " + there), e.getMessage());
        }
        injected = failing.reached();
        assertEquals(injected, failed || !notes.isEmpty(), "operation " + failAt);
        notes.clear();
        long step = checkLatest(store);
        assertTrue(failed ? step == 2 || step == 3 : step == 3, "operation " + failAt);
        store.save(4, state(4), Map.of("weights", buffer));
        assertEquals(4, checkLatest(store));
      }
      failAt++;
    }
    assertTrue(failAt > 12, "only " + failAt + " operations were made to fail");
  }

  /** The newest checkpoint's step; its bytes must be those of one save. */
  private long checkLatest(CheckpointStore store) {
    Snapshot latest = store.latest().orElseThrow().checkpoint();
    assertEquals(List.of(), notes);
    long step = latest.state().path("step").asLong();
    try (Buffer loaded = filled(99)) {
      latest.load(Map.of("weights", loaded));
      byte expected = (byte) (step <= 2 ? 1 : 3);
      byte[] bytes = Host.bytes(loaded, 0, SIZE);
      for (int i = 0; i < SIZE; i += 997) {
        assertEquals(expected, bytes[i]);
      }
    }
    return step;
  }

  @Test
  void aDamagedCheckpointIsSkippedWithAWarning() throws IOException {
    try (Buffer buffer = filled(1)) {
      CheckpointStore store = new CheckpointStore(scratch, 3, notes::add);
      store.save(1, state(1), Map.of("weights", buffer));
      store.save(2, state(2), Map.of("weights", buffer));
      store.save(3, state(3), Map.of("weights", buffer));
      Path flipped = scratch.resolve("step-000000003/weights.bin");
      byte[] bytes = Files.readAllBytes(flipped);
      bytes[12345] ^= 1;
      Files.write(flipped, bytes);
      Path cut = scratch.resolve("step-000000002/weights.bin");
      Files.write(cut, new byte[10]);
      assertEquals(1, newest(store));
      assertEquals(2, notes.size());
      assertTrue(notes.get(0).contains("checksum"), notes.get(0));
      assertTrue(notes.get(1).contains("bytes long"), notes.get(1));
      // The run goes on from there: what is damaged takes no sound one's place.
      store.save(2, state(2), Map.of("weights", buffer));
      assertFalse(Files.exists(scratch.resolve("step-000000003")));
      assertEquals(2, newest(store));
    }
  }

  /** As on a file system that has no way past its memory: the same bytes, under the same sums. */
  @Test
  void aFileIsTheSameWhicheverWayItIsWritten() throws IOException {
    FileOps plain =
        new FileOps() {
          @Override
          public FileChannel openDirect(Path file) {
            return null;
          }
        };
    for (int size :
        new int[] {BufferFile.LEAST_DIRECT - 1, BufferFile.LEAST_DIRECT, 3 << 16, SIZE}) {
      try (Buffer buffer = Buffer.allocate(backend, size, false)) {
        Host.fill(buffer, 1);
        buffer.write(size - 3, ByteBuffer.allocateDirect(3).put(new byte[] {7, 8, 9}).flip());
        Path one = scratch.resolve("one-" + size);
        Path other = scratch.resolve("other-" + size);
        BufferFile.Written written = BufferFile.write(one, buffer, FileOps.SYSTEM);
        assertEquals(written, BufferFile.write(other, buffer, plain));
        assertEquals(-1, Files.mismatch(one, other));
        assertEquals(size, Files.size(one));
        assertEquals(List.of(written.crc()), BufferFile.checksums(List.of(one)));
        assertEquals(
            List.of(written.crc()), BufferFile.checksumsOnDisk(List.of(one), FileOps.SYSTEM));
      }
    }
  }

  /** As of a disk that does not keep what it was given. */
  @Test
  void whatIsReadBackOtherwiseIsNoCheckpoint() {
    FileOps forgetful =
        new FileOps() {
          @Override
          public FileChannel openDirectToRead(Path file) throws IOException {
            damage(file.getParent());
            return super.openDirectToRead(file);
          }
        };
    try (Buffer buffer = filled(1)) {
      CheckpointStore store = store(scratch);
      store.save(1, state(1), Map.of("weights", buffer));
      CheckpointStore damaging = new CheckpointStore(scratch, 2, notes::add, forgetful);
      UncheckedIOException e =
          assertThrows(
              UncheckedIOException.class,
              () -> damaging.save(2, state(2), Map.of("weights", buffer)));
      assertTrue(e.getMessage().contains("checksum of weights.bin"), e.getMessage());
      assertEquals(1, newest(store));
    }
  }

  /** A file that could not be read back has no sum, least of all a wrong one. */
  @Test
  void whatFailsOnAThreadThatReadsBackIsTold() throws IOException {
    Path file = Files.write(scratch.resolve("file"), new byte[BufferFile.LEAST_DIRECT]);
    for (Throwable failure :
        List.of(new IOException("1"), new IllegalStateException("2"), new OutOfMemoryError("3"))) {
      FileOps failing =
          new FileOps() {
            @Override
            public FileChannel openDirectToRead(Path opened) throws IOException {
              if (failure instanceof IOException e) {
                throw e;
              }
              if (failure instanceof Error e) {
                throw e;
              }
              throw (RuntimeException) failure;
            }
          };
      assertSame(
          failure,
          assertThrows(Throwable.class, () -> BufferFile.checksumsOnDisk(List.of(file), failing)));
    }
  }

  private static long newest(CheckpointStore store) {
    return store.latest().orElseThrow().checkpoint().state().path("step").asLong();
  }

  @Test
  void onlyTheNewestAreKept() {
    try (Buffer buffer = filled(1)) {
      CheckpointStore store = store(scratch);
      for (int step = 1; step <= 5; step++) {
        store.save(step, state(step), Map.of("weights", buffer));
      }
      assertFalse(Files.exists(scratch.resolve("step-000000003")));
      assertTrue(Files.exists(scratch.resolve("step-000000004")));
      assertTrue(Files.exists(scratch.resolve("step-000000005")));
      store.clear();
      assertFalse(Files.exists(scratch));
    }
  }

  @Test
  void bestWeightsComeBack() {
    try (Buffer buffer = filled(7);
        Buffer other = filled(0)) {
      CheckpointStore store = store(scratch);
      store.saveBest(3, other);
      store.saveBest(4, buffer);
      assertTrue(store.loadBest(other));
      assertArrayEquals(Host.bytes(buffer, 0, 64), Host.bytes(other, 0, 64));
      assertFalse(Files.exists(best(3)), "no checkpoint names it");
    }
  }

  private Path best(long step) {
    return scratch.resolve(String.format("best-%09d", step));
  }

  private Path copyOf(Path best) {
    return best.resolveSibling(best.getFileName() + ".copy");
  }

  private static void damage(Path snapshot) throws IOException {
    Path file = snapshot.resolve("weights.bin");
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length / 2] ^= 1;
    Files.write(file, bytes);
  }

  /** Checkpoints of steps 6 and 12, whose best weights are those of steps 5 and 10. */
  private void saveWithBest(Path folder) {
    try (Buffer buffer = filled(5, SMALL)) {
      CheckpointStore store = store(folder);
      store.saveBest(5, buffer);
      store.save(6, state(6), Map.of("weights", buffer));
      Host.fill(buffer, 10);
      store.saveBest(10, buffer);
      store.save(12, state(12), Map.of("weights", buffer));
    }
  }

  private static void assertBest(CheckpointStore store, int value) {
    try (Buffer loaded = filled(99, SMALL)) {
      assertTrue(store.loadBest(loaded));
      assertEquals((byte) value, Host.bytes(loaded, SMALL / 2, 1)[0]);
    }
  }

  @Test
  void oneDamagedCopyOfTheBestIsMadeAgain() throws IOException {
    for (boolean second : new boolean[] {false, true}) {
      saveWithBest(scratch);
      damage(second ? copyOf(best(10)) : best(10));
      notes.clear();
      CheckpointStore resumed = store(scratch);
      assertEquals(12, newest(resumed));
      assertTrue(notes.get(0).contains("best-000000010"), notes.toString());
      damage(second ? best(10) : copyOf(best(10))); // the other one now
      assertBest(resumed, 10);
      store(scratch).clear();
    }
  }

  @Test
  void aCheckpointWithoutItsBestWeightsIsSkippedForOneThatHasThem() throws IOException {
    saveWithBest(scratch);
    damage(best(10));
    damage(copyOf(best(10)));
    CheckpointStore resumed = store(scratch);
    CheckpointStore.Found found = resumed.latest().orElseThrow();
    assertEquals(6, found.checkpoint().state().path("step").asLong());
    assertFalse(found.lacksBest());
    assertTrue(notes.stream().anyMatch(note -> note.contains("of step 10, are lost")));
    assertBest(resumed, 5);
    damage(best(5));
    damage(copyOf(best(5))); // which the resume has made
    notes.clear();
    found = store(scratch).latest().orElseThrow();
    assertEquals(12, found.checkpoint().state().path("step").asLong());
    assertTrue(found.lacksBest());
  }

  /** The weights of the run's end are there: the best ones are lost, and not they too. */
  @Test
  void bestWeightsThatAreLostLeaveTheLastOnes() throws IOException {
    try (Buffer buffer = filled(7, SMALL)) {
      CheckpointStore store = store(scratch);
      store.saveBest(4, buffer);
      damage(best(4));
      damage(copyOf(best(4)));
      Host.fill(buffer, 9);
      assertFalse(store.loadBest(buffer));
      assertEquals(9, Host.bytes(buffer, SMALL / 2, 1)[0]);
      assertEquals(2, notes.size(), notes.toString());
    }
  }

  @Test
  void aSaveOfBestWeightsThatFailsAnywhereLeavesThoseThatACheckpointNames() {
    boolean injected = true;
    int failAt = 1;
    for (; injected; failAt++) {
      for (boolean dies : new boolean[] {false, true}) {
        Path folder = scratch.resolve("fail-" + failAt + dies);
        saveWithBest(folder);
        FailingFiles failing = new FailingFiles(failAt, dies);
        boolean saved = true;
        try (Buffer buffer = filled(15, SMALL)) {
          CheckpointStore broken = failing(folder, failing);
          assertEquals(12, newest(broken));
          try {
            broken.saveBest(15, buffer);
          } catch (UncheckedIOException e) {
            saved = false;
          }
          injected = failing.reached();
        }
        notes.clear();
        CheckpointStore resumed = store(folder);
        assertEquals(12, newest(resumed), "operation " + failAt);
        assertBest(resumed, 10);
        assertTrue(saved || injected);
      }
    }
    assertTrue(failAt > 20, "only " + failAt + " operations were made to fail");
  }

  /** A run that has ended must not go on from an old checkpoint because the newest went first. */
  @Test
  void aRemovalCutOffAnywhereLeavesAllCheckpointsOrNone() throws IOException {
    boolean injected = true;
    int failAt = 1;
    for (; injected; failAt++) {
      Path folder = scratch.resolve("fail-" + failAt).resolve("checkpoints");
      saveWithBest(folder);
      FailingFiles failing = new FailingFiles(failAt, true);
      boolean removed = true;
      try {
        failing(folder, failing).clear();
      } catch (UncheckedIOException e) {
        removed = false;
        assertTrue(e.getMessage().contains("cannot be removed"), e.getMessage());
      }
      injected = failing.reached();
      assertEquals(injected, !removed, "operation " + failAt);
      if (Files.exists(folder)) {
        assertEquals(12, newest(store(folder)), "operation " + failAt);
      }
      CheckpointStore.remove(folder);
      try (var left = Files.list(folder.getParent())) {
        assertEquals(List.of(), left.toList());
      }
    }
    assertTrue(failAt > 15, "only " + failAt + " operations were made to fail");
  }

  /** Direct buffers are freed when the collector happens to run, which may be never. */
  @Test
  void savesAndLoadsTakeNoNewDirectMemory() {
    try (Buffer buffer = filled(1)) {
      CheckpointStore store = store(scratch);
      long before = 0;
      for (int step = 1; step <= 20; step++) {
        store.saveBest(step, buffer);
        store.save(step, state(step), Map.of("weights", buffer, "moments", buffer));
        store.latest().orElseThrow().checkpoint().load(Map.of("weights", buffer));
        if (step == 1) {
          before = directBytes();
        }
      }
      long after = directBytes(); // less where the collector has freed what others had
      assertTrue(after <= before, after + " bytes, and " + before + " before");
    }
  }

  private static long directBytes() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(pool -> pool.getName().equals("direct"))
        .mapToLong(BufferPoolMXBean::getMemoryUsed)
        .sum();
  }

  @Test
  void keepingFewerThanTwoIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new CheckpointStore(scratch, 1, notes::add));
  }

  private static ObjectNode state(long step) {
    return JsonNodeFactory.instance.objectNode().put("step", step);
  }

  private static Buffer filled(int value) {
    return filled(value, SIZE);
  }

  private static Buffer filled(int value, int size) {
    Buffer buffer = Buffer.allocate(backend, size, false);
    Host.fill(buffer, value);
    return buffer;
  }
}
