package dev.attune.run;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.task.Prediction;
import dev.attune.task.Purpose;
import dev.attune.train.Inference;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/** Writes a fine-tuned model's predictions for a file: one JSON object a row. */
public final class PredictRun {
  private static final ObjectMapper JSON =
      new ObjectMapper().disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);

  /**
   * What came out.
   *
   * @param data rows written, with how they were read
   * @param truncated tokens that were cut off
   */
  public record Outcome(Dataset data, double seconds, long truncated, Path output) {}

  private final BufferedWriter out;

  private PredictRun(BufferedWriter out) {
    this.out = out;
  }

  /** Predicts; the output file appears only once it is complete. */
  public static Outcome run(RunConfig config) {
    Path file = Path.of(config.required(RunOption.FILE));
    Path output = OutputFile.of(config, RunOption.FILE);
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      if (trained.task().type().generates()) {
        throw new InputException(
            RunOption.MODEL.with(config.text(RunOption.MODEL))
                + " is a language model; use attune generate "
                + RunOption.PROMPTS.with(file));
      }
      Dataset dataset = Datasets.file(config, trained.task(), false, false);
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      EncodedDataset encoded =
          new Encoder(
                  trained
                      .task()
                      .encoder(trained.tokenizer(), trained.maxLength(), Purpose.PREDICTION),
                  threads)
              .encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      Path partial = output.resolveSibling(output.getFileName() + ".partial");
      long begin = System.nanoTime();
      try {
        try (BufferedWriter writer = Files.newBufferedWriter(partial)) {
          PredictRun run = new PredictRun(writer);
          inference.run(
              trained.model(),
              session.tape(0),
              encoded,
              null,
              trained.task().reading(dataset, encoded, run::write));
        }
        Files.move(
            partial, output, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw new InputException(
            RunOption.OUTPUT.with(output) + " cannot be written: " + OutputFolder.describe(e), e);
      } finally {
        Files.deleteIfExists(partial);
      }
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(dataset, seconds, encoded.droppedTokens(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(
          RunOption.OUTPUT.with(output) + " cannot be written: " + OutputFolder.describe(e), e);
    }
  }

  private void write(Example example, Prediction prediction) {
    ObjectNode line = JSON.createObjectNode();
    example.fields().forEach((name, value) -> line.set(name, JSON.valueToTree(value)));
    ObjectNode predicted = JSON.createObjectNode();
    prediction.write(predicted);
    for (Map.Entry<String, JsonNode> field : predicted.properties()) {
      line.set(free(line, field.getKey()), field.getValue());
    }
    try {
      out.write(JSON.writeValueAsString(line));
      out.newLine();
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the predictions cannot be written: " + OutputFolder.describe(e), e);
    }
  }

  /** A name that leaves the fields of the input row unchanged. */
  private static String free(ObjectNode line, String name) {
    return line.has(name) ? free(line, "predicted_" + name) : name;
  }
}
