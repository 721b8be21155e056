package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code attune train --evaluate-with generate}: evaluations that generate. */
class GeneratedEvaluationTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> TEXT_METRICS =
      List.of("bleu", "chrf", "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match");

  @TempDir static Path shared;
  private static Path decoder;
  private static Path rows;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      decoder = TinyDecoder.write(shared.resolve("decoder"), backend, 32);
    }
    String[] colours = {"red", "green", "blue"};
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 24; i++) {
      lines.append("{\"prompt\": \"").append("abc".charAt(i % 3)).append(i / 3 % 4);
      lines.append(":\", \"completion\": \" ").append(colours[i % 3]).append(" one\"}\n");
    }
    rows = Files.writeString(shared.resolve("rows.jsonl"), lines);
  }

  private static String[] training(Path output, String... more) {
    List<String> words = new ArrayList<>(List.of("train", "--task", "causal-lm", "--json"));
    words.addAll(List.of("--model", decoder.toString(), "--train-file", rows.toString()));
    words.addAll(List.of("--validation-file", rows.toString(), "--output-dir", output.toString()));
    words.addAll(List.of("--batch-size", "8", "--dropout", "0.1", "--learning-rate", "1e-2"));
    words.addAll(List.of("--lr-scheduler", "constant", "--threads", "2"));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  private static String[] generating(Path output, String... more) {
    List<String> words = new ArrayList<>(List.of(training(output, more)));
    words.addAll(List.of("--evaluate-with", "generate", "--max-new-tokens", "12"));
    return words.toArray(String[]::new);
  }

  private Ended run(String... words) {
    Ended ended = AttuneProcess.run(scratch, words);
    assertEquals(0, ended.status(), ended.err());
    return ended;
  }

  /** The lines of metrics.jsonl that are of steps, or of evaluations. */
  private static List<JsonNode> lines(Path output, boolean evaluations) throws IOException {
    List<JsonNode> out = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      JsonNode json = JSON.readTree(line);
      if (json.has("eval") == evaluations) {
        out.add(json);
      }
    }
    return out;
  }

  @Test
  void generatingInBetweenLeavesTrainingAlone() throws IOException {
    String[] options = {"--max-steps", "6", "--eval-steps", "2", "--lora-r", "2"};
    Path plain = scratch.resolve("plain");
    run(training(plain, options));
    Path generating = scratch.resolve("generating");
    JsonNode result = run(generating(generating, options)).json();
    String weights = "adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(plain.resolve(weights)),
        Files.readAllBytes(generating.resolve(weights)));
    assertEquals(lines(plain, false), lines(generating, false));

    List<JsonNode> before = lines(plain, true);
    List<JsonNode> after = lines(generating, true);
    assertEquals(3, after.size());
    for (int i = 0; i < after.size(); i++) {
      JsonNode values = after.get(i).get("eval");
      assertEquals(before.get(i).get("eval").get("loss"), values.get("loss"));
      TEXT_METRICS.forEach(metric -> assertTrue(values.get(metric).isNumber(), metric));
    }
    assertEquals(after.get(2).get("eval"), result.get("eval"));
  }

  @Test
  void theValuesAreThoseOfTheEvaluateCommand() throws IOException {
    Path output = scratch.resolve("out");
    // --max-length cuts examples, not what is generated.
    String[] options = {"--max-steps", "40", "--max-length", "16", "--stop", " one"};
    JsonNode trained = run(generating(output, options)).json().get("eval");
    JsonNode evaluated =
        run(
                "evaluate",
                "--model",
                output.toString(),
                "--file",
                rows.toString(),
                "--json",
                "--evaluate-with",
                "generate",
                "--max-new-tokens",
                "12",
                "--stop",
                " one",
                "--max-length",
                "64",
                "--threads",
                "2")
            .json();
    TEXT_METRICS.forEach(metric -> assertEquals(trained.get(metric), evaluated.get(metric)));
    assertTrue(trained.get("chrf").asDouble() > 10, "nothing was learned: " + trained);
    JsonNode saved = JSON.readTree(output.resolve("attune.json").toFile());
    assertEquals(trained, saved.get("eval"));
  }

  @Test
  void aKilledRunResumesToTheSameBytes() throws IOException, InterruptedException {
    String[] options = {"--max-steps", "18", "--eval-steps", "4", "--save-steps", "3"};
    Path whole = scratch.resolve("whole");
    run(generating(whole, options));
    Path broken = scratch.resolve("broken");
    AttuneProcess process = AttuneProcess.start(scratch, List.of(), generating(broken, options));
    while (process.isAlive() && AttuneProcess.steps(broken) < 9) {
      Thread.sleep(1);
    }
    assertTrue(process.isAlive(), "the run ended before it was killed");
    process.kill();
    process.await();
    List<String> again = new ArrayList<>(List.of(generating(broken, options)));
    again.add("--resume");
    Ended resumed = run(again.toArray(String[]::new));
    assertTrue(
        resumed.err().contains("resuming after") || resumed.out().contains("resuming after"));
    for (String file : List.of("model.safetensors", "metrics.jsonl")) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(broken.resolve(file)), file);
    }
  }

  @Test
  void moreLikenessIsBetterForEarlyStopping() throws IOException {
    Path output = scratch.resolve("out");
    JsonNode result =
        run(generating(
                output,
                "--epochs",
                "20",
                "--metric-for-best-model",
                "chrf",
                "--early-stopping-patience",
                "2"))
            .json();
    List<Double> scores = new ArrayList<>();
    for (JsonNode line : lines(output, true)) {
      scores.add(line.get("eval").get("chrf").asDouble());
    }
    double best = scores.stream().mapToDouble(Double::doubleValue).max().getAsDouble();
    assertEquals(best, result.get("eval").get("chrf").asDouble(), scores.toString());
    assertTrue(best > scores.get(0), "the first was the best: " + scores);
    if (result.get("stopped_early").asBoolean()) {
      int size = scores.size();
      assertTrue(Math.max(scores.get(size - 2), scores.get(size - 1)) <= best, scores.toString());
    }
  }

  @Test
  void testDataAreAnsweredAtTheEnd() throws IOException {
    Path output = scratch.resolve("out");
    JsonNode test =
        run(generating(output, "--max-steps", "2", "--test-file", rows.toString()))
            .json()
            .get("test");
    TEXT_METRICS.forEach(metric -> assertTrue(test.get(metric).isNumber(), metric));
    assertTrue(test.get("loss").isNumber());
  }

  @Test
  void aConfigFileOfARunCanBeUsedAgain() throws IOException {
    Path first = scratch.resolve("first");
    run(training(first, "--max-steps", "2"));
    Path second = scratch.resolve("second");
    // Its defaults do not count as given: --lora-dropout would need --lora-r.
    run(
        "train",
        "--config",
        first.resolve("run.yaml").toString(),
        "--output-dir",
        second.toString());
    assertArrayEquals(
        Files.readAllBytes(first.resolve("model.safetensors")),
        Files.readAllBytes(second.resolve("model.safetensors")));
    assertFalse(Files.exists(second.resolve("checkpoints")));
  }
}
