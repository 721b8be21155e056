package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Data of many rows, over the real command: memory stays that of a small file, the next start goes
 * straight to its first step, and a stop comes through at once wherever it finds the preparation.
 */
@Tag("nightly")
@EnabledOnOs(OS.LINUX)
@Timeout(36_000)
class LargeDataTest {
  private static final int ROWS = Integer.getInteger("attune.large.rows", 1_000_000);
  private static final long TEXT_BYTES = Long.getLong("attune.large.bytes", 100_000_000);
  private static final int FEW = 1000;

  /** Of the process's own memory, above what a small file needs. */
  private static final long MOST_BYTES = 300L << 20;

  /** On an idle machine: a busy one takes longer to start and to end anything. */
  private static final long MOST_STOP_MILLIS = Long.getLong("attune.large.millis", 2000);

  /** Of each kind, spread over the preparation. */
  private static final int STOPS = Integer.getInteger("attune.large.stops", 6);

  private static final List<String> WORDS =
      List.of("good", "bad", "the", "a", "it", "is", "was", "phone", "book", "chair", "very");

  @TempDir static Path shared;
  private static Path encoder;
  private static Path decoder;

  /** What a process was seen to be at. */
  private record Seen(long millis, long ownBytes) {}

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      encoder = TinyModel.write(shared.resolve("encoder"), backend);
      // Of bytes four GB would be more tokens than a set of data may have.
      decoder =
          TinyDecoder.write(shared.resolve("decoder"), backend, 32, ByteTokenizer.words(WORDS));
    }
  }

  private static Path rows(String name, int rows) throws IOException {
    Random random = new Random(rows);
    Path file = shared.resolve(name);
    try (BufferedWriter out = Files.newBufferedWriter(file)) {
      out.write("text,label\n");
      for (int row = 0; row < rows; row++) {
        for (int word = 0; word < 4; word++) {
          out.append(WORDS.get(random.nextInt(WORDS.size()))).append(' ');
        }
        out.append(Integer.toString(row)).append(row % 2 == 0 ? ",yes\n" : ",no\n");
      }
    }
    return file;
  }

  private static Path text(String name, long bytes) throws IOException {
    Random random = new Random(bytes);
    Path file = shared.resolve(name);
    try (BufferedWriter out = Files.newBufferedWriter(file)) {
      for (long written = 0; written < bytes; ) {
        StringBuilder line = new StringBuilder();
        for (int word = 0; word < 12; word++) {
          line.append(' ').append(WORDS.get(random.nextInt(WORDS.size())));
        }
        out.append(line).append('\n');
        written += line.length() + 1;
      }
    }
    return file;
  }

  private static AttuneProcess start(Path cache, Path model, String task, Path file) {
    List<String> words = new ArrayList<>(List.of("train", "--model", model.toString()));
    words.addAll(List.of("--task", task, "--train-file", file.toString(), "--max-steps", "20"));
    words.addAll(List.of("--output-dir", shared.resolve("out").toString(), "--overwrite"));
    words.addAll(List.of("--batch-size", "8", "--max-length", "24", "--run-store", "none"));
    return AttuneProcess.start(
        shared, List.of("env", "XDG_CACHE_HOME=" + cache), words.toArray(String[]::new));
  }

  /** Runs to the end; the most that it had of memory that no file stands behind. */
  private static Seen run(String what, Path cache, Path model, String task, Path file)
      throws Exception {
    long begun = System.nanoTime();
    AttuneProcess process = start(cache, model, task, file);
    long own = 0;
    while (process.isAlive()) {
      own = Math.max(own, ownBytes(process.pid()));
      Thread.sleep(10);
    }
    AttuneProcess.Ended ended = process.await();
    assertEquals(0, ended.status(), ended.err());
    Seen seen = new Seen((System.nanoTime() - begun) / 1_000_000, own);
    System.out.printf("large: %s: %d ms, own memory %d MiB%n", what, seen.millis(), own >> 20);
    return seen;
  }

  private static long ownBytes(long pid) {
    try {
      return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
          .filter(line -> line.startsWith("RssAnon:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
          .sum();
    } catch (IOException e) {
      return 0; // it has ended
    }
  }

  @Test
  void manyRowsTakeTheMemoryOfFew() throws Exception {
    tryOut("classification", encoder, rows("few.csv", FEW), rows("many.csv", ROWS));
  }

  @Test
  void aLongTextTakesTheMemoryOfAShortOne() throws Exception {
    tryOut("causal-lm", decoder, text("few.txt", 40 * FEW), text("long.txt", TEXT_BYTES));
  }

  private static void tryOut(String task, Path model, Path few, Path many) throws Exception {
    Path cache = Files.createDirectories(shared.resolve("cache-" + task));
    Seen small = run(few.getFileName().toString(), cache, model, task, few);
    Seen cold = run(many.getFileName() + ", the first time", cache, model, task, many);
    Seen warm = run(many.getFileName() + ", from what was kept", cache, model, task, many);
    assertTrue(cold.ownBytes() - small.ownBytes() < MOST_BYTES, small + ", " + cold);
    assertTrue(warm.ownBytes() - small.ownBytes() < MOST_BYTES, small + ", " + warm);
    assertTrue(warm.millis() - small.millis() < MOST_STOP_MILLIS, small + ", " + warm);
    for (int i = 0; i < STOPS; i++) {
      stop("what was kept", cache, model, task, many, warm.millis() * i / STOPS, i % 2 == 0);
    }
    for (int i = 0; i < STOPS; i++) {
      FileOps.SYSTEM.deleteTree(cache);
      stop("the first time", cache, model, task, many, cold.millis() * i / STOPS, i % 2 == 0);
    }
    Files.delete(many);
  }

  private static void stop(
      String what, Path cache, Path model, String task, Path file, long afterMillis, boolean asks)
      throws Exception {
    AttuneProcess process = start(cache, model, task, file);
    Thread.sleep(afterMillis);
    long begun = System.nanoTime();
    if (asks) {
      process.interrupt();
    } else {
      process.terminate();
    }
    AttuneProcess.Ended ended = process.await();
    long millis = (System.nanoTime() - begun) / 1_000_000;
    String said = what + ", " + (asks ? "SIGINT" : "SIGTERM") + " after " + afterMillis + " ms";
    System.out.printf("large: %s: stopped in %d ms%n", said, millis);
    assertTrue(millis < MOST_STOP_MILLIS, said + ": " + millis + " ms, " + ended);
    // It may have come to its end just before.
    assertTrue(Set.of(0, 130, 143).contains(ended.status()), said + ": " + ended);
  }
}
