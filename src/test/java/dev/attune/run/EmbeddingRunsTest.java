package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Training embeddings against sentence-transformers: see {@code tools/make_sentence_goldens.py}.
 */
class EmbeddingRunsTest extends EmbeddingTrial {
  private static final ObjectMapper JSON = new ObjectMapper();

  static List<String> losses() {
    List<String> names = new ArrayList<>();
    Goldens.resource(SENTENCES).get("trained").forEach(one -> names.add(one.get("name").asText()));
    return names;
  }

  @ParameterizedTest
  @MethodSource("losses")
  void trainingFollowsSentenceTransformers(String name) throws IOException {
    JsonNode golden = null;
    for (JsonNode one : goldens.get("trained")) {
      golden = one.get("name").asText().equals(name) ? one : golden;
    }
    Path train = data(golden.get("columns").asInt(), golden.get("scored").asBoolean());
    RecordedRun run =
        run(train, "out")
            .with(RunOption.MAX_STEPS, goldens.get("steps").asText())
            .with(RunOption.LEARNING_RATE, goldens.get("learning_rate").asText())
            .with(RunOption.LR_SCHEDULER, "constant")
            .with(RunOption.DROPOUT, "0");
    for (Map.Entry<String, JsonNode> option : golden.get("options").properties()) {
      run.with(
          OptionNames.find(option.getKey(), CommandOptions.TRAIN).orElseThrow(),
          option.getValue().asText());
    }
    run.run();
    List<String> lines = Files.readAllLines(scratch.resolve("out/metrics.jsonl"));
    for (int step = 0; step < goldens.get("steps").asInt(); step++) {
      JsonNode line = JSON.readTree(lines.get(step));
      for (String value : List.of("loss", "grad_norm")) {
        double expected = golden.get(value).get(step).asDouble();
        assertEquals(
            expected,
            line.get(value).asDouble(),
            1e-3 * Math.abs(expected),
            name + ", " + value + " of step " + (step + 1));
      }
    }
  }

  /** A model that makes vectors predicts nothing: its folds are measured alone. */
  @Test
  void foldsAreMeasuredWithoutPredictions() throws IOException {
    CrossValidation.Outcome outcome =
        run(data(3, false), "folds")
            .with(RunOption.MAX_STEPS, "2")
            .with(RunOption.K_FOLD, "3")
            .crossValidate();
    assertEquals(24, outcome.folds().stream().mapToInt(fold -> fold.rows()).sum());
    assertTrue(outcome.mean().containsKey("loss"), outcome.mean()::toString);
    assertNull(outcome.predictions());
    assertFalse(Files.exists(scratch.resolve("folds/predictions.jsonl")));
  }

  private static Map<String, Double> evaluated(Path model, Path file) {
    return EvaluateRun.run(
            RunConfig.builder(CommandOptions.EVALUATE)
                .set(RunOption.MODEL, model.toString())
                .set(RunOption.FILE, file.toString())
                .set(RunOption.PRECISION, "fp32")
                .set(RunOption.BACKEND, "cpu")
                .set(RunOption.THREADS, "1")
                .build())
        .values();
  }

  /** A model that stands without a head is measured as it is, with the metrics of each form. */
  @Test
  void metricsAreThoseOfSentenceTransformersEvaluators() throws IOException {
    Path body = body();
    JsonNode retrieval = goldens.get("retrieval");
    Path file = write(scratch.resolve("triplets.jsonl"), retrieval.get("rows"), 3, false);
    Map<String, Double> values = evaluated(body, file);
    for (Map.Entry<String, JsonNode> metric : retrieval.get("metrics").properties()) {
      assertEquals(
          metric.getValue().asDouble(), values.get(metric.getKey()), 1e-6, metric.getKey());
    }
    values = evaluated(body, data(2, true));
    for (Map.Entry<String, JsonNode> metric : goldens.get("similarity").properties()) {
      assertEquals(
          metric.getValue().asDouble(), values.get(metric.getKey()), 1e-5, metric.getKey());
    }
    assertFalse(values.containsKey("loss"), "a model that never saw scores has no such loss");
  }

