package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.SilentRunListener;
import dev.attune.run.TrainRun;
import dev.attune.testkit.FileRecord;
import dev.attune.testkit.FileRecord.Loss;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What survives, over the real command: its n-th write, sync, rename, open or map fails, or the
 * process dies there, or power is lost and with it what was not synced. Whatever is left, the run
 * goes on to the bytes of one that was never disturbed; counts are printed.
 */
class SurvivalTest {
  private static final List<String> KINDS = List.of("open", "write", "sync", "rename", "map");
  private static final List<String> WAYS = List.of("error", "full", "kill");

  /** What is in a run's folder beside its model. */
  private static final Set<String> NO_MODEL =
      Set.of("metrics.jsonl", "run.yaml", "data_report.json", ".attune.lock");

  /** Of each kind that tools/survive.sh tries. */
  private static final int MOST = Integer.getInteger("attune.survival.most", Integer.MAX_VALUE);

  /** Those of {@link #KINDS} that are tried: all take hours where others are at work. */
  private static final Set<String> ASKED =
      Set.of(System.getProperty("attune.survival.kinds", String.join(",", KINDS)).split(","));

  @TempDir static Path shared;
  private static Path library;
  private static Path model;
  private static Path train;
  private static Path validation;
  private static Path whole;

  @BeforeAll
  static void prepare() throws Exception {
    Path source = Path.of("native/test/file_faults.c").toAbsolutePath();
    library = shared.resolve("file_faults.so");
    // The build of the kernels has needed the same compiler: without it this fails, and is not
    // skipped.
    Process compiler =
        new ProcessBuilder(
                List.of(
                    "cc", "-O1", "-shared", "-fPIC", "-o", library.toString(), source.toString()))
            .redirectErrorStream(true)
            .start();
    String said = new String(compiler.getInputStream().readAllBytes());
    assertEquals(0, compiler.waitFor(), said);
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(shared.resolve("validation.csv"), 20, 2);
    whole = shared.resolve("whole");
    train(config(whole).build());
  }

  private static Map<RunOption, String> options(Path output) {
    Map<RunOption, String> options = new TreeMap<>();
    options.put(RunOption.MODEL, model.toString());
    options.put(RunOption.TRAIN_FILE, train.toString());
    options.put(RunOption.VALIDATION_FILE, validation.toString());
    options.put(RunOption.OUTPUT_DIR, output.toString());
    options.put(RunOption.BACKEND, "cpu");
    options.put(RunOption.PRECISION, "fp32");
    options.put(RunOption.ISA, "portable");
    options.put(RunOption.THREADS, "1");
    options.put(RunOption.LEARNING_RATE, "1e-3");
    options.put(RunOption.BATCH_SIZE, "16");
    options.put(RunOption.MAX_STEPS, "6");
    options.put(RunOption.SAVE_STEPS, "2");
    options.put(RunOption.EVAL_STEPS, "1");
    options.put(RunOption.METRIC_FOR_BEST_MODEL, "accuracy");
    options.put(RunOption.SAVE_RETRY_MINUTES, "0");
    options.put(RunOption.RUN_STORE, "none");
    return options;
  }

  private static RunConfig.Builder config(Path output, RunOption... flags) {
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    options(output).forEach(config::set);
    for (RunOption flag : flags) {
      config.set(flag, "true");
    }
    return config;
  }

  private static String[] command(Path output, RunOption... flags) {
    List<String> words = new ArrayList<>(List.of("train"));
    options(output)
        .forEach((option, value) -> words.addAll(List.of("--" + option.option(), value)));
    for (RunOption flag : flags) {
      words.add("--" + flag.option());
    }
    return words.toArray(String[]::new);
  }

  private static void train(RunConfig config) {
    new TrainRun(config, new SilentRunListener(), () -> false).run();
  }

