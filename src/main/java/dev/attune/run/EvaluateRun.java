package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.metrics.Metrics;
import dev.attune.task.Purpose;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import java.util.Map;

/** Measures a fine-tuned model on a file. */
public final class EvaluateRun {
  /**
   * What came out.
   *
   * @param values mean loss and metrics
   * @param table the metrics with their per-class table
   * @param data rows of the file, with how they were read
   * @param tokens real tokens
   * @param seconds of inference
   * @param truncated tokens that were cut off
   */
  public record Outcome(
      Map<String, Double> values,
      Metrics table,
      Dataset data,
      long tokens,
      double seconds,
      long truncated) {}

  private EvaluateRun() {}

  /** Continues every prompt of the file, and compares with the answers that it gives. */
  private static Outcome generate(RunConfig config) {
    try (GenerateRun run = GenerateRun.open(config)) {
      Dataset dataset = run.file();
      checkRows(dataset);
      long begin = System.nanoTime();
      ComparedAnswers answers = run.compare(dataset);
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(
          answers.metrics().values(), answers.metrics(), dataset, answers.tokens(), seconds, 0);
    }
  }

  private static void checkRows(Dataset dataset) {
    if (dataset.size() == 0) {
      throw new InputException(dataset.source() + ": there are no rows to evaluate");
    }
  }

  /** Evaluates. */
  public static Outcome run(RunConfig config) {
    config.required(RunOption.FILE);
    if (EvaluationWay.of(config) == EvaluationWay.GENERATE) {
      return generate(config);
    }
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      Dataset dataset = Datasets.file(config, trained.task(), trained.asTurns(), true);
      checkRows(dataset);
      DataReport.builder(trained.task()).validation(dataset, null).build().throwIfFatal();
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      Encoder encoder =
          new Encoder(
              trained.task().encoder(trained.tokenizer(), trained.maxLength(), Purpose.EVALUATION),
              threads);
      EncodedDataset encoded = encoder.encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      Evaluator evaluator = new Evaluator(trained.task(), encoded, inference);
      long begin = System.nanoTime();
      Map<String, Double> values = evaluator.evaluate(trained.model(), session.tape(0));
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(
          values, evaluator.metrics(), dataset, encoded.tokens(), seconds, encoded.droppedTokens());
    }
  }
}
