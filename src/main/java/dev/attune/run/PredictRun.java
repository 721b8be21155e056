package dev.attune.run;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.data.TargetKind;
import dev.attune.task.Task;
import dev.attune.text.TokenIds;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes a fine-tuned model's predictions for a file: one JSON object a row. */
public final class PredictRun {
  private static final ObjectMapper JSON =
      new ObjectMapper().disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);

  /**
   * What came out.
   *
   * @param examples rows written
   * @param truncated tokens that were cut off
   */
  public record Outcome(int examples, double seconds, long truncated, Path output) {}

  private final TrainedModel trained;
  private final Dataset dataset;
  private final BufferedWriter out;

  private PredictRun(TrainedModel trained, Dataset dataset, BufferedWriter out) {
    this.trained = trained;
    this.dataset = dataset;
    this.out = out;
  }

  /** Predicts; the output file appears only once it is complete. */
  public static Outcome run(RunConfig config) {
    Path file = Path.of(config.required(RunOption.FILE));
    Path output = Path.of(config.required(RunOption.OUTPUT)).toAbsolutePath();
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      if (trained.task() == Task.CAUSAL_LM) {
        throw new InputException(
            "--model "
                + config.text(RunOption.MODEL)
                + " is a language model; use attune generate --prompts "
                + file);
      }
      Dataset dataset = DataReader.read(file, Columns.parse(config.text(RunOption.COLUMNS)));
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      EncodedDataset encoded =
          new Encoder(trained.tokenizer(), TargetKind.NONE, null, trained.maxLength(), threads)
              .encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      Path partial = output.resolveSibling(output.getFileName() + ".partial");
      long begin = System.nanoTime();
      try {
        try (BufferedWriter writer = Files.newBufferedWriter(partial)) {
          PredictRun run = new PredictRun(trained, dataset, writer);
          inference.run(trained.model(), session.tape(0), encoded, null, run::write);
        }
        Files.move(
            partial, output, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw new InputException(
            "--output " + output + " cannot be written: " + OutputFolder.describe(e), e);
      } finally {
        Files.deleteIfExists(partial);
      }
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(encoded.size(), seconds, encoded.droppedTokens(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "--output " + output + " cannot be written: " + OutputFolder.describe(e), e);
    }
  }

  private void write(Batch batch, FloatBuffer logits, int rows, int cols, double loss) {
    try {
      for (int b = 0; b < batch.sequences(); b++) {
        Example example = dataset.get(batch.exampleIndex()[b]);
        ObjectNode line = JSON.createObjectNode();
        example.fields().forEach((name, value) -> line.set(name, JSON.valueToTree(value)));
        predict(line, example, batch, b, logits, cols);
        out.write(JSON.writeValueAsString(line));
        out.newLine();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the predictions cannot be written: " + OutputFolder.describe(e), e);
    }
  }

  private void predict(
      ObjectNode line, Example example, Batch batch, int b, FloatBuffer logits, int cols) {
    Task task = trained.task();
    if (task == Task.REGRESSION) {
      line.put("score", logits.get(b));
    } else if (task == Task.CLASSIFICATION) {
      LabelMap labels = trained.labels();
      double[] scores = softmax(logits, b, cols);
      line.put("label", labels.name(Evaluator.argmax(logits, b, cols)));
      ObjectNode byLabel = line.putObject("scores");
      for (int k = 0; k < cols; k++) {
        byLabel.put(labels.name(k), scores[k]);
      }
    } else {
      tags(line, example, batch, b, logits, cols);
    }
  }

  /** A word's tag is that of its first token; words beyond the maximum length get null. */
  private void tags(
      ObjectNode line, Example example, Batch batch, int b, FloatBuffer logits, int cols) {
    TokenIds tokens = trained.tokenizer().encodeWordIds(example.tokens(), trained.maxLength());
    String[] tags = new String[example.tokens().size()];
    int begin = batch.cuSeqlens()[b];
    for (int t = 0; t < tokens.ids().length; t++) {
      int word = tokens.wordIds()[t];
      if (word >= 0 && tags[word] == null) {
        tags[word] = trained.labels().name(Evaluator.argmax(logits, begin + t, cols));
      }
    }
    ArrayNode array = line.putArray("predicted_tags");
    for (String tag : tags) {
      array.add(tag);
    }
  }

  private static double[] softmax(FloatBuffer logits, int row, int cols) {
    double largest = logits.get(row * cols + Evaluator.argmax(logits, row, cols));
    double[] out = new double[cols];
    double sum = 0;
    for (int k = 0; k < cols; k++) {
      out[k] = Math.exp(logits.get(row * cols + k) - largest);
      sum += out[k];
    }
    for (int k = 0; k < cols; k++) {
      out[k] /= sum;
    }
    return out;
  }
}