  /** Ends a run in this process, with the options it was begun with; counts how. */
  private static void finish(Path output, Map<String, Integer> ways, String where)
      throws IOException {
    String way = "resumed";
    try {
      train(config(output, RunOption.RESUME).build());
    } catch (InputException e) {
      // Either it had ended, or nothing of it had begun and a model from before is there.
      assertTrue(e.getMessage().contains("is finished"), where + ": " + e.getMessage());
      boolean isOld = !Arrays.equals(weights(whole), weightsOrNone(output));
      way = isOld ? "begun again" : "had ended";
      if (isOld) {
        train(config(output, RunOption.OVERWRITE).build());
      }
    }
    assertArrayEquals(weights(whole), weights(output), where);
    assertEquals(
        Files.readString(whole.resolve("metrics.jsonl")),
        Files.readString(output.resolve("metrics.jsonl")),
        where);
    assertEquals(modelFiles(whole), modelFiles(output), where);
    assertFalse(Files.exists(output.resolve("checkpoints")), where);
    ways.merge(way, 1, Integer::sum);
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }

  private static byte[] weightsOrNone(Path folder) throws IOException {
    return Files.exists(folder.resolve("model.safetensors")) ? weights(folder) : new byte[0];
  }

  /** Names and contents of a model's files, and of whatever else should not be there. */
  private static Map<String, String> modelFiles(Path folder) throws IOException {
    Map<String, String> files = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : (Iterable<Path>) all::iterator) {
        String name = folder.relativize(file).toString();
        // What is left of checkpoints whose removal was cut off is hidden, and goes with the next
        // run.
        boolean isOfRun =
            NO_MODEL.contains(name)
                || name.startsWith("checkpoints")
                || name.startsWith(".checkpoints.removed");
        if (Files.isRegularFile(file) && !isOfRun) {
          files.put(name, Arrays.hashCode(Files.readAllBytes(file)) + "");
        }
      }
    }
    return files;
  }

  private static long[] counts(Path file) throws IOException {
    long[] counts = new long[KINDS.size()];
    ByteBuffer.wrap(Files.readAllBytes(file))
        .order(ByteOrder.LITTLE_ENDIAN)
        .asLongBuffer()
        .get(counts);
    return counts;
  }

  private static List<String> preloaded(Path folder, String... settings) {
    List<String> prefix = new ArrayList<>(List.of("env", "LD_PRELOAD=" + library));
    prefix.add("ATTUNE_FAULT_FOLDER=" + folder);
    prefix.addAll(List.of(settings));
    return prefix;
  }

  @Test
  void aFaultAnywhereIsSaidAndTheRunGoesOn() throws IOException {
    faults(2);
  }

  @Test
  @Tag("nightly")
  void everyFaultIsSaidAndTheRunGoesOn() throws IOException {
    faults(MOST);
  }

  /**
   * @param most of a kind, spread over all
   */
  private void faults(int most) throws IOException {
    assertTrue(KINDS.containsAll(ASKED), ASKED + " are to be tried, of " + KINDS);
    Path first = shared.resolve("counted-" + most);
    Path counted = shared.resolve("counts-" + most);
    AttuneProcess.Ended ended =
        AttuneProcess.start(
                shared, preloaded(shared, "ATTUNE_FAULT_COUNTS=" + counted), command(first))
            .await();
    assertEquals(0, ended.status(), ended.err());
    long[] counts = counts(counted);
    for (int kind = 0; kind < KINDS.size(); kind++) {
      assertTrue(counts[kind] > 0, "nothing was seen of " + KINDS.get(kind));
      for (String way : WAYS) {
        boolean isWrite = KINDS.get(kind).equals("write");
        if (!ASKED.contains(KINDS.get(kind)) || way.equals("full") && !isWrite) {
          continue; // only what is written finds no room
        }
        Map<String, Integer> ways = new TreeMap<>();
        Random random = new Random(kind);
        long tried = Math.min(most, counts[kind]);
        for (long i = 0; i < tried; i++) {
          long at = tried == counts[kind] ? i + 1 : 1 + random.nextLong(0, counts[kind]);
          fault(KINDS.get(kind), way, at, ways);
        }
        System.out.printf(
            "survived: %d of %d operations '%s' met by '%s': %s%n",
            tried, counts[kind], KINDS.get(kind), way, ways);
      }
    }
  }

  private void fault(String kind, String way, long at, Map<String, Integer> ways)
      throws IOException {
    String where = way + " at " + kind + " " + at;
    Path output = shared.resolve("out");
    AttuneProcess.Ended ended =
        AttuneProcess.start(
                shared,
                preloaded(
                    shared,
                    "ATTUNE_FAULT_KIND=" + kind,
                    "ATTUNE_FAULT_HOW=" + way,
                    "ATTUNE_FAULT_AT=" + at),
                command(output))
            .await();
    String said = where + ": status " + ended.status() + ", " + ended.err();
    assertFalse(ended.err().contains("\tat "), said);
    if (ended.status() == 0) {
      ways.merge("no harm", 1, Integer::sum);
      assertArrayEquals(weights(whole), weights(output), said);
      assertEquals(modelFiles(whole), modelFiles(output), said);
    } else {
      assertTrue(way.equals("kill") || !ended.err().isBlank(), said);
      finish(output, ways, said);
    }
    FileOps.SYSTEM.deleteTree(output);
  }

  @Test
  void aLossOfPowerLosesNothingThatWasSaid() throws IOException {
    losses(16);
  }

  @Test
  @Tag("nightly")
  void everyLossOfPowerLosesNothingThatWasSaid() throws IOException {
    losses(MOST);
  }

  /** In place of nothing, and in place of an adapter, whose files must not stay in charge. */
  private void losses(int most) throws IOException {
    for (boolean replaces : new boolean[] {false, true}) {
      Path place = Files.createDirectories(shared.resolve("recorded-" + most + replaces));
      Path output = place.resolve("out");
      if (replaces) {
        train(config(output).set(RunOption.LORA_R, "2").build());
      } else {
        Files.createDirectory(output);
      }
      Path before = copy(output, shared.resolve("before-" + most + replaces));
      Path record = shared.resolve("record-" + most + replaces);
      AttuneProcess.Ended ended =
          AttuneProcess.start(
                  shared,
                  preloaded(output, "ATTUNE_FAULT_RECORD=" + record),
                  command(output, RunOption.OVERWRITE))
              .await();
      assertEquals(0, ended.status(), ended.err());
      losses(FileRecord.read(record, output, before), before, most, replaces);
    }
  }

  private void losses(FileRecord record, Path before, int most, boolean replaces)
      throws IOException {
    assertTrue(record.count('w') > 20 && record.count('s') > 20 && record.count('r') > 5);
    Map<String, String> old = modelFiles(before);
    assertEquals(replaces, !old.isEmpty());
    Map<String, Integer> ways = new TreeMap<>();
    Set<Integer> seen = new HashSet<>();
    Random random = new Random(5);
    double share = (double) most / (record.size() * Loss.values().length);
    do {
      for (Loss loss : Loss.values()) {
        Map<String, byte[]> left = record.left(loss);
        int hash = 0;
        for (Map.Entry<String, byte[]> entry : left.entrySet()) {
          hash = 31 * hash + entry.getKey().hashCode() + Arrays.hashCode(entry.getValue());
        }
        if (random.nextDouble() >= share || !seen.add(hash)) {
          continue;
        }
        String where = "a loss of " + loss + ", left " + left.keySet();
        Path output = FileRecord.write(left, shared.resolve("left"));
        if (ModelFolder.holdsModel(output)) {
          ModelFolder.open(output, null); // finishes an installation that was cut off
          Map<String, String> found = modelFiles(output);
          found
              .keySet()
              // Of a report, or of a model that had not come to be: they are in nobody's charge.
              .removeIf(name -> name.contains(".partial-") || name.startsWith(".model.partial/"));
          assertTrue(found.equals(old) || found.equals(modelFiles(whole)), where + found);
        } else {
          assertFalse(replaces, where);
        }
        finish(output, ways, where);
        FileOps.SYSTEM.deleteTree(output);
      }
    } while (record.advance());
    assertNotEquals(Set.of(), seen);
    System.out.printf(
        "survived: %d states after a loss of what was not synced, of %d operations%s: %s%n",
        seen.size(), record.size(), replaces ? " in place of an adapter" : "", ways);
  }

  private static Path copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
    return to;
  }
}
