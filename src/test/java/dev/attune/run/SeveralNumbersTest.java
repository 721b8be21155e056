package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.InvalidInputException;
import dev.attune.Regressor;
import dev.attune.data.Finding;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.Safetensors;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Regressions with several outputs, as Transformers has them: the mean over all of them. */
class SeveralNumbersTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path scratch;
  private Path model;
  private Path output;

  @BeforeEach
  void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    // A head of two outputs, as Transformers would have saved it.
    ObjectNode config = ModelFolder.readConfig(model);
    config.putArray("architectures").add("BertForSequenceClassification");
    config.putObject("id2label").put("0", "valence").put("1", "arousal");
    config.put("problem_type", "regression");
    JSON.writeValue(model.resolve("config.json").toFile(), config);
    output = scratch.resolve("out");
  }

  private Path data(String name, String... targets) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int row = 0; row < 12; row++) {
      lines.append("{\"text\": \"a ").append(row % 2 == 0 ? "good" : "bad").append(" book ");
      lines
          .append(row)
          .append("\", \"labels\": ")
          .append(targets[row % targets.length])
          .append("}\n");
    }
    return Files.writeString(scratch.resolve(name), lines);
  }

  private RecordedRun run(Path train) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "regression")
        .with(RunOption.MAX_STEPS, "1")
        .with(RunOption.OVERWRITE);
  }

  private static float[] head(Path folder) {
    try (Safetensors source = Safetensors.open(folder.resolve("model.safetensors"))) {
      float[] values = new float[(int) source.info("classifier.weight").elements()];
      source.read("classifier.weight", FloatBuffer.wrap(values));
      return values;
    }
  }

  @Test
  void aHeadOfSeveralOutputsIsTrainedFurtherAndKeepsTheirNames() throws IOException {
    run(data("train.jsonl", "[0.5, -1]", "[2, 0.25]"))
        .with(RunOption.LEARNING_RATE, "1e-30")
        .with(RunOption.WEIGHT_DECAY, "0")
        .run();
    assertArrayEquals(head(model), head(output));
    ObjectNode config = ModelFolder.readConfig(output);
    assertEquals("regression", config.path("problem_type").asText());
    assertEquals("{\"0\":\"valence\",\"1\":\"arousal\"}", config.path("id2label").toString());
    try (Regressor regressor = Regressor.open(output)) {
      List<Map<String, Double>> numbers = regressor.predictOutputs(List.of("a good book"));
      assertEquals(List.of("valence", "arousal"), List.copyOf(numbers.get(0).keySet()));
      InvalidInputException e =
          assertThrows(InvalidInputException.class, () -> regressor.predict("a good book"));
      assertTrue(e.getMessage().contains("2 numbers to a text (valence, arousal)"), e.getMessage());
    }
    try (CpuBackend backend = new CpuBackend(1);
        TrainedModel opened =
            TrainedModel.open(
                model, OpenOptions.DEFAULT, backend, PrecisionOption.FP32.on(backend))) {
      assertEquals(2, opened.task().outputs());
    }
  }

  /** In one field too: {@code 0.5|2}. */
  @Test
  void targetsOfATableStandInOneField() throws IOException {
    Path table = scratch.resolve("train.csv");
    Files.writeString(table, "text,label\na good book,0.5|2\na bad book,-1|0\nmy book,0|0\n");
    run(table).run();
    assertEquals(head(model).length, head(output).length);
  }

  @Test
  void otherTargetsThanOutputsAreRefusedWithTheRow() throws IOException {
    String refusal = run(data("train.jsonl", "[0.5, -1]", "[1, 2, 3]")).refusal();
    assertTrue(refusal.contains("2 outputs (valence, arousal)"), refusal);
    assertTrue(refusal.contains("first: [1, 2, 3]"), refusal);
    refusal = run(data("words.jsonl", "[0.5, 1]", "[1, \"much\"]")).refusal();
    assertTrue(refusal.contains("first: [1, much]"), refusal);
  }

  private RecordedRun byCorrelation(Path train, Path validation) {
    return run(train)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .with(RunOption.METRIC_FOR_BEST_MODEL, "pearson")
        .with(RunOption.LOAD_BEST_MODEL_AT_END);
  }

  private static String notes(RecordedRun run, String part) {
    return String.join("\n", run.notes().stream().filter(note -> note.contains(part)).toList());
  }

  @Test
  void anOutputThatNeverVariesIsNamedAndTheOthersDecide() throws IOException {
    RecordedRun run =
        byCorrelation(
            data("train.jsonl", "[0.5, 3]", "[2, 3]"), data("dev.jsonl", "[0.5, 0]", "[2, 0]"));
    TrainRun.Outcome outcome = run.run();
    assertEquals(1, outcome.training().bestStep());
    assertEquals(
        List.of(
            "train: every row has the same target of arousal: there is nothing to learn of that",
            "validation: every row has the same target of arousal: pearson and spearman are the"
                + " means over the other outputs"),
        run.report().findings(Finding.Severity.WARNING).stream()
            .filter(finding -> finding.code().equals("constant_output"))
            .map(finding -> finding.split() + ": " + finding.message())
            .toList());
    assertEquals("", notes(run, "has no value"));
  }

  @Test
  void aBestMetricWithoutAValueIsTold() throws IOException {
    RecordedRun run =
        byCorrelation(data("train.jsonl", "[0.5, 3]", "[2, 1]"), data("dev.jsonl", "[0.5, 0]"));
    TrainRun.Outcome outcome = run.run();
    assertEquals(0, outcome.training().bestStep());
    String told = notes(run, "pearson has no value at the evaluation of step 1");
    assertTrue(told.contains("the last weights are kept"), told);
  }
}