  /** Rows that the model reads a few at a time are learned as those of one batch. */
  @ParameterizedTest
  @CsvSource({"3, false, 0", "2, true, 0", "4, false, 2"})
  void piecesGiveTheStepsOfTheWhole(int columns, boolean scored, int rank) throws IOException {
    Path train = data(columns, scored);
    List<List<String>> lines = new ArrayList<>();
    for (String mini : new String[] {"1", "4", "100"}) {
      RecordedRun run =
          run(train, "by-" + mini)
              .with(RunOption.BATCH_SIZE, "11")
              .with(RunOption.MAX_STEPS, "6")
              .with(RunOption.OPTIMIZER, "sgd")
              .with(RunOption.LEARNING_RATE, "0.1")
              .with(RunOption.MINI_BATCH_SIZE, mini)
              .with(RunOption.DROPOUT, "0");
      if (rank > 0) {
        run.with(RunOption.LORA_R, Integer.toString(rank));
      }
      run.run();
      lines.add(Files.readAllLines(scratch.resolve("by-" + mini).resolve("metrics.jsonl")));
    }
    for (int step = 0; step < 6; step++) {
      JsonNode whole = JSON.readTree(lines.get(2).get(step));
      for (List<String> pieces : lines.subList(0, 2)) {
        JsonNode line = JSON.readTree(pieces.get(step));
        assertEquals(whole.get("tokens"), line.get("tokens"));
        for (String name : List.of("loss", "grad_norm")) {
          double expected = whole.get(name).asDouble();
          assertEquals(expected, line.get(name).asDouble(), 1e-5 * expected, name + " " + step);
        }
      }
    }
  }

  /**
   * With dropout on, what a piece's vectors were made with is what their gradient goes back by: the
   * loss falls as it does without pieces, though the masks are others.
   */
  @Test
  void piecesWithDropoutLearnAsTheWholeBatchDoes() throws IOException {
    Map<String, Double> fallen = new HashMap<>();
    for (String mini : List.of("5", "100")) {
      run(data(2, false), mini)
          .with(RunOption.BATCH_SIZE, "24")
          .with(RunOption.MAX_STEPS, "60")
          .with(RunOption.MINI_BATCH_SIZE, mini)
          .with(RunOption.LEARNING_RATE, "5e-4")
          .with(RunOption.DROPOUT, "0.1")
          .run();
      List<String> lines = Files.readAllLines(scratch.resolve(mini).resolve("metrics.jsonl"));
      fallen.put(mini, meanLoss(lines.subList(0, 5)) - meanLoss(lines.subList(50, 60)));
    }
    assertTrue(fallen.get("5") > 0.2, fallen.toString());
    assertEquals(fallen.get("100"), fallen.get("5"), 0.1);
  }

  private static double meanLoss(List<String> lines) throws IOException {
    double sum = 0;
    for (String line : lines) {
      sum += JSON.readTree(line).get("loss").asDouble();
    }
    return sum / lines.size();
  }

  /** The folder of the tiny model as one of a model without head. */
  private Path body() throws IOException {
    Path body = Files.createDirectory(scratch.resolve("body"));
    for (String file : List.of("model.safetensors", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(shared.resolve(file), body.resolve(file));
    }
    ObjectNode config = (ObjectNode) JSON.readTree(shared.resolve("config.json").toFile());
    config.putArray("architectures").add("BertModel");
    JSON.writeValue(body.resolve("config.json").toFile(), config);
    return body;
  }

  /** What training reports of validation data is what the folder gives, and is resumed exactly. */
  @ParameterizedTest
  @CsvSource({"0, 3, false", "0, 2, true", "2, 3, false"})
  void theFolderIsWhatWasTrained(int rank, int columns, boolean scored) throws IOException {
    Path train = data(columns, scored);
    RecordedRun whole = validated(train, "whole", rank);
    Map<String, Double> told = whole.run().evaluation();
    Map<String, Double> found = evaluated(scratch.resolve("whole"), train);
    assertEquals(told.keySet(), found.keySet());
    told.forEach((name, value) -> assertEquals(value, found.get(name), 1e-6, name));
    assertTrue(
        whole.notes().stream().anyMatch(note -> note.startsWith("loss: ")),
        whole.notes().toString());
    validated(train, "parts", rank).with(RunOption.SAVE_STEPS, "1").stoppedAfter(3).run();
    validated(train, "parts", rank).with(RunOption.SAVE_STEPS, "1").with(RunOption.RESUME).run();
    String weights = rank > 0 ? "adapter_model.safetensors" : "model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(scratch.resolve("whole").resolve(weights)),
        Files.readAllBytes(scratch.resolve("parts").resolve(weights)));
  }

