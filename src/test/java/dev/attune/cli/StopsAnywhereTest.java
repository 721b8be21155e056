package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.hub.FakeHub;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.data.DataCheck;
import dev.attune.testkit.Seeds;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Signals at instants that are drawn at random, over the real command: it ends, with the status and
 * the words that are documented, and what it promised is there. tools/stops.sh says how many, and
 * how soon.
 */
@DisabledOnOs(OS.WINDOWS)
@Timeout(36_000)
class StopsAnywhereTest {
  /** Of each kind of command. */
  private static final int STOPS = Integer.getInteger("attune.stops", 2);

  /**
   * To the end of the process; unless somebody has an idle machine to measure on, any time does.
   */
  private static final long MOST_MILLIS = Long.getLong("attune.stops.millis", Long.MAX_VALUE);

  private static final int MOST_BETWEEN = 600; // two of Ctrl-C, milliseconds
  private static final Pattern CHECKPOINT = Pattern.compile("; a checkpoint is in (.+)\\. Go on");
  private static final byte[] BEFORE = "what was there before\n".getBytes();

  @TempDir static Path shared;
  private static Path encoder;
  private static Path decoder;
  private static Path train;
  private static Path validation;
  private static Path many;
  private static Path texts;
  private static Path prompts;
  private static FakeHub hub;
  private static Map<String, byte[]> published;

  /** How a process is told to end. */
  private enum Way {
    TERM(143),
    HUP(129),
    INT(130),
    TWICE(130); // Ctrl-C, and again

    /** Of a process that had not begun to listen. */
    final int usual;

    Way(int usual) {
      this.usual = usual;
    }

    void send(AttuneProcess process, long betweenMillis) throws Exception {
      String name = this == TWICE ? "INT" : name();
      signal(process, name);
      if (this == TWICE) {
        Thread.sleep(betweenMillis);
        signal(process, name);
      }
    }

    private static void signal(AttuneProcess process, String name) throws Exception {
      new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
          .redirectErrorStream(true)
          .start()
          .waitFor();
    }
  }

