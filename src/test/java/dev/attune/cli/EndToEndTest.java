package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.TinyTasks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The command line from outside: what a user types, what comes back, what is on the disk. */
class EndToEndTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path shared;
  private static Path model;
  private static Path train;
  private static Path validation;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 400, 1);
    validation = TinyModel.writeData(shared.resolve("validation.csv"), 60, 2);
  }

  private String[] train(Path output, String... more) {
    List<String> words =
        List.of(
            "train",
            "--model",
            model.toString(),
            "--train-file",
            train.toString(),
            "--output-dir",
            output.toString(),
            "--learning-rate",
            "3e-3",
            "--batch-size",
            "16",
            "--threads",
            "2",
            "--json");
    return AttuneProcess.with(words, more);
  }

  @Test
  void trainEvaluateAndPredictWorkTogether() throws IOException {
    Path output = scratch.resolve("out");
    Ended trained =
        AttuneProcess.run(scratch, train(output, "--validation-file", validation.toString()));
    assertEquals(0, trained.status(), trained.err());
    JsonNode result = trained.json();
    assertEquals(75, result.get("steps").asInt());
    assertEquals(3.0, result.get("epochs").asDouble());
    assertEquals(output.toString(), result.get("output_dir").asText());
    assertTrue(result.get("eval").get("accuracy").asDouble() > 0.9, trained.out());
    for (String key :
        List.of(
            "train_loss",
            "tokens",
            "tokens_per_second",
            "examples_per_second",
            "peak_memory_bytes",
            "model_flops_utilization")) {
      assertTrue(result.get(key).asDouble() > 0, key);
    }

    List<String> lines = Files.readAllLines(output.resolve("metrics.jsonl"));
    JsonNode first = JSON.readTree(lines.get(0));
    for (String key : List.of("step", "epoch", "loss", "grad_norm", "learning_rate", "tokens")) {
      assertTrue(first.has(key), key);
    }
    assertEquals(3, lines.stream().filter(line -> line.contains("\"eval\"")).count());
    JsonNode config = JSON.readTree(output.resolve("config.json").toFile());
    assertEquals("negative", config.get("id2label").get("0").asText());
    assertEquals("BertForSequenceClassification", config.get("architectures").get(0).asText());

    Ended evaluated =
        AttuneProcess.run(
            scratch,
            "evaluate",
            "--model",
            output.toString(),
            "--file",
            validation.toString(),
            "--json");
    assertEquals(0, evaluated.status(), evaluated.err());
    assertEquals(
        result.get("eval").get("accuracy").asDouble(), evaluated.json().get("accuracy").asDouble());

    Path predictions = scratch.resolve("predictions.jsonl");
    Ended predicted =
        AttuneProcess.run(
            scratch,
            "predict",
            "--model",
            output.toString(),
            "--file",
            validation.toString(),
            "--output",
            predictions.toString());
    assertEquals(0, predicted.status(), predicted.err());
    List<String> rows = Files.readAllLines(predictions);
    assertEquals(60, rows.size());
    JsonNode row = JSON.readTree(rows.get(0));
    assertTrue(row.has("text"));
    double sum =
        row.get("scores").get("positive").asDouble() + row.get("scores").get("negative").asDouble();
    assertEquals(1, sum, 1e-9);
  }

  @Test
  void theSameCommandGivesTheSameBytesWhateverTheThreads() throws IOException {
    Path one = scratch.resolve("one");
    Path two = scratch.resolve("two");
    assertEquals(
        0, AttuneProcess.run(scratch, train(one, "--threads", "1", "--max-steps", "8")).status());
    assertEquals(
        0, AttuneProcess.run(scratch, train(two, "--threads", "3", "--max-steps", "8")).status());
    assertArrayEquals(weights(one), weights(two));
  }

  /** Rows, losses and what is found on validation data differ by task; what is kept must not. */
  static List<Arguments> tasks() {
    String labels = TinyTasks.writeLabels(shared.resolve("labels.jsonl"), 400, 1).toString();
    String few = TinyTasks.writeLabels(shared.resolve("few-labels.jsonl"), 40, 2).toString();
    String asked = TinyTasks.writeQuestions(shared.resolve("questions.jsonl"), 250, 1).toString();
    String some = TinyTasks.writeQuestions(shared.resolve("few-questions.jsonl"), 40, 2).toString();
    return List.of(
        Arguments.of("classification", List.of("--validation-file", validation.toString())),
        Arguments.of("masked-lm", List.of("--validation-file", validation.toString())),
        Arguments.of(
            "multi-label-classification",
            List.of(
                "--train-file",
                labels,
                "--validation-file",
                few,
                "--pos-weight",
                "auto",
                "--tune-thresholds")),
        Arguments.of(
            "question-answering",
            List.of(
                "--train-file",
                asked,
                "--validation-file",
                some,
                "--doc-stride",
                "5",
                "--tune-thresholds")));
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void aKilledRunResumesToTheSameBytes(String task, List<String> more)
      throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(List.of("--task", task, "--save-steps", "5"));
    all.addAll(more);
    String[] options = all.toArray(String[]::new);
    Path whole = scratch.resolve("whole");
    Ended straight = AttuneProcess.run(scratch, train(whole, options));
    assertEquals(0, straight.status(), straight.err());

    Path broken = scratch.resolve("broken");
    AttuneProcess.killAndResume(scratch, broken, new Random(11), 4, 20, train(broken, options));
    assertArrayEquals(weights(whole), weights(broken));
    for (String file : List.of("metrics.jsonl", "config.json", "attune.json")) {
      assertEquals(
          Files.readString(whole.resolve(file)), Files.readString(broken.resolve(file)), file);
    }
  }

  @Test
  void aSecondRunIsTurnedAwayUntilTheFirstIsGone() throws IOException, InterruptedException {
    Path output = scratch.resolve("out");
    String[] options = {"--epochs", "400", "--save-steps", "5"};
    AttuneProcess first = AttuneProcess.start(scratch, List.of(), train(output, options));
    while (first.isAlive() && AttuneProcess.steps(output) < 6) {
      Thread.sleep(2);
    }
    for (String way : List.of("--overwrite", "--resume")) {
      List<String> words = new ArrayList<>(List.of(train(output, options)));
      words.add(way);
      Ended second = AttuneProcess.run(scratch, words.toArray(String[]::new));
      assertEquals(2, second.status(), second.out() + second.err());
      assertTrue(second.err().contains("process " + first.pid()), second.err());
      assertTrue(first.isAlive(), "the first run did not live through it");
    }
    first.kill();
    first.await();
    Ended third = AttuneProcess.run(scratch, train(output, "--max-steps", "2", "--overwrite"));
    assertEquals(0, third.status(), third.err());
    assertFalse(Files.exists(output.resolve(".attune.lock")));
  }

  @Test
  void controlCLeavesAResumableCheckpointAndStatus130() throws IOException, InterruptedException {
    Path whole = scratch.resolve("whole");
    assertEquals(0, AttuneProcess.run(scratch, train(whole, "--epochs", "8")).status());

    Path stopped = scratch.resolve("stopped");
    AttuneProcess process =
        AttuneProcess.start(scratch, List.of(), train(stopped, "--epochs", "8"));
    while (process.isAlive() && AttuneProcess.steps(stopped) < 20) {
      Thread.sleep(2);
    }
    process.interrupt();
    Ended ended = process.await();
    assertEquals(130, ended.status(), ended.err());
    assertTrue(ended.json().get("interrupted").asBoolean());
    assertFalse(Files.exists(stopped.resolve("model.safetensors")));

    Ended resumed = AttuneProcess.run(scratch, train(stopped, "--epochs", "8", "--resume"));
    assertEquals(0, resumed.status(), resumed.err());
    assertArrayEquals(weights(whole), weights(stopped));
  }

  /** Whether the signal comes while the fold is prepared or after, the one before it is kept. */
  @Test
  void ctrlCInALaterFoldSaysHowToGoOn() {
    Path output = scratch.resolve("folds");
    Path rows = TinyModel.writeData(scratch.resolve("many.csv"), 6_000, 3);
    String[] words =
        train(output, "--train-file", rows.toString(), "--k-fold", "2", "--max-steps", "2");
    AttuneProcess process = AttuneProcess.start(scratch, List.of(), words);
    process.awaitError("fold 2 of 2");
    process.interrupt();
    Ended stopped = process.await();
    assertEquals(130, stopped.status(), stopped.err());
    assertFalse(stopped.err().contains("nothing was changed"), stopped.err());
    assertTrue(stopped.err().contains("--resume"), stopped.err());
    List<String> more = new ArrayList<>(List.of(words));
    more.add("--resume");
    Ended resumed = AttuneProcess.run(scratch, more.toArray(String[]::new));
    assertEquals(0, resumed.status(), resumed.err());
    assertTrue(resumed.err().contains("fold 1 of 2 is done already"), resumed.err());
  }

  /** A pipe that nobody writes to keeps the reading of data waiting, as a large file would. */
  @ParameterizedTest
  @ValueSource(strings = {"-INT", "-TERM"})
  void aSignalWhileDataAreReadEndsItAtOnceAndLeavesNothing(String signal) throws Exception {
    Path output = scratch.resolve("deep/er");
    Path pipe = scratch.resolve("rows.csv");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    AttuneProcess process =
        AttuneProcess.start(
            scratch,
            List.of(),
            "train",
            "--model",
            model.toString(),
            "--train-file",
            pipe.toString(),
            "--output-dir",
            output.toString(),
            "--json");
    Thread.sleep(3_000); // it has started, and reads
    long begin = System.nanoTime();
    new ProcessBuilder("kill", signal, Long.toString(process.pid())).start().waitFor();
    Ended ended = process.await();
    double seconds = (System.nanoTime() - begin) * 1e-9;
    assertEquals(130, ended.status(), ended.err());
    assertTrue(seconds < 10, seconds + " s"); // the pipe would never end
    assertTrue(ended.json().get("error").asText().contains("before the first step"), ended::out);
    assertFalse(Files.exists(scratch.resolve("deep")));
  }

  /** Containers and cron: Java alone would write every letter beyond ASCII as a question mark. */
  @Test
  void aPlainLocaleLosesNoLetter() throws IOException {
    Path rows = scratch.resolve("rows.csv");
    Files.writeString(rows, "größe,label\nZoë geht,schön\nÜbel,schlimm\nna ja,schön\n");
    Path output = scratch.resolve("plain");
    List<String> plain = List.of("env", "LC_ALL=POSIX");
    String[] training = train(output, "--columns", "text=größe,label=label");
    training[Arrays.asList(training).indexOf(train.toString())] = rows.toString();
    Ended trained = AttuneProcess.start(scratch, plain, training).await();
    assertEquals(0, trained.status(), trained.err());
    assertTrue(trained.err().contains("schön"), trained.err());
    Path predictions = scratch.resolve("out.jsonl");
    Ended predicted =
        AttuneProcess.start(
                scratch,
                plain,
                "predict",
                "--model",
                output.toString(),
                "--file",
                rows.toString(),
                "--columns",
                "text=größe",
                "--output",
                predictions.toString())
            .await();
    assertEquals(0, predicted.status(), predicted.err());
    String written = Files.readString(predictions);
    assertTrue(written.contains("\"größe\":\"Zoë geht\""), written);
    assertTrue(written.contains("\"schlimm\":"), written);
  }

  @Test
  void aSmallerHeapThanTheUsualBeginningIsTaken() {
    List<String> small = List.of("env", "ATTUNE_JAVA_OPTS=-Xmx48m");
    Ended ended = AttuneProcess.start(scratch, small, "help").await();
    assertEquals(0, ended.status(), ended::toString);
  }

  @Test
  void aJavaHomeWithoutJavaIsNamed() {
    Ended ended =
        AttuneProcess.start(scratch, List.of("env", "JAVA_HOME=/nowhere"), "doctor").await();
    assertEquals(1, ended.status());
    assertTrue(ended.err().contains("JAVA_HOME is /nowhere, where there is no bin/java"));
  }

  @Test
  void aFullDiskLeavesTheOldModelWhole() throws IOException {
    Path output = scratch.resolve("out");
    assertEquals(0, AttuneProcess.run(scratch, train(output, "--max-steps", "2")).status());
    byte[] before = weights(output);
    // No file may grow beyond 40 blocks: writing the weights fails as on a full disk.
    AttuneProcess process =
        AttuneProcess.start(
            scratch,
            List.of("bash", "-c", "ulimit -f 40; exec \"$0\" \"$@\""),
            train(output, "--max-steps", "3", "--overwrite", "--save-retry-minutes", "0"));
    Ended ended = process.await();
    assertEquals(1, ended.status(), ended.out() + ended.err());
    assertTrue(ended.err().contains("could not be saved"), ended.err());
    assertArrayEquals(before, weights(output));
    Ended evaluated =
        AttuneProcess.run(
            scratch, "evaluate", "--model", output.toString(), "--file", validation.toString());
    assertEquals(0, evaluated.status(), evaluated.err());
  }

  @Test
  void aDivergedRunNamesTheStepAndSavesNoModel() throws IOException {
    Path scores = scratch.resolve("scores.csv");
    Files.writeString(scores, "text,label\n" + "very good,1\nso bad,1e30\n".repeat(8));
    Path output = scratch.resolve("out");
    String[] command = train(output, "--task", "regression", "--train-file", scores.toString());
    Ended ended = AttuneProcess.run(scratch, command);
    assertEquals(1, ended.status(), ended.out() + ended.err());
    assertTrue(ended.err().contains("step 1: the loss is Infinity"), ended.err());
    assertTrue(ended.err().contains("--on-nonfinite skip leaves such steps out"), ended.err());
    assertFalse(Files.exists(output.resolve("model.safetensors")));
  }

  @Test
  void aBaseWithWeightsThatAreNoNumbersIsRefusedByTheirName() throws IOException {
    Path poisoned = scratch.resolve("poisoned");
    Files.createDirectories(poisoned);
    for (String name : List.of("config.json", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(model.resolve(name), poisoned.resolve(name));
    }
    byte[] weights = weights(model);
    // The last f32 of the file becomes NaN.
    weights[weights.length - 2] = (byte) 0xC0;
    weights[weights.length - 1] = 0x7F;
    Files.write(poisoned.resolve("model.safetensors"), weights);
    Path output = scratch.resolve("out");
    Ended ended = AttuneProcess.run(scratch, train(output, "--model", poisoned.toString()));
    assertEquals(2, ended.status(), ended.out());
    assertTrue(
        ended.err().matches("(?s).*the weights '\\S+' hold NaN \\(element \\d+\\).*"), ended.err());
    assertFalse(Files.exists(output.resolve("model.safetensors")));
    // Vectors are made without the last tensor: the first f32 becomes NaN too.
    ByteBuffer bytes = ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putFloat(Math.toIntExact(Long.BYTES + bytes.getLong(0)), Float.NaN);
    Files.write(poisoned.resolve("model.safetensors"), weights);
    Path texts = Files.writeString(scratch.resolve("texts.jsonl"), "{\"text\": \"very good\"}\n");
    Ended embedded =
        AttuneProcess.run(
            scratch,
            "embed",
            "--model",
            poisoned.toString(),
            "--file",
            texts.toString(),
            "--output",
            scratch.resolve("vectors.jsonl").toString());
    assertEquals(2, embedded.status(), embedded.out());
    assertTrue(embedded.err().contains("hold NaN (element"), embedded.err());
  }

  @Test
  void aConfigFileIsOverriddenBySetAndByOptions() throws IOException {
    Path config = scratch.resolve("run.yaml");
    Files.writeString(
        config, "model: " + model + "\ntrain_file: " + train + "\nmax-steps: 9\nepochs: 7\n");
    Path output = scratch.resolve("out");
    Ended ended =
        AttuneProcess.run(
            scratch,
            "train",
            "--config",
            config.toString(),
            "--set",
            "max-steps=4",
            "--set",
            "seed=5",
            "--seed",
            "6",
            "--output-dir",
            output.toString(),
            "--json");
    assertEquals(0, ended.status(), ended.err());
    assertEquals(4, ended.json().get("steps").asInt());
    String written = Files.readString(output.resolve("run.yaml"));
    assertTrue(written.contains("seed: 6\n"), written);
    assertTrue(written.contains("epochs: 7"), written);
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }
}