  /** Scores to measure with have no loss of a ranking: another metric chooses the best weights. */
  @Test
  void whatHasNoLossChoosesByAMetricThatThereIs() throws IOException {
    Path triplets = data(3, false);
    Path scored = data(2, true);
    for (String option :
        List.of(
            "load-best-model-at-end=true",
            "early-stopping-patience=2",
            "metric-for-best-model=loss",
            "lr-scheduler=reduce-lr-on-plateau")) {
      String[] nameAndValue = option.split("=");
      String refusal =
          run(triplets, "refused")
              .with(RunOption.VALIDATION_FILE, scored.toString())
              .with(RunOption.OVERWRITE)
              .with(
                  OptionNames.find(nameAndValue[0], CommandOptions.TRAIN).orElseThrow(),
                  nameAndValue[1])
              .refusal();
      assertTrue(refusal.contains("--metric-for-best-model is 'loss'"), refusal);
      assertTrue(refusal.contains("spearman, pearson"), refusal);
    }
    RecordedRun plain = run(triplets, "plain").with(RunOption.VALIDATION_FILE, scored.toString());
    assertEquals(Set.of("spearman", "pearson"), plain.run().evaluation().keySet());
    RecordedRun chosen =
        run(triplets, "chosen")
            .with(RunOption.VALIDATION_FILE, scored.toString())
            .with(RunOption.EVAL_STEPS, "1")
            .with(RunOption.EARLY_STOPPING_PATIENCE, "1")
            .with(RunOption.LEARNING_RATE, "1e-12")
            .with(RunOption.METRIC_FOR_BEST_MODEL, "spearman");
    assertEquals(2, chosen.run().training().steps());
  }

  /** Equal scores have no order to agree with: no evaluation is better than another. */
  @Test
  void aMetricThatHasNoValueIsNeverTheBest() throws IOException {
    Path same =
        Files.writeString(
            scratch.resolve("same.jsonl"),
            "{\"sentence1\": \"red\", \"sentence2\": \"cat\", \"score\": 0.5}\n"
                + "{\"sentence1\": \"sun\", \"sentence2\": \"dog\", \"score\": 0.5}\n");
    TrainRun.Outcome outcome =
        run(data(2, true), "out")
            .with(RunOption.VALIDATION_FILE, same.toString())
            .with(RunOption.EVAL_STEPS, "1")
            .with(RunOption.EARLY_STOPPING_PATIENCE, "2")
            .with(RunOption.METRIC_FOR_BEST_MODEL, "spearman")
            .run();
    assertTrue(Double.isNaN(outcome.evaluation().get("spearman")));
    assertTrue(outcome.training().stoppedEarly());
    assertEquals(2, outcome.training().steps());
    assertEquals(0, outcome.training().bestStep());
  }

  /** A row of three texts is one example of an epoch, not three. */
  @Test
  void aResumeCountsRowsAndNotTexts() throws IOException {
    Path train = data(3, false);
    RecordedRun begun = run(train, "out").with(RunOption.MAX_STEPS, "0");
    begun.with(RunOption.EPOCHS, "1").stoppedAfter(3).run();
    RecordedRun longer = run(train, "out").with(RunOption.MAX_STEPS, "0");
    longer.with(RunOption.EPOCHS, "2").with(RunOption.RESUME);
    assertEquals(12, longer.run().training().steps());
    assertTrue(
        longer.notes().stream().anyMatch(note -> note.contains("of 6 steps and is now of 12")),
        longer.notes().toString());
  }

  /** How the base's folder makes vectors is part of what a run begins with. */
  @Test
  void aBaseThatPoolsOtherwiseIsNotGoneOnWith() throws IOException {
    Path base = body();
    Path train = data(2, false);
    Files.writeString(
        base.resolve("modules.json"),
        "[{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"pool\", \"type\":"
            + " \"a.Pooling\"}]");
    Path pooling = Files.createDirectory(base.resolve("pool")).resolve("config.json");
    Files.writeString(pooling, "{\"pooling_mode\": \"mean\"}");
    RecordedRun begun = new RecordedRun(base, train, scratch.resolve("out"));
    begun.with(RunOption.TASK, "embedding").stoppedAfter(1).run();
    Files.writeString(pooling, "{\"pooling_mode\": \"cls\"}");
    RecordedRun resumed = new RecordedRun(base, train, scratch.resolve("out"));
    String refusal = resumed.with(RunOption.TASK, "embedding").with(RunOption.RESUME).refusal();
    assertTrue(refusal.contains("base model was " + base), refusal);
    Files.writeString(pooling, "{\"pooling_mode\": \"mean\"}");
    assertEquals(6, resumed.run().training().steps());
  }