  /** What is stopped. */
  enum Kind {
    TRAINING(true) {
      @Override
      String[] command(Path place) {
        return training(place, train);
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        return model(place.resolve("out"));
      }
    },
    LANGUAGE_MODEL(true) {
      @Override
      String[] command(Path place) {
        return AttuneProcess.with(
            List.of(training(place, texts)),
            "--model",
            decoder.toString(),
            "--task",
            "causal-lm",
            "--max-length",
            "48",
            "--validation-file",
            texts.toString());
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        return model(place.resolve("out"));
      }
    },
    FOLDS(true) {
      @Override
      String[] command(Path place) {
        List<String> words =
            new ArrayList<>(
                List.of("train", "--model", encoder.toString(), "--train-file", train.toString()));
        words.addAll(List.of("--k-fold", "3", "--max-steps", "4", "--batch-size", "16"));
        words.addAll(List.of("--threads", "1", "--run-store", "none", "--json"));
        words.addAll(List.of("--output-dir", place.resolve("out").toString()));
        return words.toArray(String[]::new);
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        return files(place.resolve("out"), "predictions.jsonl");
      }
    },
    GROUP(true) {
      @Override
      String[] command(Path place) {
        List<String> words = new ArrayList<>(List.of("train", "--json"));
        for (int run = 1; run <= 2; run++) {
          words.addAll(List.of("--config", config(place, run).toString()));
        }
        return words.toArray(String[]::new);
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        Map<String, byte[]> left = new TreeMap<>();
        for (int run = 1; run <= 2; run++) {
          String name = "out" + run;
          files(place.resolve(name), "adapter_model.safetensors", "metrics.jsonl")
              .forEach((file, bytes) -> left.put(name + "/" + file, bytes));
        }
        return left;
      }
    },
    PREDICTING(false) {
      @Override
      String[] command(Path place) {
        return reading("predict", place, shared.resolve("trained"), "out.jsonl");
      }
    },
    EVALUATING(false) {
      @Override
      String[] command(Path place) {
        String model = shared.resolve("trained").toString();
        return new String[] {
          "evaluate", "--model", model, "--file", many.toString(), "--threads", "1", "--json"
        };
      }

      @Override
      Map<String, byte[]> left(Path place) {
        return Map.of();
      }
    },
    EMBEDDING(false) {
      @Override
      String[] command(Path place) {
        return reading("embed", place, encoder, "out.npy");
      }
    },
    GENERATING(false) {
      @Override
      String[] command(Path place) {
        List<String> words = new ArrayList<>(List.of("generate", "--model", decoder.toString()));
        words.addAll(List.of("--prompts", prompts.toString(), "--max-new-tokens", "40"));
        words.addAll(List.of("--threads", "1", "--json"));
        words.addAll(List.of("--output", place.resolve("out.jsonl").toString()));
        return words.toArray(String[]::new);
      }
    },
    FETCHING(false) {
      @Override
      String[] command(Path place) {
        return new String[] {"hub", "fetch", "some-org/tiny", "--json"};
      }

      @Override
      boolean isKept() {
        return true;
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        Path snapshots = place.resolve("home/hub/models--some-org--tiny/snapshots");
        if (!Files.isDirectory(snapshots)) {
          return Map.of();
        }
        Map<String, byte[]> left = new TreeMap<>();
        for (Path snapshot : list(snapshots)) {
          for (Path file : list(snapshot)) {
            left.put(file.getFileName().toString(), Files.readAllBytes(file));
          }
        }
        return left;
      }
    },
    SERVING(false) {
      @Override
      String[] command(Path place) {
        List<String> words = new ArrayList<>(List.of("serve", "--port", "0", "--json"));
        words.addAll(List.of("--base-model", "base=" + encoder));
        words.addAll(List.of("--data-dir", place.resolve("data").toString()));
        return words.toArray(String[]::new);
      }

      @Override
      Map<String, byte[]> left(Path place) throws IOException {
        if (Files.exists(place.resolve("data").resolve("journal.db"))) { // else it never began
          assertEquals(List.of(), DataCheck.of(place.resolve("data")));
        }
        return Map.of();
      }
    };

    /** Whether {@code --resume} goes on with what was stopped. */
    final boolean resumes;

    Kind(boolean resumes) {
      this.resumes = resumes;
    }

    abstract String[] command(Path place);

    /** Whether the same command goes on with what there is, without a word. */
    boolean isKept() {
      return resumes;
    }

    /** What is wanted of it, as far as it is there. */
    Map<String, byte[]> left(Path place) throws IOException {
      return files(place, "out.jsonl", "out.npy");
    }
  }

