package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** States that are saved in the background are those of the moment at which that began. */
class CheckpointsTest {
  private static final int BYTES = 3 << 20; // more than a piece of a file

  @TempDir private Path scratch;
  private final CpuBackend backend = new CpuBackend(1);
  private final List<String> notes = new ArrayList<>();
  private Buffer weights;

  @BeforeEach
  void allocate() {
    weights = Buffer.allocate(backend, BYTES, false);
  }

  @AfterEach
  void free() {
    weights.close();
    backend.close();
  }

  private Checkpoints checkpoints(Path folder, long leastCopied) {
    RunIdentity identity =
        new RunIdentity(
            RunConfig.builder(CommandOptions.TRAIN).build(),
            Map.of(RunIdentity.Fact.PRECISION, "fp32"));
    return new Checkpoints(folder, 2, identity, false, backend, leastCopied, notes::add);
  }

  private static ObjectNode state(long step) {
    return JsonNodeFactory.instance.objectNode().put("step", step);
  }

  private static byte[] filled(int value) {
    byte[] bytes = new byte[BYTES];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  private void fill(int value) {
    weights.write(0, ByteBuffer.allocateDirect(BYTES).put(filled(value)).flip());
  }

  private byte[] saved(Path folder) {
    CheckpointStore.Found found = new CheckpointStore(folder, 2, notes::add).latest().orElseThrow();
    try (Buffer read = Buffer.allocate(backend, BYTES, false)) {
      found.checkpoint().load(Map.of("weights", read));
      return Host.bytes(read, 0, BYTES);
    }
  }

  @Test
  void whatChangesWhileAStateIsSavedIsNotInIt() {
    Path folder = scratch.resolve("checkpoints");
    try (Checkpoints checkpoints = checkpoints(folder, 1)) {
      for (int step = 1; step <= 3; step++) {
        fill(step);
        assertTrue(checkpoints.begin(step, state(step), Map.of("weights", weights), Set.of()));
        checkpoints.release();
        fill(77);
        var ended = checkpoints.settled(true).orElseThrow();
        assertEquals(step, ended.step());
        assertNull(ended.failure());
        assertTrue(checkpoints.settled(true).isEmpty(), "told twice");
        assertArrayEquals(filled(step), saved(folder));
      }
    }
    assertEquals(List.of(), notes);
  }

  /** Many pieces, which two threads copy; what the next batch changes is copied at once. */
  @Test
  void whatIsReleasedMayChange() {
    Path folder = scratch.resolve("checkpoints");
    int bytes = 200 << 20;
    try (Buffer large = Buffer.allocate(backend, bytes, true);
        Checkpoints checkpoints = checkpoints(folder, 1)) {
      for (int step = 1; step <= 3; step++) {
        ByteBuffer all = large.view(0, bytes).order(ByteOrder.nativeOrder());
        for (int at = 0; at < bytes; at += Long.BYTES) {
          all.putLong(at, at * 31L + step);
        }
        fill(step);
        Map<String, Buffer> buffers = Map.of("weights", large, "row_state", weights);
        assertTrue(checkpoints.begin(step, state(step), buffers, Set.of("row_state")));
        fill(77);
        checkpoints.release();
        for (int at = 0; at < bytes; at += Long.BYTES) {
          all.putLong(at, 77);
        }
        assertNull(checkpoints.settled(true).orElseThrow().failure());
        CheckpointStore.Found found =
            new CheckpointStore(folder, 2, notes::add).latest().orElseThrow();
        found.checkpoint().load(buffers);
        for (int at = 0; at < bytes; at += Long.BYTES) {
          assertEquals(at * 31L + step, all.getLong(at));
        }
        assertArrayEquals(filled(step), Host.bytes(weights, 0, BYTES));
      }
    }
  }

  @Test
  void aRunThatFailsMeanwhileLeavesIt() {
    Path folder = scratch.resolve("checkpoints");
    fill(5);
    try (Checkpoints checkpoints = checkpoints(folder, 1)) {
      assertTrue(checkpoints.begin(9, state(9), Map.of("weights", weights), Set.of()));
    }
    assertArrayEquals(filled(5), saved(folder));
  }

  @Test
  void anInterruptDoesNotCutShortWhatIsWaitedFor() {
    Path folder = scratch.resolve("checkpoints");
    fill(5);
    try (Checkpoints checkpoints = checkpoints(folder, 1)) {
      assertTrue(checkpoints.begin(9, state(9), Map.of("weights", weights), Set.of()));
      Thread.currentThread().interrupt();
      try {
        assertNull(checkpoints.settled(true).orElseThrow().failure());
      } finally {
        assertTrue(Thread.interrupted(), "the interrupt is forgotten");
      }
    }
    assertArrayEquals(filled(5), saved(folder));
  }

  @Test
  void aFailureIsToldByWhoAsksHowItEnded() throws Exception {
    Path file = Files.writeString(scratch.resolve("file"), "no folder");
    try (Checkpoints checkpoints = checkpoints(file.resolve("checkpoints"), 1)) {
      assertTrue(checkpoints.begin(1, state(1), Map.of("weights", weights), Set.of()));
      var ended = checkpoints.settled(true).orElseThrow();
      assertNotNull(ended.failure());
      assertTrue(
          ended.failure().getMessage().contains("could not be saved"),
          ended.failure().getMessage());
      assertTrue(
          checkpoints.begin(2, state(2), Map.of("weights", weights), Set.of()),
          "the next is tried");
    }
  }

  /** Pages that nobody had cost seconds when they are first written: a pause of training. */
  @Test
  void theMemoryOfACopyIsThereBeforeTheFirstSave() throws Exception {
    long bytes = 96L << 20;
    try (Buffer large = Buffer.allocate(backend, bytes, true);
        Checkpoints checkpoints = checkpoints(scratch.resolve("checkpoints"), bytes)) {
      long before = residentBytes();
      checkpoints.expect(Map.of("weights", large));
      for (int i = 0; i < 200 && residentBytes() < before + bytes * 9 / 10; i++) {
        Thread.sleep(50);
      }
      assertTrue(residentBytes() >= before + bytes * 9 / 10, residentBytes() + ", was " + before);
      assertTrue(checkpoints.begin(1, state(1), Map.of("weights", large), Set.of()));
      assertNull(checkpoints.settled(true).orElseThrow().failure());
    }
  }

  private static long residentBytes() throws Exception {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("RssAnon:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
        .sum();
  }

  @Test
  void aRunThatEndsBeforeItsFirstSaveFreesWhatWasTakenForIt() {
    try (Checkpoints checkpoints = checkpoints(scratch.resolve("checkpoints"), 1)) {
      checkpoints.expect(Map.of("weights", weights));
    }
    assertFalse(Files.exists(scratch.resolve("checkpoints")));
  }

  @Test
  void aSmallStateIsNotCopied() {
    try (Checkpoints checkpoints = checkpoints(scratch.resolve("checkpoints"), BYTES + 1)) {
      assertFalse(checkpoints.begin(1, state(1), Map.of("weights", weights), Set.of()));
      assertTrue(checkpoints.settled(true).isEmpty());
    }
  }
}
