package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.TextMetrics;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.task.Calibration;
import dev.attune.task.Measurement;
import dev.attune.task.ModelOutput;
import dev.attune.task.Objective;
import dev.attune.task.Reading;
import dev.attune.task.Task;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** Measures a model on a dataset; memory is that of one batch, whatever the dataset's size. */
public final class Evaluator {
  /** The name of the mean loss. */
  static final String LOSS = "loss";

  private static final Set<String> LOWER_IS_BETTER = Set.of(LOSS, "mse", "mae", "perplexity");

  private final Task task;
  private final EncodedDataset data;
  private final Inference inference;
  private final AnswerCheck answers;
  private EncodedDataset fitting; // null: nothing is fitted before
  private Metrics last;

  /**
   * @param inference the caller closes it
   */
  public Evaluator(Task task, EncodedDataset data, Inference inference) {
    this(task, data, inference, null);
  }

  /**
   * @param inference the caller closes it
   * @param answers of a language model are measured too, unless null
   */
  public Evaluator(Task task, EncodedDataset data, Inference inference, AnswerCheck answers) {
    this.task = task;
    this.data = data;
    this.inference = inference;
    this.answers = answers;
  }

  /**
   * The same, which fits what stands on the model's outputs to it before it measures.
   *
   * @param train the training data encoded for evaluation
   */
  public Evaluator fittedTo(EncodedDataset train) {
    fitting = train;
    return this;
  }

  /**
   * The task with what stands on the model's outputs, as these are now.
   *
   * @param train what it is fitted to: see {@link Task#fitting}
   */
  public static Task fitted(
      Task task, EncodedDataset train, Model model, Tape tape, Inference inference) {
    return fitted(task, train, model, tape, inference, () -> false);
  }

  private static Task fitted(
      Task task,
      EncodedDataset train,
      Model model,
      Tape tape,
      Inference inference,
      BooleanSupplier stopRequested) {
    Calibration fitting = task.fitting(train);
    inference.run(model, tape, train, Objective.read(task), fitting, stopRequested);
    return fitting.calibrated();
  }

  /** Whether a smaller value of this metric is the better one. */
  public static boolean lowerIsBetter(String metric) {
    return LOWER_IS_BETTER.contains(metric);
  }

  /** The names of the values that {@link #evaluate} gives, in their order. */
  public List<String> names() {
    List<String> names = new ArrayList<>();
    if (task.hasLoss(data)) {
      names.add(LOSS);
    }
    names.addAll(task.metricNames(data));
    if (answers != null) {
      TextMetrics texts = new TextMetrics();
      texts.add("", "");
      names.addAll(texts.values().keySet());
    }
    return names;
  }

  /** Mean loss, where the task has one for such data, then the task's metrics. */
  public Map<String, Double> evaluate(Model model, Tape tape) {
    return evaluate(model, tape, () -> false);
  }

  /**
   * The same, while somebody else reads the outputs too.
   *
   * @param beside hears every batch
   */
  public Map<String, Double> evaluate(Model model, Tape tape, Reading beside) {
    return evaluate(model, tape, beside, () -> false);
  }

  /**
   * The same, until it is told to stop.
   *
   * @throws dev.attune.core.InterruptedCallException once {@code stopRequested} is true
   */
  Map<String, Double> evaluate(Model model, Tape tape, BooleanSupplier stopRequested) {
    return evaluate(model, tape, (batch, output) -> {}, stopRequested);
  }

  private Map<String, Double> evaluate(
      Model model, Tape tape, Reading beside, BooleanSupplier stopRequested) {
    Task measured =
        fitting == null ? task : fitted(task, fitting, model, tape, inference, stopRequested);
    Measurement measurement = measured.measurement(data);
    double[] lossAndDivisor = new double[2];
    Reading reading =
        new Reading() {
          @Override
          public void add(Batch batch, ModelOutput output) {
            lossAndDivisor[0] += output.loss();
            lossAndDivisor[1] += task.divisor(batch);
            measurement.add(batch, output);
            beside.add(batch, output);
          }

          @Override
          public void end() {
            measurement.end();
            beside.end();
          }
        };
    boolean hasLoss = task.hasLoss(data);
    Objective objective = hasLoss ? new Objective(task, 0f) : Objective.read(task);
    inference.run(model, tape, data, objective, reading, stopRequested);
    last = measurement.metrics();
    Map<String, Double> values = new LinkedHashMap<>();
    if (hasLoss) {
      values.put(LOSS, lossAndDivisor[0] / lossAndDivisor[1]);
    }
    values.putAll(last.values());
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
}
