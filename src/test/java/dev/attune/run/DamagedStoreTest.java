package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.Cache;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Large kept data whose damage is found in the middle of a run. */
class DamagedStoreTest {
  private static final int BYTES_OF_TEXT = 5 << 20; // a token each, of four bytes

  /** In the second block of the tokens, which a run comes to after some steps. */
  private static final long DAMAGED_BYTE = (1 << 20) + 5;

  @TempDir Path scratch;
  private Path model;
  private Path train;

  private RecordedRun run(Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "causal-lm")
        .with(RunOption.MAX_LENGTH, "64")
        .with(RunOption.BATCH_SIZE, "512")
        .with(RunOption.MAX_STEPS, "12")
        .with(RunOption.SAVE_STEPS, "2")
        .with(RunOption.NO_SHUFFLE);
  }

  private static Set<Path> tokenStores() throws IOException {
    Path folder = Cache.user().writable().resolve("data");
    if (!Files.isDirectory(folder)) {
      return Set.of();
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(entry -> entry.getFileName().toString().startsWith("tokens-"))
          .collect(Collectors.toSet());
    }
  }

  private static void damage(Path store) throws IOException {
    try (RandomAccessFile ids = new RandomAccessFile(store.resolve("ids.i32").toFile(), "rw")) {
      assertTrue(ids.length() > 16 << 20, "too small: it is compared at once");
      ids.seek(DAMAGED_BYTE);
      int was = ids.read();
      ids.seek(DAMAGED_BYTE);
      ids.write(was ^ 1);
    }
  }

  @Test
  void theRunEndsInWordsAndGoesOnWithWhatIsMadeAgain() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyDecoder.write(scratch.resolve("model"), backend, 16);
    }
    String line = scratch.getFileName() + " was here and wrote a text of many lines\n";
    train =
        Files.writeString(
            scratch.resolve("train.txt"), line.repeat(BYTES_OF_TEXT / line.length() + 1));
    Set<Path> others = tokenStores();
    Path whole = scratch.resolve("whole");
    assertEquals(12, run(whole).run().training().steps());
    Set<Path> made = tokenStores();
    made.removeAll(others);
    Path store = made.iterator().next();

    damage(store);
    Path output = scratch.resolve("out");
    RecordedRun failing = run(output);
    String said = assertThrows(UncheckedIOException.class, failing::run).getMessage();
    assertTrue(said.startsWith(store.resolve("ids.i32") + " is damaged, at byte 1048576"), said);
    assertTrue(
        RunOption.worded(said).endsWith("with --resume a run goes on from its last checkpoint"),
        said);
    assertFalse(Files.exists(store.resolve("manifest.json")));
    assertTrue(Files.isDirectory(output.resolve("checkpoints")));

    RecordedRun second = run(output).with(RunOption.RESUME);
    assertEquals(12, second.run().training().steps());
    String notes = second.notes().toString();
    assertTrue(notes.contains("what it held is made again"), notes);
    assertTrue(notes.contains("resuming after step "), notes);
    assertArrayEquals(
        Files.readAllBytes(whole.resolve("model.safetensors")),
        Files.readAllBytes(output.resolve("model.safetensors")));
  }
}
