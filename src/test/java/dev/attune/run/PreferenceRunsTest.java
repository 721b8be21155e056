package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.metrics.PreferenceMetrics;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs that learn which of two answers is better. */
class PreferenceRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String CHAT =
      "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content ~ '<end>' }}{% endfor %}"
          + "{{ '<assistant>' if add_generation_prompt }}";

  @TempDir Path scratch;

  private static Path copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    return to;
  }

  /** A tiny model of the goldens that reads words. */
  private Path reader(String name) throws IOException {
    Path folder = copy(Goldens.own(name), scratch.resolve(name));
    Path tokenizer = Goldens.unpacked("preferences");
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(tokenizer.resolve(file), folder.resolve(file));
    }
    return folder;
  }

  private static List<JsonNode> lines(Path output) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      lines.add(JSON.readTree(line));
    }
    return lines;
  }

  private Path bytes() {
    try (CpuBackend backend = new CpuBackend(1)) {
      return TinyDecoder.write(scratch.resolve("bytes"), backend, 32);
    }
  }

  /** Rows of single letters: the better answer repeats the prompt's. */
  private Path letters(int count) throws IOException {
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < count; i++) {
      char c = (char) ('a' + i % 9);
      rows.append(row("say " + c + ":", " " + c + c, " " + (char) (c + 1 + i % 5)));
    }
    return Files.writeString(scratch.resolve("letters.jsonl"), rows);
  }

  private static String row(String prompt, String chosen, String rejected) {
    return JSON.createObjectNode()
            .put("prompt", prompt)
            .put("chosen", chosen)
            .put("rejected", rejected)
            .toString()
        + "\n";
  }

  private RecordedRun run(Path model, Path train, Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "dpo")
        .with(RunOption.BATCH_SIZE, "4")
        .with(RunOption.WARMUP_STEPS, "0");
  }

  /** Losses, rewards, accuracies and margins of each step. */
  @ParameterizedTest
  @ValueSource(strings = {"full", "adapter", "ipo", "hinge"})
  void stepsFollowTrl(String name) throws IOException {
    JsonNode golden = Goldens.resource("preferences/curves.json").get(name);
    Path base = reader(golden.get("model").asText());
    boolean isAdapter = golden.get("adapter").asBoolean();
    Path model = base;
    if (isAdapter) {
      model = copy(Goldens.unpacked("preferences/adapter"), scratch.resolve("adapter"));
    }
    int steps = golden.get("loss").size();
    Path output = scratch.resolve("out");
    RecordedRun run =
        run(model, Goldens.unpacked("preferences").resolve("train.jsonl"), output)
            .with(RunOption.LOSS, golden.get("loss_type").asText())
            .with(RunOption.DPO_BETA, golden.get("beta").asText())
            .with(RunOption.MAX_STEPS, Integer.toString(steps))
            .with(RunOption.BATCH_SIZE, golden.get("batch_size").asText())
            .with(
                RunOption.GRADIENT_ACCUMULATION_STEPS,
                golden.get("gradient_accumulation_steps").asText())
            .with(RunOption.LEARNING_RATE, golden.get("learning_rate").asText())
            .with(RunOption.WEIGHT_DECAY, golden.get("weight_decay").asText())
            .with(RunOption.MAX_LENGTH, "24")
            .with(RunOption.NO_SHUFFLE);
    if (isAdapter) {
      run.with(RunOption.BASE_MODEL, base.toString());
    }
    run.run();
    List<JsonNode> lines = lines(output);
    List<String> names = new ArrayList<>(PreferenceMetrics.NAMES);
    names.add("loss");
    for (int step = 0; step < steps; step++) {
      for (String metric : names) {
        double expected = golden.get(metric).get(step).asDouble();
        double actual = lines.get(step).get(metric).asDouble();
        if (step == 0 && metric.equals("rewards/accuracies")) {
          continue; // all rewards are zero, and rounding decides which is the higher one
        }
        // A reward is a small difference of two sums of log-probabilities, each of about 20.
        double floor = metric.equals("loss") ? 0 : 2e-5;
        assertEquals(
            expected,
            actual,
            floor + 1e-4 * Math.abs(expected),
            name + ", " + metric + " of step " + (step + 1));
      }
    }
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains("the reference is the model")),
        run.notes().toString());
  }

  /** Two batches of four pairs give the step of one of eight, and the packing does not matter. */
  @Test
  void accumulatedBatchesAreOneLargeOne() throws IOException {
    Path model = bytes();
    Path train = letters(16);
    Path one = scratch.resolve("one");
    run(model, train, one)
        .with(RunOption.BATCH_SIZE, "8")
        .with(RunOption.MAX_STEPS, "4")
        .with(RunOption.LEARNING_RATE, "1e-2")
        .run();
    Path two = scratch.resolve("two");
    run(model, train, two)
        .with(RunOption.GRADIENT_ACCUMULATION_STEPS, "2")
        .with(RunOption.MAX_STEPS, "4")
        .with(RunOption.LEARNING_RATE, "1e-2")
        .run();
    for (int step = 0; step < 4; step++) {
      for (String metric : List.of("loss", "grad_norm", "rewards/margins")) {
        double expected = lines(one).get(step).get(metric).asDouble();
        assertEquals(
            expected,
            lines(two).get(step).get(metric).asDouble(),
            1e-6 + 1e-4 * Math.abs(expected),
            metric + " of step " + (step + 1));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"0,fp32", "4,fp32", "0,bf16", "4,bf16"})
  void itLearnsAndStopsAndGoesOnToTheSameBytes(String rank, String precision) throws IOException {
    Path model = bytes();
    Path train = letters(24);
    Path whole = scratch.resolve("whole");
    TrainRun.Outcome outcome = learning(model, train, whole, rank, precision).run();
    double margin = rank.equals("0") ? 0.1 : 0.04; // few steps of few weights
    assertTrue(
        outcome.evaluation().get("rewards/margins") > margin, outcome.evaluation().toString());
    assertTrue(outcome.evaluation().get("rewards/accuracies") > 0.8);
    assertTrue(outcome.evaluation().get("loss") < Math.log(2));
    Path output = scratch.resolve("out");
    learning(model, train, output, rank, precision).stoppedAfter(7).run();
    learning(model, train, output, rank, precision).with(RunOption.RESUME).run();
    String weights = rank.equals("0") ? "model.safetensors" : "adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(whole.resolve(weights)), Files.readAllBytes(output.resolve(weights)));
    assertEquals(
        Files.readString(whole.resolve("metrics.jsonl")),
        Files.readString(output.resolve("metrics.jsonl")));
    String attune = Files.readString(whole.resolve("attune.json"));
    assertEquals("causal-lm", JSON.readTree(attune).get("task").asText());
    assertEquals(0.1, JSON.readTree(attune).get("dpo_beta").asDouble());
    assertTrue(generated(whole).length() > 0);
  }

  private RecordedRun learning(Path model, Path train, Path output, String rank, String precision) {
    return run(model, train, output)
        .with(RunOption.VALIDATION_FILE, train.toString())
        .with(RunOption.LORA_R, rank)
        .with(RunOption.PRECISION, precision)
        .with(RunOption.BATCH_SIZE, "8")
        .with(RunOption.MAX_STEPS, "18")
        .with(RunOption.LEARNING_RATE, "1e-2");
  }

  private static String generated(Path model) {
    try (GenerateRun run =
        GenerateRun.open(
            RunConfig.builder(CommandOptions.GENERATE)
                .set(RunOption.MODEL, model.toString())
                .set(RunOption.MAX_NEW_TOKENS, "5")
                .set(RunOption.BACKEND, "cpu")
                .build())) {
      return run.generate(run.prompt("say a:"), piece -> {}).text();
    }
  }

  /** What was tuned on instructions goes on with preferences, which are learned from it. */
  @Test
  void anAdapterOfALanguageModelGoesOnWithPreferences() throws IOException {
    Path model = bytes();
    Path first = scratch.resolve("first");
    Path texts = scratch.resolve("texts.jsonl");
    Files.writeString(texts, "{\"prompt\": \"say a:\", \"completion\": \" aa\"}\n".repeat(8));
    new RecordedRun(model, texts, first)
        .with(RunOption.TASK, "causal-lm")
        .with(RunOption.LORA_R, "4")
        .run();
    Path output = scratch.resolve("out");
    RecordedRun run = run(first, letters(8), output);
    assertTrue(run.run().isAdapter());
    assertEquals(Math.log(2), lines(output).get(0).get("loss").asDouble(), 1e-3);
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains("goes on with the adapter")),
        run.notes().toString());
  }

  /** As TRL has them, and ten times the rate for adapters. */
  @Test
  void ratesAreLowAndNothingIsDropped() {
    RunConfig.Builder builder = RunConfig.builder(CommandOptions.TRAIN).set(RunOption.TASK, "dpo");
    assertEquals("1e-6", builder.build().text(RunOption.LEARNING_RATE));
    assertEquals("0", builder.build().text(RunOption.DROPOUT));
    builder.set(RunOption.LORA_R, "8");
    assertEquals("1e-5", builder.build().text(RunOption.LEARNING_RATE));
    builder.set(RunOption.TASK, "causal-lm");
    assertEquals("2e-4", builder.build().text(RunOption.LEARNING_RATE));
  }

  /** OpenAI's rows, TRL's turns and turns that hold their prompt are the same pairs. */
  @Test
  void rowsOfAllFormsAreTheSamePairs() throws IOException {
    Path model = bytes();
    Files.writeString(model.resolve("chat_template.jinja"), CHAT);
    String user = "{\"role\": \"user\", \"content\": \"hi\"}";
    String before =
        "{\"role\": \"user\", \"content\": \"yo\"}, {\"role\": \"assistant\", \"content\": \"ho\"}, ";
    String good = "[{\"role\": \"assistant\", \"content\": \"hello\"}]";
    String bad = "[{\"role\": \"assistant\", \"content\": \"go\"}]";
    String openai =
        "{\"input\": {\"messages\": [%s%s], \"tools\": [], \"parallel_tool_calls\": true}, "
                .formatted(before, user)
            + "\"preferred_output\": %s, \"non_preferred_output\": %s}\n".formatted(good, bad);
    String trl =
        "{\"prompt\": [%s%s], \"chosen\": %s, \"rejected\": %s}\n"
            .formatted(before, user, good, bad);
    String whole =
        "{\"prompt\": \"yo\", \"chosen\": [%s%s, %s], \"rejected\": [%s%s, %s]}\n"
            .formatted(
                before,
                user,
                good.substring(1, good.length() - 1),
                before,
                user,
                bad.substring(1, bad.length() - 1));
    List<String> losses = new ArrayList<>();
    List<String> tokens = new ArrayList<>();
    for (String row : List.of(openai, trl, whole)) {
      Path train = scratch.resolve("train" + losses.size() + ".jsonl");
      Files.writeString(train, row.repeat(4));
      Path output = scratch.resolve("out" + losses.size());
      RecordedRun run = run(model, train, output).with(RunOption.MAX_STEPS, "2");
      run.run();
      losses.add(lines(output).get(1).get("loss").asText());
      tokens.add(
          run.report()
              .toJson(x -> x)
              .toString()
              .replaceAll(".*supervised_tokens\":(\\d+).*", "$1"));
    }
    assertEquals(losses.get(0), losses.get(1));
    assertEquals(losses.get(0), losses.get(2));
    // "hello" and "go", each with its end, are learned, the earlier answer is not, four times.
    assertEquals(Integer.toString(4 * (6 + 3)), tokens.get(0).replaceAll("\\D.*", ""));
    assertEquals(tokens.get(0), tokens.get(1));
  }

  @Test
  void whatCannotBeComparedIsRefusedByName() throws IOException {
    Path model = bytes();
    refused(model, row("say:", " a", " a"), "equal answers");
    refused(model, row("say:", " ", " a"), "answer that is empty");
    refused(model, row("say:", " a", ""), "answer that is empty");
    refused(
        model,
        row("say " + "x".repeat(70), " a", " b"),
        "leaves an answer no token",
        "--max-length");
    refused(
        model,
        "{\"prompt\": \"a\", \"chosen\": \" b\"}\n",
        "no answer with a worse one",
        "rejected=NAME");
    refused(model, "{\"chosen\": \" b\", \"rejected\": \" c\"}\n", "no prompt", "prompt=NAME");
    refused(
        model,
        "{\"prompt\": \"a\", \"chosen\": null, \"rejected\": \" c\"}\n",
        "row 1",
        "\"chosen\" is missing");
    refused(
        model,
        "{\"input\": {\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"n\": 2},"
            + " \"preferred_output\": [{\"role\": \"assistant\", \"content\": \"b\"}],"
            + " \"non_preferred_output\": [{\"role\": \"assistant\", \"content\": \"c\"}]}\n",
        "the field \"n\"");
    String good = row("say:", " a", " b");
    Path train = Files.writeString(scratch.resolve("good.jsonl"), good.repeat(4));
    Path output = scratch.resolve("refused");
    assertMentions(
        run(model, train, output).with(RunOption.DPO_BETA, "0").refusal(), "--dpo-beta", "above 0");
    assertMentions(
        run(model, train, output).with(RunOption.LOSS, "cosent").refusal(), "sigmoid, hinge");
    assertMentions(
        run(model, train, output).with(RunOption.LABEL_SMOOTHING, "0.5").refusal(), "below 0.5");
    assertMentions(
        run(model, train, output)
            .with(RunOption.LABEL_SMOOTHING, "0.1")
            .with(RunOption.LOSS, "ipo")
            .refusal(),
        "--label-smoothing",
        "no meaning");
    String other =
        new RecordedRun(model, train, output).with(RunOption.TASK, "causal-lm").refusal();
    assertMentions(other, "--task dpo");
    assertFalse(Files.exists(output.resolve("model.safetensors")));
  }

  private void refused(Path model, String row, String... parts) throws IOException {
    Path train = scratch.resolve("bad.jsonl");
    Files.writeString(train, row + row("say:", " a", " b"));
    assertMentions(run(model, train, scratch.resolve("refused")).refusal(), parts);
  }

  private static void assertMentions(String refusal, String... parts) {
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
  }
}
