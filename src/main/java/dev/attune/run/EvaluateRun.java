package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TargetKind;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.TextMetrics;
import dev.attune.text.ChatMessage;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.Objective;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Measures a fine-tuned model on a file. */
public final class EvaluateRun {
  /**
   * What came out.
   *
   * @param values mean loss and metrics
   * @param table the metrics with their per-class table
   * @param examples rows of the file
   * @param tokens real tokens
   * @param seconds of inference
   * @param truncated tokens that were cut off
   */
  public record Outcome(
      Map<String, Double> values,
      Metrics table,
      int examples,
      long tokens,
      double seconds,
      long truncated) {}

  private EvaluateRun() {}

  /** Continues every prompt of the file, and compares with the answers that it gives. */
  private static Outcome generate(RunConfig config) {
    Path file = Path.of(config.required(RunOption.FILE));
    try (GenerateRun run = GenerateRun.open(config)) {
      Dataset dataset = DataReader.read(file, Columns.parse(config.text(RunOption.COLUMNS)));
      List<GenerateRun.Prompt> prompts = run.prompts(dataset);
      TextMetrics metrics = new TextMetrics();
      long[] tokens = {0};
      long begin = System.nanoTime();
      run.generate(
          prompts,
          text -> {
            metrics.add(text.text(), answer(dataset, dataset.get(text.index())));
            tokens[0] += text.tokens();
          });
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(metrics.values(), metrics, dataset.size(), tokens[0], seconds, 0);
    }
  }

  private static String answer(Dataset dataset, Example example) {
    String answer = example.completion();
    if (example.messages() != null) {
      ChatMessage last = example.messages().get(example.messages().size() - 1);
      answer = last.isAssistant() ? String.valueOf(last.fields().get("content")) : null;
    }
    if (answer == null) {
      throw new InputException(
          dataset.where(example) + ": there is no answer to compare with: no completion");
    }
    return answer;
  }

  /** Evaluates. */
  public static Outcome run(RunConfig config) {
    config.required(RunOption.FILE);
    String way = config.text(RunOption.EVALUATE_WITH);
    if (way.equals("generate")) {
      return generate(config);
    }
    if (!way.equals("loss")) {
      throw new InputException("--evaluate-with is '" + way + "'; allowed are loss and generate");
    }
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      Dataset dataset =
          DataReader.read(
              Path.of(config.required(RunOption.FILE)),
              Columns.parse(config.text(RunOption.COLUMNS)));
      TargetKind kind = Objective.targetKind(trained.model().task());
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      Encoder encoder =
          kind == TargetKind.NEXT_TOKEN
              ? Encoder.strided(
                  trained.tokenizer(),
                  trained.trainOnPrompt(),
                  trained.maxLength(),
                  config.isGiven(RunOption.STRIDE)
                      ? config.smallInteger(RunOption.STRIDE)
                      : trained.maxLength(),
                  threads)
              : new Encoder(
                  trained.tokenizer(), kind, trained.labels(), trained.maxLength(), threads);
      EncodedDataset encoded = encoder.encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      Evaluator evaluator = new Evaluator(encoded, trained.labels(), inference);
      long begin = System.nanoTime();
      Map<String, Double> values = evaluator.evaluate(trained.model(), session.tape(0));
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(
          values,
          evaluator.metrics(),
          encoded.size(),
          encoded.tokens(),
          seconds,
          encoded.droppedTokens());
    }
  }
}
