package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.WholeJson;
import dev.attune.data.Dataset;
import dev.attune.folder.ModelFiles;
import dev.attune.model.Model;
import dev.attune.storage.AtomicFile;
import dev.attune.tape.Tape;
import dev.attune.task.Task;
import dev.attune.train.Inference;
import dev.attune.train.TrainResult;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one run of a cross-validation leaves: {@code predictions.jsonl}, the rows that it did not
 * learn with what it says of them, and {@code fold.json}, its metrics, which is written last and
 * says that the fold is done.
 */
final class FoldFolder {
  private static final String NUMBERS = "row_numbers"; // through all files, in the lines' order

  private final Path folder;

  FoldFolder(Path folder) {
    this.folder = folder;
  }

  /**
   * A fold that is done.
   *
   * @param steps optimizer steps
   * @param rows that were held out
   * @param metrics on them, by name
   */
  record Done(long steps, int rows, Map<String, Double> metrics) {}

  private Path doneFile() {
    return folder.resolve("fold.json");
  }

  private Path predictionsFile() {
    return folder.resolve("predictions.jsonl");
  }

  /** Removes what was left when an earlier fold was done. */
  void clear() throws IOException {
    FileOps.SYSTEM.delete(doneFile());
    FileOps.SYSTEM.delete(predictionsFile());
  }

  /** Leaves what a trained model says of the rows that were held out. */
  void finish(
      Fold fold,
      Data data,
      Task task,
      Model model,
      Tape tape,
      Inference inference,
      TrainResult result) {
    ObjectNode done = JsonNodeFactory.instance.objectNode();
    done.put("fold", fold.number()).put("folds", fold.count());
    done.put("steps", result.steps()).put("rows", data.validationRows().size());
    ObjectNode metrics = done.putObject("eval");
    result.evaluation().forEach(metrics::put);
    try {
      if (task.type().predicts()) {
        predict(fold, data, task, model, tape, inference, done.putArray(NUMBERS));
      }
      AtomicFile.write(doneFile(), ModelFiles.format(done));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the results of the fold cannot be written to "
              + folder
              + ": "
              + OutputFolder.describe(e),
          e);
    }
  }

  private void predict(
      Fold fold,
      Data data,
      Task task,
      Model model,
      Tape tape,
      Inference inference,
      ArrayNode numbers)
      throws IOException {
    Dataset held = data.validationRows();
    try (AtomicFile file = AtomicFile.create(predictionsFile())) {
      PredictionFile rows = new PredictionFile(predictionsFile(), file.writer(), held);
      inference.run(
          model,
          tape,
          data.validation(),
          null,
          task.reading(
              held,
              data.validation(),
              (example, prediction) -> {
                ObjectNode predicted = JsonNodeFactory.instance.objectNode();
                if (held.parts().size() > 1) {
                  predicted.put("file", held.file(example.row()).toString());
                }
                predicted.put("row", held.rowInFile(example.row())).put("fold", fold.number());
                numbers.add(example.row());
                prediction.write(predicted);
                try {
                  rows.write(example, predicted);
                } catch (IOException e) {
                  throw new UncheckedIOException(
                      predictionsFile() + " cannot be written: " + OutputFolder.describe(e), e);
                }
              }));
      file.commit();
    }
  }

  /** Null: the fold is not done. */
  Done done() throws IOException {
    if (!Files.exists(doneFile())) {
      return null;
    }
    JsonNode json = WholeJson.read(doneFile());
    Map<String, Double> metrics = new LinkedHashMap<>();
    json.path("eval")
        .properties()
        .forEach(metric -> metrics.put(metric.getKey(), metric.getValue().asDouble()));
    return new Done(json.path("steps").asLong(), json.path("rows").asInt(), metrics);
  }

  /**
   * A line of predictions.
   *
   * @param number of its row; those of several files are numbered on from file to file
   */
  record Line(int number, String text) {}

  /** The predictions of a fold that is done; none where the task has none. */
  List<Line> predictions() throws IOException {
    List<Line> lines = new ArrayList<>();
    JsonNode numbers = WholeJson.read(doneFile()).path(NUMBERS);
    if (numbers.isArray()) {
      for (String line : Files.readAllLines(predictionsFile())) {
        lines.add(new Line(numbers.path(lines.size()).asInt(), line));
      }
    }
    return lines;
  }
}
