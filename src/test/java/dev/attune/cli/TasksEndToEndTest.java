package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.TinyTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Labels and answers from outside: train, evaluate and predict by the command line. */
class TasksEndToEndTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path scratch;
  private static Path model;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
  }

  private static JsonNode succeeded(String... words) {
    Ended ended = AttuneProcess.run(scratch, words);
    assertEquals(0, ended.status(), ended.err());
    return ended.json();
  }

  /** Trains, checks that evaluation says what training said, and returns the predicted rows. */
  private static List<JsonNode> run(String task, Path train, Path test, String... more)
      throws IOException {
    Path output = scratch.resolve(task);
    List<String> words =
        new ArrayList<>(
            List.of(
                "train",
                "--task",
                task,
                "--model",
                model.toString(),
                "--train-file",
                train.toString(),
                "--test-file",
                test.toString(),
                "--output-dir",
                output.toString(),
                "--learning-rate",
                "3e-3",
                "--batch-size",
                "16",
                "--dropout",
                "0",
                "--json"));
    JsonNode trained = succeeded(AttuneProcess.with(words, more)).get("test");
    JsonNode evaluated =
        succeeded("evaluate", "--model", output.toString(), "--file", test.toString(), "--json");
    for (String name : List.of("f1", "exact_match", "f1_micro", "subset_accuracy", "loss")) {
      assertEquals(trained.get(name), evaluated.get(name), name);
    }
    Path predictions = scratch.resolve(task + ".jsonl");
    succeeded(
        "predict",
        "--model",
        output.toString(),
        "--file",
        test.toString(),
        "--output",
        predictions.toString(),
        "--json");
    List<JsonNode> rows = new ArrayList<>();
    List<String> lines = Files.readAllLines(predictions);
    List<String> asked = Files.readAllLines(test);
    assertEquals(asked.size(), lines.size());
    for (int i = 0; i < lines.size(); i++) {
      rows.add(JSON.readTree(lines.get(i)));
      for (var field : JSON.readTree(asked.get(i)).properties()) {
        assertEquals(field.getValue(), rows.get(i).get(field.getKey()), "an input field");
      }
    }
    return rows;
  }

  @Test
  void severalLabelsAreLearnedAndWritten() throws IOException {
    Path train = TinyTasks.writeLabels(scratch.resolve("train-labels.jsonl"), 400, 1);
    Path test = TinyTasks.writeLabels(scratch.resolve("test-labels.jsonl"), 60, 2);
    int right = 0;
    for (JsonNode row : run("multi-label-classification", train, test, "--epochs", "16")) {
      right += row.get("labels").size() == row.get("predicted_labels").size() ? 1 : 0;
      for (JsonNode label : row.get("predicted_labels")) {
        assertTrue(row.get("scores").get(label.asText()).asDouble() >= 0.5, row.toString());
      }
    }
    assertTrue(right > 57, right + " of 60 rows have as many labels as they should");
  }

  @Test
  void answersAreFoundInLongContextsAndMayBeMissing() throws IOException {
    Path train = TinyTasks.writeQuestions(scratch.resolve("train-questions.jsonl"), 500, 1);
    Path test = TinyTasks.writeQuestions(scratch.resolve("test-questions.jsonl"), 60, 2);
    int right = 0;
    for (JsonNode row :
        run("question-answering", train, test, "--epochs", "16", "--doc-stride", "5")) {
      JsonNode gold = row.get("answers").get("text");
      String answer = row.get("predicted_answer").asText();
      right += answer.equals(gold.isEmpty() ? "" : gold.get(0).asText()) ? 1 : 0;
      if (answer.isEmpty()) {
        assertTrue(row.get("start").isNull() && row.get("end").isNull(), row.toString());
      } else {
        String context = row.get("context").asText();
        assertEquals(answer, context.substring(row.get("start").asInt(), row.get("end").asInt()));
      }
      double sum = 0;
      for (JsonNode candidate : row.get("nbest")) {
        sum += candidate.get("score").asDouble();
      }
      assertEquals(1, sum, 1e-9);
    }
    assertTrue(right > 57, right + " of 60 answers are right");
  }
}
