package dev.attune.run;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.storage.AtomicFile;
import dev.attune.task.Prediction;
import dev.attune.task.Task;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A fine-tuned model's predictions: for a file, written to another, or for a few texts. */
public final class PredictRun {
  /**
   * What came out.
   *
   * @param data rows written, with how they were read
   * @param truncated tokens that were cut off
   * @param emptyTexts rows that have nothing to read
   * @param comparison with what rows say; null where none was asked for
   * @param renamed names that fields of ours have where the input has theirs
   * @param method how labels were chosen that the model has not learned; null: it has learned them
   * @param notes what whoever asked should know of the model
   */
  public record Outcome(
      Dataset data,
      double seconds,
      long truncated,
      int emptyTexts,
      Path output,
      Comparison comparison,
      Map<String, String> renamed,
      String method,
      List<String> notes) {}

  private static final List<RunOption> OF_FILES =
      List.of(
          RunOption.FILE,
          RunOption.OUTPUT,
          RunOption.COLUMNS,
          RunOption.FORMAT,
          RunOption.ENCODING,
          RunOption.DELIMITER,
          RunOption.QUOTING,
          RunOption.SKIP_BAD_ROWS,
          RunOption.WORST,
          RunOption.CONFUSION_MATRIX);

  private final PredictionFile out;
  private final Comparison comparison; // null: none
  private final Dataset gold;
  private int row;

  private PredictRun(PredictionFile out, Comparison comparison, Dataset gold) {
    this.out = out;
    this.comparison = comparison;
    this.gold = gold;
  }

  /** Predicts; the output file appears only once it is complete. */
  public static Outcome run(RunConfig config) {
    IdleOptions.check(config);
    Path output = OutputFile.of(config, RunOption.FILE);
    PredictionFile.delimiter(output);
    try (Predictor predictor = Predictor.open(config)) {
      Task task = predictor.task();
      Comparison comparison = Comparison.of(config, task);
      Dataset dataset = Datasets.predicted(config, task, comparison != null);
      Dataset gold = comparison == null ? dataset : Datasets.withTargets(dataset, task);
      EncodedDataset encoded = predictor.encoded(dataset);
      long begin = System.nanoTime();
      Map<String, String> renamed;
      try (AtomicFile file = AtomicFile.create(output)) {
        PredictionFile rows = new PredictionFile(output, file.writer(), dataset);
        predictor.predict(dataset, encoded, new PredictRun(rows, comparison, gold)::write);
        renamed = rows.renamed();
        file.commit();
      } catch (IOException e) {
        throw new InputException(
            RunOption.OUTPUT.with(output) + " cannot be written: " + OutputFolder.describe(e), e);
      }
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(
          dataset,
          seconds,
          encoded.droppedTokens(),
          (int) dataset.examples().stream().filter(predictor.task()::isEmpty).count(),
          output,
          comparison,
          renamed,
          predictor.method(),
          predictor.notes());
    }
  }

  /**
   * Checks the options beside texts.
   *
   * @throws InputException if one is given that is of files alone, or would do nothing
   */
  public static void checkOptions(RunConfig config) {
    for (RunOption option : OF_FILES) {
      if (config.isGiven(option)) {
        throw new InputException(
            option + " is of the rows of a file; leave it out, or the texts beside it");
      }
    }
    IdleOptions.check(config);
  }

  /**
   * What is predicted of texts that somebody has typed.
   *
   * @param predictions of each text, as rows of a file have them
   * @param truncated tokens that were cut off
   * @param method how labels were chosen that the model has not learned; null: it has learned them
   * @param notes what whoever asked should know of the model
   */
  public record TextOutcome(
      List<ObjectNode> predictions, long truncated, String method, List<String> notes) {}

  /**
   * Predicts texts.
   *
   * @param texts at least one
   * @throws InputException if one of them is empty, or one text is no row of the model's task; or
   *     if an option is given that is of files alone
   */
  public static TextOutcome run(List<String> texts, RunConfig config) {
    checkOptions(config);
    try (Predictor predictor = Predictor.open(config)) {
      List<Example> rows = new ArrayList<>();
      for (String text : texts) {
        Example row = predictor.task().type().typed(rows.size() + 1, text);
        if (predictor.task().isEmpty(row)) {
          throw new InputException("there is nothing to predict of an empty text");
        }
        rows.add(row);
      }
      Dataset dataset = new Dataset(Path.of("the text"), rows, "text");
      EncodedDataset encoded = predictor.encoded(dataset);
      List<ObjectNode> predictions = new ArrayList<>();
      predictor.predict(
          dataset, encoded, (example, prediction) -> predictions.add(fields(prediction)));
      return new TextOutcome(
          predictions, encoded.droppedTokens(), predictor.method(), predictor.notes());
    }
  }

  private static ObjectNode fields(Prediction prediction) {
    ObjectNode fields = JsonNodeFactory.instance.objectNode();
    prediction.write(fields);
    return fields;
  }

  private void write(Example example, Prediction prediction) {
    if (comparison != null) {
      comparison.add(gold.get(row), prediction);
    }
    row++; // they come in their order
    try {
      out.write(example, fields(prediction));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the predictions cannot be written: " + OutputFolder.describe(e), e);
    }
  }
}
