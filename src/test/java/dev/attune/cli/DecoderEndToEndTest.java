package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Language models from outside: training, adapters and generation with real weights. */
class DecoderEndToEndTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> PROMPTS =
      List.of(
          "Once upon a time",
          "Tom had a big red ball. He",
          "The cat",
          "One day, a little girl named Lily went to the park. She saw a",
          "It was raining and Sue");

  @TempDir static Path shared;
  private static Path stories; // 656 thousand parameters, 2048 tokens
  private static Path train;
  private static Path validation;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    Path data = Goldens.data();
    stories = data.resolve("models/tinystories-656k");
    String plays = Files.readString(data.resolve("datasets/tiny_shakespeare/tiny_shakespeare.txt"));
    train = Files.writeString(shared.resolve("train.txt"), plays.substring(0, 60_000));
    validation =
        Files.writeString(
            shared.resolve("validation.txt"), plays.substring(plays.length() - 10_000));
  }

  private Ended run(String... words) {
    Ended ended = AttuneProcess.run(scratch, words);
    assertEquals(0, ended.status(), ended.err());
    return ended;
  }

  private static String[] training(Path output, String... more) {
    List<String> words = new ArrayList<>(List.of("train", "--task", "causal-lm", "--json"));
    words.addAll(List.of("--model", stories.toString()));
    // A file that is named again would be read beside the first.
    if (!List.of(more).contains("--train-file")) {
      words.addAll(List.of("--train-file", train.toString()));
      words.addAll(List.of("--validation-file", validation.toString()));
    }
    words.addAll(List.of("--output-dir", output.toString(), "--max-length", "128"));
    words.addAll(List.of("--batch-size", "8", "--max-steps", "24", "--eval-steps", "12"));
    words.addAll(List.of("--threads", "2"));
    return AttuneProcess.with(words, more);
  }

  private JsonNode evaluate(Path model, Path file, String... more) {
    List<String> words = new ArrayList<>(List.of("evaluate", "--model", model.toString()));
    words.addAll(List.of("--file", file.toString(), "--threads", "2", "--json"));
    words.addAll(List.of(more));
    return run(words.toArray(String[]::new)).json();
  }

  private JsonNode generate(Path model, String... more) {
    List<String> words = new ArrayList<>(List.of("generate", "--model", model.toString()));
    words.addAll(List.of("--threads", "2", "--json"));
    words.addAll(List.of(more));
    return run(words.toArray(String[]::new)).json();
  }

  @Test
  void trainingLowersTheLossAndEvaluationAgreesWithIt() throws IOException {
    double before = evaluate(stories, validation, "--max-length", "128").get("loss").asDouble();
    Path output = scratch.resolve("out");
    JsonNode result = run(training(output, "--learning-rate", "1e-3")).json();
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      if (line.contains("\"eval\"")) {
        losses.add(JSON.readTree(line).get("eval").get("loss").asDouble());
      }
    }
    assertEquals(2, losses.size());
    assertTrue(losses.get(0) < before - 0.5, before + ", then " + losses);
    assertTrue(losses.get(1) < losses.get(0), losses.toString());
    assertSameMetrics(result.get("eval"), evaluate(output, validation));
  }

  private static void assertSameMetrics(JsonNode trained, JsonNode evaluated) {
    for (String metric : List.of("loss", "perplexity", "accuracy")) {
      assertEquals(trained.get(metric).asDouble(), evaluated.get(metric).asDouble(), metric);
    }
  }

  @ParameterizedTest(name = "weight-decomposed: {0}")
  @ValueSource(booleans = {false, true})
  void aKilledAdapterRunResumesToTheSameBytes(boolean decomposed)
      throws IOException, InterruptedException {
    List<String> adapter =
        new ArrayList<>(List.of("--lora-r", "4", "--lora-dropout", "0.1", "--save-steps", "3"));
    if (decomposed) {
      adapter.add("--use-dora");
    }
    String[] options = adapter.toArray(String[]::new);
    Path whole = scratch.resolve("whole");
    JsonNode result = run(training(whole, options)).json();
    // An adapter's folder has no config.json of its own, yet it is the same model.
    assertSameMetrics(result.get("eval"), evaluate(whole, validation));

    Path broken = scratch.resolve("broken");
    AttuneProcess.killAndResume(scratch, broken, new Random(5), 3, 7, training(broken, options));
    for (String file : List.of("adapter_model.safetensors", "metrics.jsonl")) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(broken.resolve(file)), file);
    }
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"--use-rslora", "--use-dora"})
  void anAdapterAndItsMergedModelWriteTheSame(String kind) throws IOException {
    Path adapter = scratch.resolve("adapter");
    run(training(adapter, "--lora-r", "4", "--learning-rate", "5e-3", kind));
    Path merged = scratch.resolve("merged");
    run("merge", "--model", adapter.toString(), "--output-dir", merged.toString());
    assertFalse(Files.exists(merged.resolve("adapter_config.json")));
    String[] options = {"--prompt", "First Citizen:", "--max-new-tokens", "48"};
    String[] exact = {"--prompt", "First Citizen:", "--max-new-tokens", "48", "--precision=fp32"};
    JsonNode fromAdapter = generate(adapter, exact);
    assertEquals(fromAdapter.get("text"), generate(merged, exact).get("text"));
    assertEquals(48, fromAdapter.get("tokens").asInt());
    assertNotEquals(generate(stories, options).get("text"), fromAdapter.get("text"));
  }

  @Test
  void promptsThatAreLearnedTooAreEvaluatedToo() throws IOException {
    Path rows = scratch.resolve("rows.jsonl");
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 24; i++) {
      lines.append("{\"prompt\": \"The cat saw ").append(i);
      lines.append(" birds and a red ball.\", \"completion\": \" It ran.\"}\n");
    }
    Files.writeString(rows, lines);
    String[] data = {"--train-file", rows.toString(), "--validation-file", rows.toString()};
    for (List<String> option : List.of(List.<String>of(), List.of("--train-on-prompt"))) {
      List<String> more = new ArrayList<>(List.of(data));
      more.addAll(List.of("--max-steps", "4"));
      more.addAll(option);
      Path output = scratch.resolve("out" + option.size());
      JsonNode result = run(training(output, more.toArray(String[]::new))).json();
      assertSameMetrics(result.get("eval"), evaluate(output, rows));
    }
  }

  @Test
  void thePublishedStoryIsWrittenToTheLetter() throws IOException {
    String readme = Files.readString(Goldens.data().resolve("README.md"));
    String story =
        readme
            .substring(readme.indexOf("Golden text for `stories260k`"))
            .lines()
            .skip(1)
            .dropWhile(String::isBlank)
            .takeWhile(line -> line.startsWith("    "))
            .map(line -> line.substring(4))
            .collect(Collectors.joining("\n"));
    assertEquals(565, story.length());
    Path model = Goldens.data().resolve("models/stories260k");
    JsonNode written =
        generate(model, "--prompt", "", "--max-new-tokens", "256", "--precision", "fp32");
    assertEquals(story, written.get("text").asText());
    assertEquals(256, written.get("tokens").asInt());
    assertEquals("length", written.get("finish").asText());

    JsonNode stopped =
        generate(
            model,
            "--prompt",
            "",
            "--max-new-tokens",
            "256",
            "--precision",
            "fp32",
            "--stop",
            ".\\nLily");
    assertEquals(story.substring(0, story.indexOf(".\nLily")), stopped.get("text").asText());
    assertEquals("stop", stopped.get("finish").asText());
  }

  private List<String> many(String... more) throws IOException {
    Path prompts =
        Files.writeString(scratch.resolve("prompts.txt"), String.join("\n", PROMPTS) + "\n");
    Path output = scratch.resolve("texts.jsonl");
    List<String> words = new ArrayList<>(List.of("--prompts", prompts.toString()));
    words.addAll(List.of("--output", output.toString(), "--max-new-tokens", "40"));
    words.addAll(List.of(more));
    assertEquals(5, generate(stories, words.toArray(String[]::new)).get("texts").asInt());
    List<String> texts = new ArrayList<>();
    List<String> lines = Files.readAllLines(output);
    for (int i = 0; i < lines.size(); i++) {
      JsonNode row = JSON.readTree(lines.get(i));
      assertEquals(PROMPTS.get(i), row.get("prompt").asText());
      texts.add(row.get("text").asText());
    }
    assertEquals(5, texts.size());
    return texts;
  }

  @ParameterizedTest
  @ValueSource(strings = {"fp32", "bf16"})
  void promptsInWorkTogetherAreContinuedAsEachAlone(String precision) throws IOException {
    List<String> together = many("--streams", "4", "--precision", precision);
    assertEquals(together, many("--streams", "1", "--precision", precision));
    String prompt = PROMPTS.get(3);
    JsonNode alone =
        generate(stories, "--prompt", prompt, "--max-new-tokens", "40", "--precision", precision);
    assertEquals(together.get(3), alone.get("text").asText());
  }

  @Test
  void aSeedDecidesWhatIsSampledWhateverTheStreams() throws IOException {
    List<String> texts = many("--temperature", "0.9", "--seed", "7", "--streams", "4");
    assertEquals(texts, many("--temperature", "0.9", "--seed", "7", "--streams", "4"));
    assertEquals(texts, many("--temperature", "0.9", "--seed", "7", "--streams", "2"));
    assertNotEquals(texts, many("--temperature", "0.9", "--seed", "8", "--streams", "4"));
  }

  @Test
  void beamsAreThoseOfTransformersAndMoreProbableThanGreedyTexts() throws IOException {
    JsonNode goldens;
    try (InputStream in = getClass().getResourceAsStream("/generation/beams.json")) {
      goldens = JSON.readTree(in);
    }
    double greedy = Double.NaN;
    int compared = 0;
    for (JsonNode golden : goldens) {
      JsonNode written =
          generate(
              Goldens.data().resolve("models").resolve(golden.get("model").asText()),
              "--prompt",
              golden.get("prompt").asText(),
              "--num-beams",
              golden.get("beams").asText(),
              "--max-new-tokens",
              "60",
              "--precision",
              "fp32");
      assertEquals(golden.get("text").asText(), written.get("text").asText());
      assertEquals(golden.get("tokens").asInt(), written.get("tokens").asInt());
      double logProbability = golden.get("log_probability").asDouble();
      if (golden.get("beams").asInt() == 1) {
        greedy = logProbability;
      } else {
        assertTrue(logProbability >= greedy, golden.toString());
        compared++;
      }
    }
    assertEquals(3, compared);
  }

  @Test
  void aConversationIsLearnedAndGoneOnWith() throws IOException {
    Path model = Files.createDirectory(scratch.resolve("model"));
    try (Stream<Path> files = Files.list(stories)) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName()));
      }
    }
    // Answers begin on the announcing line: this tokenizer joins a line end with what follows it.
    Files.writeString(
        model.resolve("chat_template.jinja"),
        "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content ~ '<end>' }}{% endfor %}"
            + "{{ '<assistant>' if add_generation_prompt }}");
    String[] questions = {"What is red?", "Who is sad?", "Where is Tom?"};
    String[] answers = {"The ball is red.", "Lily is sad.", "Tom is in the park."};
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < 24; i++) {
      rows.append("{\"messages\": [{\"role\": \"user\", \"content\": \"");
      rows.append(questions[i % 3]).append("\"}, {\"role\": \"assistant\", \"content\": \"");
      rows.append(answers[i % 3]).append("\"}]}\n");
    }
    Path data = Files.writeString(scratch.resolve("chat.jsonl"), rows);
    Path output = scratch.resolve("out");
    List<String> words = new ArrayList<>(List.of("train", "--task", "causal-lm"));
    words.addAll(List.of("--model", model.toString(), "--train-file", data.toString()));
    words.addAll(List.of("--output-dir", output.toString(), "--lora-r", "8", "--epochs", "10"));
    words.addAll(List.of("--batch-size", "6", "--learning-rate", "1e-2"));
    run(words.toArray(String[]::new));

    Path input = Files.writeString(scratch.resolve("input.txt"), "What is red?\n");
    for (String[] beams : new String[][] {{}, {"--num-beams", "2"}}) {
      List<String> talk = new ArrayList<>(List.of("generate", "--model", output.toString()));
      talk.addAll(List.of("--interactive", "--max-new-tokens", "30"));
      talk.addAll(List.of(beams));
      List<String> prefix = List.of("bash", "-c", "exec \"$0\" \"$@\" < " + input);
      Ended ended = AttuneProcess.start(scratch, prefix, talk.toArray(String[]::new)).await();
      assertEquals(0, ended.status(), ended.err());
      assertEquals("> The ball is red.<end>\n> \n", ended.out());
    }
    JsonNode sad = generate(output, "--chat", "--prompt", "Who is sad?");
    assertEquals("Lily is sad.<end>", sad.get("text").asText());
    assertEquals("end", sad.get("finish").asText());
  }
}
