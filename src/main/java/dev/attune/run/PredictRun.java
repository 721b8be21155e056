package dev.attune.run;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.storage.AtomicFile;
import dev.attune.task.Objective;
import dev.attune.task.Prediction;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.ZeroShot;
import dev.attune.train.Inference;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Writes a fine-tuned model's predictions for a file. */
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
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      TaskType type = trained.task().type();
      if (type.readsPairs()) {
        String model = config.text(RunOption.MODEL);
        throw new InputException(
            RunOption.MODEL.with(model)
                + " makes embeddings of texts; attune embed "
                + RunOption.MODEL.with(model)
                + " writes them. To have it predict, "
                + (trained.folder().isAdapter()
                    ? "make one model of the adapter and its base (attune merge "
                        + RunOption.MODEL.with(model)
                        + ") and train that for a task"
                    : "train it for a task: " + Term.TRAINING.of(model)));
      }
      if (type.fillsMasks()) {
        throw new InputException(
            RunOption.MODEL.with(config.text(RunOption.MODEL))
                + " is a masked language model; attune fill finds words for masks. To have it"
                + " predict, train it first: "
                + Term.TRAINING.of(config.text(RunOption.MODEL)));
      }
      if (type.generates() && !type.predicts()) {
        throw new InputException(
            RunOption.MODEL.with(config.text(RunOption.MODEL))
                + " is a language model; use attune generate "
                + RunOption.PROMPTS.with(config.texts(RunOption.FILE).get(0)));
      }
      Comparison comparison = Comparison.of(config, trained.task());
      Dataset dataset = Datasets.file(config, trained.task(), false, false);
      Dataset gold = comparison == null ? dataset : Datasets.withTargets(dataset, trained.task());
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      Task task = trained.ready(inference, session.tape(0), threads);
      EncodedDataset encoded =
          new Encoder(
                  task.encoder(trained.tokenizer(), trained.maxLength(), Purpose.PREDICTION),
                  threads)
              .encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      long begin = System.nanoTime();
      Map<String, String> renamed;
      try (AtomicFile file = AtomicFile.create(output)) {
        PredictionFile rows = new PredictionFile(output, file.writer(), dataset);
        PredictRun run = new PredictRun(rows, comparison, gold);
        inference.run(
            trained.model(),
            session.tape(0),
            encoded,
            Objective.read(task),
            task.reading(dataset, encoded, run::write));
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
          (int) dataset.examples().stream().filter(task::isEmpty).count(),
          output,
          comparison,
          renamed,
          ZeroShot.method(task),
          trained.unusedNote().stream().toList());
    }
  }

  private void write(Example example, Prediction prediction) {
    ObjectNode predicted = JsonNodeFactory.instance.objectNode();
    prediction.write(predicted);
    if (comparison != null) {
      comparison.add(gold.get(row), prediction);
    }
    row++; // they come in their order
    try {
      out.write(example, predicted);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the predictions cannot be written: " + OutputFolder.describe(e), e);
    }
  }
}
