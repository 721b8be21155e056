package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.data.LabelMap;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.NextTokenMetrics;
import dev.attune.metrics.RegressionMetrics;
import dev.attune.metrics.SequenceLabelMetrics;
import dev.attune.metrics.TextMetrics;
import dev.attune.model.Model;
import dev.attune.ops.CrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.task.Task;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Measures a model on a dataset; memory is that of one batch, whatever the dataset's size. */
public final class Evaluator {
  private static final Set<String> LOWER_IS_BETTER = Set.of("loss", "mse", "mae", "perplexity");

  private final Task task;
  private final EncodedDataset data;
  private final LabelMap labels;
  private final Inference inference;
  private final AnswerCheck answers;
  private Metrics last;

  /**
   * @param labels null for regression
   * @param inference the caller closes it
   */
  public Evaluator(Task task, EncodedDataset data, LabelMap labels, Inference inference) {
    this(task, data, labels, inference, null);
  }

  /**
   * @param labels null for regression
   * @param inference the caller closes it
   * @param answers of a language model are measured too, unless null
   */
  public Evaluator(
      Task task, EncodedDataset data, LabelMap labels, Inference inference, AnswerCheck answers) {
    this.task = task;
    this.data = data;
    this.labels = labels;
    this.inference = inference;
    this.answers = answers;
  }

  /** Whether a smaller value of this metric is the better one. */
  public static boolean lowerIsBetter(String metric) {
    return LOWER_IS_BETTER.contains(metric);
  }

  /** The names of the values that {@link #evaluate} gives, in their order. */
  public List<String> names() {
    List<String> names = new ArrayList<>(List.of("loss"));
    switch (task) {
      case CLASSIFICATION -> {
        ClassificationMetrics metrics = new ClassificationMetrics(labels.names());
        metrics.add(0, 0);
        names.addAll(metrics.values().keySet());
      }
      case REGRESSION -> {
        RegressionMetrics metrics = new RegressionMetrics();
        metrics.add(0, 0);
        names.addAll(metrics.values().keySet());
      }
      case TOKEN_CLASSIFICATION -> {
        SequenceLabelMetrics metrics = new SequenceLabelMetrics(labels.names());
        metrics.add(new int[1], new int[1]);
        names.addAll(metrics.values().keySet());
      }
      case CAUSAL_LM -> {
        NextTokenMetrics metrics = new NextTokenMetrics();
        metrics.add(0, 1, 1);
        names.addAll(metrics.values().keySet());
        if (answers != null) {
          TextMetrics texts = new TextMetrics();
          texts.add("", "");
          names.addAll(texts.values().keySet());
        }
      }
    }
    return names;
  }

  /** The largest of a row's logits. */
  public static int argmax(FloatBuffer logits, int row, int cols) {
    int best = 0;
    for (int k = 1; k < cols; k++) {
      if (logits.get(row * cols + k) > logits.get(row * cols + best)) {
        best = k;
      }
    }
    return best;
  }

  /** Mean loss, then the task's metrics. */
  public Map<String, Double> evaluate(Model model, Tape tape) {
    if (task == Task.CAUSAL_LM) {
      return evaluateLanguageModel(model, tape);
    }
    Accumulator accumulator =
        switch (task) {
          case CLASSIFICATION -> new Classes(labels);
          case REGRESSION -> new Scores();
          case TOKEN_CLASSIFICATION -> new Tags(labels);
          case CAUSAL_LM -> throw new IllegalStateException();
        };
    double[] lossAndTargets = new double[2];
    inference.run(
        model,
        tape,
        data,
        new Objective(task, 0f),
        (batch, logits, rows, cols, loss) -> {
          lossAndTargets[0] += loss;
          lossAndTargets[1] += batch.supervisedTargets();
          accumulator.add(batch, logits, cols);
        });
    last = accumulator.metrics();
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("loss", lossAndTargets[0] / lossAndTargets[1]);
    values.putAll(last.values());
    return values;
  }

  private Map<String, Double> evaluateLanguageModel(Model model, Tape tape) {
    NextTokenMetrics metrics = new NextTokenMetrics();
    double[] lossAndTargets = new double[2];
    inference.runLanguageModel(
        model,
        tape,
        data,
        new Objective(Task.CAUSAL_LM, 0f),
        (batch, right, loss) -> {
          lossAndTargets[0] += loss;
          lossAndTargets[1] += batch.supervisedTargets();
          metrics.add(loss, batch.supervisedTargets(), right);
        });
    last = metrics;
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("loss", lossAndTargets[0] / lossAndTargets[1]);
    values.putAll(metrics.values());
    if (answers != null) {
      last = answers.measure(model, tape);
      values.putAll(last.values());
    }
    return values;
  }

  /** The metrics of the last evaluation, with their per-class table. */
  public Metrics metrics() {
    return last;
  }

  private interface Accumulator {
    void add(Batch batch, FloatBuffer logits, int cols);

    Metrics metrics();
  }

  private static final class Classes implements Accumulator {
    private final ClassificationMetrics metrics;

    Classes(LabelMap labels) {
      this.metrics = new ClassificationMetrics(labels.names());
    }

    @Override
    public void add(Batch batch, FloatBuffer logits, int cols) {
      for (int b = 0; b < batch.sequences(); b++) {
        metrics.add(batch.labels()[b], argmax(logits, b, cols));
      }
    }

    @Override
    public Metrics metrics() {
      return metrics;
    }
  }

  private static final class Scores implements Accumulator {
    private final RegressionMetrics metrics = new RegressionMetrics();

    @Override
    public void add(Batch batch, FloatBuffer logits, int cols) {
      for (int b = 0; b < batch.sequences(); b++) {
        metrics.add(batch.targets()[b], logits.get(b));
      }
    }

    @Override
    public Metrics metrics() {
      return metrics;
    }
  }

  private static final class Tags implements Accumulator {
    private final SequenceLabelMetrics metrics;

    Tags(LabelMap labels) {
      this.metrics = new SequenceLabelMetrics(labels.names());
    }

    @Override
    public void add(Batch batch, FloatBuffer logits, int cols) {
      for (int b = 0; b < batch.sequences(); b++) {
        int begin = batch.cuSeqlens()[b];
        int end = batch.cuSeqlens()[b + 1];
        int[] gold = new int[end - begin];
        int[] predicted = new int[end - begin];
        int words = 0;
        for (int row = begin; row < end; row++) {
          if (batch.labels()[row] != CrossEntropy.IGNORE) {
            gold[words] = batch.labels()[row];
            predicted[words++] = argmax(logits, row, cols);
          }
        }
        metrics.add(
            java.util.Arrays.copyOf(gold, words), java.util.Arrays.copyOf(predicted, words));
      }
    }

    @Override
    public Metrics metrics() {
      return metrics;
    }
  }
}