  private RecordedRun validated(Path train, String output, int rank) {
    RecordedRun run =
        new RecordedRun(shared, train, scratch.resolve(output))
            .with(RunOption.TASK, "embedding")
            .with(RunOption.BATCH_SIZE, "5")
            .with(RunOption.MAX_STEPS, "7")
            .with(RunOption.NORMALIZE)
            .with(RunOption.POOLING, "cls")
            .with(RunOption.QUERY_PROMPT, "the ")
            .with(RunOption.PASSAGE_PROMPT, "a ")
            .with(RunOption.VALIDATION_FILE, train.toString());
    return rank == 0 ? run : run.with(RunOption.LORA_R, Integer.toString(rank));
  }

  @Test
  void aTrainedFolderSaysHowVectorsAreMade() throws IOException {
    validated(data(2, false), "out", 0).run();
    Path out = scratch.resolve("out");
    JsonNode modules = JSON.readTree(out.resolve("modules.json").toFile());
    assertEquals(3, modules.size());
    assertTrue(
        JSON.readTree(out.resolve("1_Pooling/config.json").toFile())
            .get("pooling_mode_cls_token")
            .asBoolean());
    Path texts = Files.writeString(scratch.resolve("texts.csv"), "text\nred cat\n\"a dog, big\"\n");
    float[][] plain = embedded(out, texts, Map.of());
    assertEquals(1, length(plain[0]), 1e-6);
    Path prefixed =
        Files.writeString(scratch.resolve("more.csv"), "text\nthe red cat\n\"the a dog, big\"\n");
    float[][] asked = embedded(out, texts, Map.of(RunOption.PROMPT_NAME, "query"));
    float[][] written = embedded(out, prefixed, Map.of());
    assertArrayEquals(written[1], asked[1], 0f);
    float[][] cut = embedded(out, texts, Map.of(RunOption.TRUNCATE_DIM, "5"));
    assertEquals(5, cut[0].length);
    assertEquals(plain[0][4], cut[0][4], 0f);
    float[][] unit =
        embedded(out, texts, Map.of(RunOption.TRUNCATE_DIM, "5", RunOption.NORMALIZE, "true"));
    assertEquals(1, length(unit[1]), 1e-6);
    assertEquals(cut[1][0] / length(cut[1]), unit[1][0], 1e-6);
    assertRefused(
        () -> embedded(out, texts, Map.of(RunOption.PROMPT_NAME, "title")),
        "--prompt-name is 'title'",
        "document, passage, query");
    assertRefused(
        () -> embedded(out, texts, Map.of(RunOption.TRUNCATE_DIM, "17")), "--truncate-dim is 17");
  }

  private float[][] embedded(Path model, Path file, Map<RunOption, String> options) {
    Path npy = scratch.resolve("vectors.npy");
    Path jsonl = scratch.resolve("vectors.jsonl");
    for (Path output : List.of(npy, jsonl)) {
      RunConfig.Builder config = RunConfig.builder(CommandOptions.EMBED);
      config.set(RunOption.MODEL, model.toString()).set(RunOption.FILE, file.toString());
      config.set(RunOption.OUTPUT, output.toString()).set(RunOption.PRECISION, "fp32");
      config.set(RunOption.BACKEND, "cpu").set(RunOption.THREADS, "1");
      options.forEach(config::set);
      EmbedRun.run(config.build());
    }
    try {
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(npy)).order(ByteOrder.LITTLE_ENDIAN);
      int header = 10 + bytes.getShort(8);
      assertEquals(0, header % 64, "NumPy aligns what follows its header");
      FloatBuffer values = bytes.position(header).slice().order(bytes.order()).asFloatBuffer();
      List<String> lines = Files.readAllLines(jsonl);
      float[][] vectors = new float[lines.size()][values.remaining() / lines.size()];
      for (int row = 0; row < vectors.length; row++) {
        values.get(vectors[row]);
        JsonNode line = JSON.readTree(lines.get(row));
        assertTrue(line.has("text"));
        assertEquals(vectors[row].length, line.get("embedding").size());
        for (int i = 0; i < vectors[row].length; i++) {
          assertEquals(vectors[row][i], line.get("embedding").get(i).floatValue(), 0f);
        }
      }
      return vectors;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static double length(float[] vector) {
    double sum = 0;
    for (float value : vector) {
      sum += value * value;
    }
    return Math.sqrt(sum);
  }
}
