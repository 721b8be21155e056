package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.metrics.Metrics;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.task.ZeroShot;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import java.util.List;
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
   * @param comparison of single rows; null where none was asked for
   * @param method how labels were chosen that the model has not learned; null: it has learned them
   * @param notes what whoever asked should know of the model
   */
  public record Outcome(
      Map<String, Double> values,
      Metrics table,
      Dataset data,
      long tokens,
      double seconds,
      long truncated,
      Comparison comparison,
      String method,
      List<String> notes) {}

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
          answers.metrics().values(),
          answers.metrics(),
          dataset,
          answers.tokens(),
          seconds,
          0,
          null,
          null,
          run.unused().stream().toList());
    }
  }

  /** Prompts with completions, and conversations, are sequences of their own. */
  private static void checkStride(RunConfig config, Dataset dataset) {
    if (config.isGiven(RunOption.STRIDE)
        && dataset.examples().stream().allMatch(row -> row.text() == null)) {
      throw new InputException(
          RunOption.STRIDE
              + " is of running texts, and no row of "
              + dataset.source()
              + " is one; leave it out");
    }
  }

  private static void checkRows(Dataset dataset) {
    if (dataset.size() == 0) {
      throw new InputException(dataset.source() + ": there are no rows to evaluate");
    }
  }

  /** Evaluates. */
  public static Outcome run(RunConfig config) {
    IdleOptions.check(config);
    config.required(RunOption.FILE);
    if (EvaluationWay.of(config) == EvaluationWay.GENERATE) {
      if (Comparison.isAsked(config)) {
        throw new InputException(
            RunOption.WORST
                + " and "
                + RunOption.CONFUSION_MATRIX
                + " have no meaning with "
                + RunOption.EVALUATE_WITH.with("generate"));
      }
      return generate(config);
    }
    try (Session session = Session.open(config);
        TrainedModel trained = TrainedModel.open(config, session);
        Inference inference = new Inference(session.backend())) {
      Comparison comparison = Comparison.of(config, trained.task());
      Dataset dataset = Datasets.measured(config, trained.task(), trained.asTurns());
      checkRows(dataset);
      checkStride(config, dataset);
      DataReport.builder(trained.task()).validation(dataset, null).build().throwIfFatal();
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      Task task = trained.ready(inference, session.tape(0), threads);
      Encoder encoder =
          new Encoder(
              task.encoder(trained.tokenizer(), trained.maxLength(), Purpose.EVALUATION), threads);
      EncodedDataset encoded = encoder.encode(dataset);
      Data.checkVocabulary(encoded, trained.vocabularySize());
      Evaluator evaluator = new Evaluator(task, encoded, inference);
      long begin = System.nanoTime();
      Map<String, Double> values =
          comparison == null
              ? evaluator.evaluate(trained.model(), session.tape(0))
              : evaluator.evaluate(
                  trained.model(),
                  session.tape(0),
                  task.reading(dataset, encoded, comparison::add));
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return new Outcome(
          values,
          evaluator.metrics(),
          dataset,
          encoded.tokens(),
          seconds,
          encoded.droppedTokens(),
          comparison,
          ZeroShot.method(task),
          trained.unusedNote().stream().toList());
    }
  }
}
