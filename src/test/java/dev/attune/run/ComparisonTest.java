package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.metrics.AnswerMetrics;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.TinyTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The worst mistakes of each task, found again from what predicting writes of every row. */
class ComparisonTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int WORST = 5;

  @TempDir static Path shared;
  private static Path model;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
  }

  private Path data(String task) throws IOException {
    Path file = scratch.resolve("rows.jsonl");
    List<String> lines = new ArrayList<>();
    for (int row = 0; row < 24; row++) {
      String word = List.of("good", "bad", "phone", "sad").get(row % 4);
      lines.add(
          switch (task) {
            case "regression" ->
                "{\"text\": \"it is " + word + " " + row + "\", \"label\": " + row % 7 + ".5}";
            case "token-classification" ->
                "{\"tokens\": [\"the\", \""
                    + word
                    + "\", \"was\", \""
                    + word
                    + "\"], \"tags\": "
                    + List.of(
                            "[\"O\", \"B-X\", \"I-X\", \"O\"]",
                            "[\"O\", \"O\", \"O\", \"O\"]",
                            "[\"B-X\", \"B-X\", \"B-X\", \"I-X\"]")
                        .get(row % 3)
                    + "}";
            default ->
                "{\"text\": \"it is " + word + " " + row + "\", \"label\": \"l" + row % 3 + "\"}";
          });
    }
    if (task.equals("multi-label-classification")) {
      return TinyTasks.writeLabels(file, 24, 3);
    }
    return task.equals("question-answering")
        ? TinyTasks.writeQuestions(file, 24, 3)
        : Files.write(file, lines);
  }

  private Path trained(String task, Path data) {
    Path output = scratch.resolve("out");
    RecordedRun run = new RecordedRun(model, data, output).with(RunOption.TASK, task);
    if (task.equals("question-answering")) {
      run.with(RunOption.DOC_STRIDE, "4");
    }
    run.with(RunOption.MAX_STEPS, "2").run();
    return output;
  }

  private static RunConfig.Builder config(List<RunOption> known, Path model, Path data) {
    return RunConfig.builder(known)
        .set(RunOption.MODEL, model.toString())
        .set(RunOption.FILE, data.toString())
        .set(RunOption.THREADS, "1");
  }

  private List<JsonNode> predictions(Path model, Path data, Comparison[] heard) throws IOException {
    Path output = scratch.resolve("predictions.jsonl");
    heard[0] =
        PredictRun.run(
                config(CommandOptions.PREDICT, model, data)
                    .set(RunOption.OUTPUT, output.toString())
                    .set(RunOption.WORST, "" + WORST)
                    .build())
            .comparison();
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      rows.add(JSON.readTree(line));
    }
    return rows;
  }

  private static double error(String task, JsonNode row) {
    return switch (task) {
      case "classification" -> -Math.log(row.path("scores").path(text(row, "label")).asDouble());
      case "multi-label-classification" -> {
        double sum = 0;
        for (var score : row.path("scores").properties()) {
          boolean holds = row.path("labels").toString().contains('"' + score.getKey() + '"');
          double p = score.getValue().asDouble();
          sum -= Math.log(holds ? p : 1 - p);
        }
        yield sum / row.path("scores").size();
      }
      case "regression" -> Math.abs(row.path("score").asDouble() - row.path("label").asDouble());
      case "token-classification" -> {
        int wrong = 0;
        for (int word = 0; word < row.path("tags").size(); word++) {
          wrong += row.path("tags").get(word).equals(row.path("predicted_tags").get(word)) ? 0 : 1;
        }
        yield wrong;
      }
      default -> {
        List<String> gold = new ArrayList<>();
        row.path("answers").path("text").forEach(answer -> gold.add(answer.asText()));
        yield 1 - AnswerMetrics.bestF1(gold, text(row, "predicted_answer"));
      }
    };
  }

  private static String text(JsonNode row, String name) {
    return row.path(name).asText();
  }

  private static boolean isWrong(String task, JsonNode row, double error) {
    return switch (task) {
      case "classification" -> !row.path("label").equals(row.path("predicted_label"));
      case "multi-label-classification" -> {
        List<String> gold = new ArrayList<>();
        List<String> given = new ArrayList<>();
        row.path("labels").forEach(label -> gold.add(label.asText()));
        row.path("predicted_labels").forEach(label -> given.add(label.asText()));
        yield !gold.containsAll(given) || !given.containsAll(gold);
      }
      default -> error > 0;
    };
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "classification",
        "multi-label-classification",
        "regression",
        "token-classification",
        "question-answering"
      })
  void theWorstAreThoseWithTheLargestErrors(String task) throws IOException {
    Path data = data(task);
    Path trained = trained(task, data);
    Comparison[] ofPredicting = new Comparison[1];
    List<JsonNode> rows = predictions(trained, data, ofPredicting);
    EvaluateRun.Outcome evaluated =
        EvaluateRun.run(
            config(CommandOptions.EVALUATE, trained, data)
                .set(RunOption.WORST, "" + WORST)
                .build());
    ToDoubleFunction<Integer> error = row -> error(task, rows.get(row));
    List<Integer> expected = new ArrayList<>();
    for (int row = 0; row < rows.size(); row++) {
      if (isWrong(task, rows.get(row), error.applyAsDouble(row))) {
        expected.add(row);
      }
    }
    int wrong = expected.size();
    assertTrue(wrong > WORST, "an untrained model is wrong " + wrong + " times");
    expected.sort(Comparator.comparingDouble(error).reversed());
    for (Comparison comparison : List.of(evaluated.comparison(), ofPredicting[0])) {
      assertEquals(rows.size(), comparison.compared());
      assertEquals(wrong, comparison.wrong());
      assertEquals(WORST, comparison.worst().size());
      for (int i = 0; i < WORST; i++) {
        Comparison.Mistake mistake = comparison.worst().get(i);
        assertEquals(
            error.applyAsDouble(expected.get(i)), mistake.judgement().error(), 1e-5, task + i);
        int row = mistake.example().row() - 1;
        assertEquals(
            mistake.judgement().error(), error.applyAsDouble(row), 1e-5, "the row that it names");
      }
    }
    assertNull(evaluated.comparison().counts());
  }

  @Test
  void labelsAreCountedByLabels() throws IOException {
    Path data = data("classification");
    Path trained = trained("classification", data);
    List<JsonNode> rows = predictions(trained, data, new Comparison[1]);
    long[][] expected = new long[3][3];
    for (JsonNode row : rows) {
      int gold = text(row, "label").charAt(1) - '0';
      expected[gold][text(row, "predicted_label").charAt(1) - '0']++;
    }
    EvaluateRun.Outcome evaluated =
        EvaluateRun.run(
            config(CommandOptions.EVALUATE, trained, data)
                .set(RunOption.CONFUSION_MATRIX, "true")
                .build());
    assertEquals(List.of("l0", "l1", "l2"), evaluated.comparison().counts().names());
    assertArrayEquals(expected, evaluated.comparison().counts().confusion());
    assertEquals(List.of(), evaluated.comparison().worst());
  }

  @Test
  void rowsWithoutAKnownLabelAreCountedApart() throws IOException {
    Path data = data("classification");
    Path trained = trained("classification", data);
    Path some =
        Files.writeString(
            scratch.resolve("some.csv"), "text,label\nit is good,l1\nit is bad,\nit,other\n");
    Comparison[] heard = new Comparison[1];
    predictions(trained, some, heard);
    assertEquals(List.of(1, 2), List.of(heard[0].compared(), heard[0].skipped()));
    Path none = Files.writeString(scratch.resolve("none.csv"), "text\nit is good\n");
    assertTrue(
        assertThrows(InputException.class, () -> predictions(trained, none, heard))
            .getMessage()
            .contains("says of no row what is right"));
  }

  @Test
  void whatMeansNothingIsRefused() throws IOException {
    Path data = data("regression");
    Path trained = trained("regression", data);
    for (String[] option :
        new String[][] {
          {"CONFUSION_MATRIX", "true", "rows that have one label each"},
          {"WORST", "0", "from 1 to 100000"},
          {"WORST", "many", "not a whole number"}
        }) {
      RunConfig config =
          config(CommandOptions.EVALUATE, trained, data)
              .set(RunOption.valueOf(option[0]), option[1])
              .build();
      String message =
          assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage();
      assertTrue(message.contains(option[2]), message);
    }
  }
}