  @BeforeAll
  static void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      encoder = TinyModel.write(shared.resolve("encoder"), backend);
      decoder = TinyDecoder.write(shared.resolve("decoder"), backend, 32);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 400, 1);
    validation = TinyModel.writeData(shared.resolve("validation.csv"), 200, 2);
    many = TinyModel.writeData(shared.resolve("many.csv"), 20_000, 3);
    texts = Files.writeString(shared.resolve("texts.txt"), "It is a very good phone. ".repeat(300));
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 200; i++) {
      lines.append("{\"prompt\": \"It is number ").append(i).append("\"}\n");
    }
    prompts = Files.writeString(shared.resolve("prompts.jsonl"), lines);
    hub = new FakeHub();
    published = FakeHub.files(encoder);
    hub.model("some-org/tiny").commit("main", published);
    hub.slow(100_000);
    Path place = Files.createDirectory(shared.resolve("first"));
    AttuneProcess.Ended ended = run(place, training(place, train));
    assertEquals(0, ended.status(), ended.err());
    Files.move(place.resolve("out"), shared.resolve("trained"));
  }

  @AfterAll
  static void end() {
    hub.close();
  }

  private static String[] training(Path place, Path rows) {
    List<String> words = new ArrayList<>(List.of("train", "--model", encoder.toString()));
    words.addAll(List.of("--train-file", rows.toString(), "--max-steps", "40"));
    words.addAll(List.of("--validation-file", validation.toString(), "--eval-steps", "4"));
    words.addAll(List.of("--save-steps", "3", "--load-best-model-at-end", "--batch-size", "8"));
    words.addAll(List.of("--threads", "1", "--run-store", "none", "--json"));
    words.addAll(List.of("--learning-rate", "1e-3", "--output-dir"));
    words.add(place.resolve("out").toString());
    return words.toArray(String[]::new);
  }

  private static Path config(Path place, int run) {
    try {
      return Files.writeString(
          place.resolve("run" + run + ".yaml"),
          """
          model: "%s"
          train-file: "%s"
          output-dir: "%s"
          lora-r: %d
          max-steps: 12
          save-steps: 4
          batch-size: 8
          threads: 1
          run-store: none
          """
              .formatted(encoder, train, place.resolve("out" + run), run));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static String[] reading(String command, Path place, Path model, String output) {
    List<String> words = new ArrayList<>(List.of(command, "--model", model.toString()));
    words.addAll(List.of("--file", many.toString(), "--threads", "1", "--json"));
    words.addAll(List.of("--output", place.resolve(output).toString()));
    return words.toArray(String[]::new);
  }

  private static Map<String, byte[]> model(Path folder) throws IOException {
    return files(folder, "model.safetensors", "metrics.jsonl");
  }

  private static Map<String, byte[]> files(Path folder, String... names) throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    for (String name : names) {
      if (Files.exists(folder.resolve(name))) {
        files.put(name, Files.readAllBytes(folder.resolve(name)));
      }
    }
    return files;
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }

  private static AttuneProcess start(Path place, String... words) {
    return AttuneProcess.start(
        place,
        List.of(
            "env",
            "HF_HOME=" + place.resolve("home"),
            "HF_ENDPOINT=" + hub.address(),
            "NO_PROXY=127.0.0.1,localhost"),
        words);
  }

  private static AttuneProcess.Ended run(Path place, String... words) {
    return start(place, words).await();
  }

  @ParameterizedTest
  @EnumSource
  void aSignalAnywhereEndsItAndWhatWasPromisedIsThere(Kind kind) throws Exception {
    SplittableRandom random = Seeds.random("stops of " + kind);
    Path undisturbed = Files.createDirectory(shared.resolve("whole-" + kind));
    long begun = System.nanoTime();
    if (kind == Kind.SERVING) {
      AttuneProcess process = start(undisturbed, kind.command(undisturbed));
      process.awaitError("Attune answers at");
      process.terminate();
      AttuneProcess.Ended ended = process.await();
      assertEquals(0, ended.status(), ended.err());
    } else {
      AttuneProcess.Ended ended = run(undisturbed, kind.command(undisturbed));
      assertEquals(0, ended.status(), ended.err());
    }
    long wholeMillis = (System.nanoTime() - begun) / 1_000_000;
    Map<String, byte[]> whole = kind.left(undisturbed);
    Map<String, Integer> ways = new TreeMap<>();
    long longest = 0;
    for (int stop = 0; stop < STOPS; stop++) {
      Way way = Way.values()[random.nextInt(Way.values().length)];
      long after = random.nextLong(wholeMillis + wholeMillis / 10);
      long between = random.nextLong(MOST_BETWEEN);
      String where = kind + ", " + way + " after " + after + " ms, " + Seeds.replay();
      Path place = Files.createDirectory(shared.resolve(kind + "-" + stop));
      longest = Math.max(longest, stop(kind, way, after, between, place, whole, ways, where));
      FileOps.SYSTEM.deleteTree(place);
    }
    System.out.printf("stopped: %s: %s, in %d ms at the most%n", kind, ways, longest);
  }

  private static long stop(
      Kind kind,
      Way way,
      long afterMillis,
      long betweenMillis,
      Path place,
      Map<String, byte[]> whole,
      Map<String, Integer> ways,
      String where)
      throws Exception {
    boolean writes = !kind.isKept() && !whole.isEmpty();
    String[] command = kind.command(place);
    if (writes) {
      for (String name : whole.keySet()) {
        Files.write(place.resolve(name), BEFORE);
      }
    }
    AttuneProcess process = start(place, command);
    Thread.sleep(afterMillis);
    long begun = System.nanoTime();
    way.send(process, betweenMillis);
    AttuneProcess.Ended ended = process.await();
    long millis = (System.nanoTime() - begun) / 1_000_000;
    String said = where + ": " + millis + " ms, " + ended;
    ways.merge("status " + ended.status(), 1, Integer::sum);
    assertTrue(millis < MOST_MILLIS, said);
    assertFalse(ended.err().contains("\tat "), said);
    assertTrue(List.of(0, 130, way.usual).contains(ended.status()), said);
    if (ended.status() == 0 || ended.status() != way.usual) {
      ended.json(); // is there
    }
    if (ended.status() == way.usual && way != Way.INT && way != Way.TWICE) {
      assertEquals("", ended.out(), said); // it had not begun
    }
    Map<String, byte[]> left = kind.left(place);
    if (ended.status() == 0) {
      assertSame(whole, left, said);
      return millis;
    }
    if (writes) {
      for (Map.Entry<String, byte[]> file : left.entrySet()) {
        boolean isOld = Arrays.equals(BEFORE, file.getValue());
        assertTrue(isOld || Arrays.equals(whole.get(file.getKey()), file.getValue()), said);
      }
      assertEquals(whole.keySet(), left.keySet(), said);
      if (way != Way.TWICE && !ended.err().isEmpty()) {
        assertFalse(
            list(place).stream().anyMatch(file -> file.toString().contains(".partial-")), said);
      }
    }
    for (Matcher promised = CHECKPOINT.matcher(ended.err()); promised.find(); ) {
      assertTrue(Files.isDirectory(Path.of(promised.group(1))), said);
    }
    if (kind.isKept()) {
      goOn(kind, place, whole, said);
    }
    return millis;
  }

  /** The same command, with {@code --resume} where something had begun, ends in the same bytes. */
  private static void goOn(Kind kind, Path place, Map<String, byte[]> whole, String said)
      throws IOException {
    String[] command = kind.command(place);
    if (kind.resumes && kind != Kind.GROUP) {
      boolean hasBegun =
          kind != Kind.FOLDS || Files.exists(place.resolve("out/cross_validation.json"));
      if (hasBegun) {
        command = AttuneProcess.with(List.of(command), "--resume");
      }
      AttuneProcess.Ended ended = run(place, command);
      // It had ended already.
      boolean isFinished = ended.status() == 2 && ended.err().contains("is finished");
      assertTrue(ended.status() == 0 || isFinished, said + "\n" + ended);
    } else if (kind == Kind.GROUP) {
      for (int run = 1; run <= 2; run++) {
        AttuneProcess.Ended ended =
            run(place, "train", "--config", config(place, run).toString(), "--resume", "--json");
        boolean isFinished = ended.status() == 2 && ended.err().contains("is finished");
        assertTrue(ended.status() == 0 || isFinished, said + "\n" + ended);
      }
    } else {
      AttuneProcess.Ended ended = run(place, command);
      assertEquals(0, ended.status(), said + "\n" + ended);
    }
    assertSame(whole, kind.left(place), said);
  }

  private static void assertSame(
      Map<String, byte[]> whole, Map<String, byte[]> left, String where) {
    assertEquals(whole.keySet(), left.keySet(), where);
    whole.forEach((name, bytes) -> assertArrayEquals(bytes, left.get(name), where + ": " + name));
  }
}
