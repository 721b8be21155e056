package dev.attune.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.FailingFiles;
import dev.attune.testkit.Host;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each file operation of a save fails in turn: what was there stays whole, and the next save works.
 */
class CheckpointFaultTest {
  private static final int SIZE = 3 << 20;

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

  @Test
  void aSaveThatFailsAnywhereLeavesASoundCheckpoint() {
    int failAt = 1;
    boolean injected = true;
    while (injected) {
      Path folder = scratch.resolve("fail-" + failAt);
      try (Buffer buffer = filled(1)) {
        CheckpointStore store = new CheckpointStore(folder, 2);
        store.save(1, state(1), Map.of("weights", buffer));
        store.save(2, state(2), Map.of("weights", buffer));
        Host.fill(buffer, 3);
        FailingFiles failing = new FailingFiles(failAt);
        CheckpointStore broken = new CheckpointStore(folder, 2, failing);
        boolean failed = false;
        try {
          broken.save(3, state(3), Map.of("weights", buffer));
        } catch (UncheckedIOException e) {
          failed = true;
          assertTrue(e.getMessage().contains("Earlier checkpoints are whole"), e.getMessage());
        }
        injected = failing.reached();
        assertEquals(injected, failed, "operation " + failAt);
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
    List<String> problems = new ArrayList<>();
    Snapshot latest = store.latest(problems::add).orElseThrow();
    assertEquals(List.of(), problems);
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
      CheckpointStore store = new CheckpointStore(scratch, 3);
      store.save(1, state(1), Map.of("weights", buffer));
      store.save(2, state(2), Map.of("weights", buffer));
      store.save(3, state(3), Map.of("weights", buffer));
      Path flipped = scratch.resolve("step-000000003/weights.bin");
      byte[] bytes = Files.readAllBytes(flipped);
      bytes[12345] ^= 1;
      Files.write(flipped, bytes);
      Path cut = scratch.resolve("step-000000002/weights.bin");
      Files.write(cut, new byte[10]);
      List<String> problems = new ArrayList<>();
      assertEquals(1, store.latest(problems::add).orElseThrow().state().path("step").asInt());
      assertEquals(2, problems.size());
      assertTrue(problems.get(0).contains("checksum"), problems.get(0));
      assertTrue(problems.get(1).contains("bytes long"), problems.get(1));
    }
  }

  @Test
  void onlyTheNewestAreKept() {
    try (Buffer buffer = filled(1)) {
      CheckpointStore store = new CheckpointStore(scratch, 2);
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
      CheckpointStore store = new CheckpointStore(scratch, 2);
      store.saveBest(filled(5));
      store.saveBest(buffer);
      store.loadBest(other);
      assertArrayEquals(Host.bytes(buffer, 0, 64), Host.bytes(other, 0, 64));
    }
  }

  @Test
  void keepingFewerThanTwoIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new CheckpointStore(scratch, 1));
  }

  private static ObjectNode state(long step) {
    return JsonNodeFactory.instance.objectNode().put("step", step);
  }

  private static Buffer filled(int value) {
    Buffer buffer = Buffer.allocate(backend, SIZE, false);
    Host.fill(buffer, value);
    return buffer;
  }
}
