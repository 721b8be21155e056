package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import dev.attune.data.TextFindings;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.RegressionMetrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.MeanSquaredError;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * One number per text or pair of texts: {@code BertForSequenceClassification} with one output and
 * the mean squared error.
 */
public final class Regression implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final Pattern DECIMAL_COMMA = Pattern.compile("\"[+-]?\\d+,\\d+\"");

  private static final LabelMap ONE_OUTPUT = LabelMap.ofNames(List.of("LABEL_0"));

  /**
   * What is said of one row.
   *
   * @param score in the unit of the training data
   */
  public record Predicted(float score) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      row.put("score", score);
    }
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.SEQUENCE;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return purpose == Purpose.PREDICTION
        ? new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE)
        : new TextRows(
                tokenizer,
                maxLength,
                false,
                TargetLayout.NUMBER,
                (builder, tokens, dataset, example) ->
                    builder.add(tokens.ids(), tokens.typeIds(), Numbers.target(dataset, example)))
            .targets("numbers");
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    MeanSquaredError.apply(tape, output, staging.numbers(), staging.losses());
    return (int) output.rows();
  }

  /** Those of any numbers. */
  @Override
  public List<String> metricNames() {
    return metricNames(0.5f);
  }

  /** Whole numbers have one more. */
  @Override
  public List<String> metricNames(EncodedDataset data) {
    return metricNames(data.targets());
  }

  private static List<String> metricNames(float... targets) {
    RegressionMetrics metrics = new RegressionMetrics();
    for (float target : targets) {
      metrics.add(target, 0);
    }
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    RegressionMetrics metrics = new RegressionMetrics();
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          metrics.add(batch.targets()[b], output.logits().get(b));
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    return (batch, output) -> {
      for (int b = 0; b < batch.sequences(); b++) {
        sink.accept(dataset.get(batch.exampleIndex()[b]), new Predicted(output.logits().get(b)));
      }
    };
  }

  @Override
  public String errorName() {
    return "residual";
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    Float gold = Numbers.parse(example.label());
    if (gold == null) {
      return null;
    }
    float score = ((Predicted) prediction).score();
    return new Judgement(
        example.label().strip(),
        String.format(Locale.ROOT, "%.4g", score),
        gold == score,
        Math.abs((double) score - gold),
        Double.NaN);
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    ONE_OUTPUT.write(outputs);
    outputs.put("problem_type", "regression");
  }

  @Override
  public Object target(Example example) {
    Float value = Numbers.parse(example.label());
    return value == null ? "" : value;
  }

  @Override
  public String described() {
    return name();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    TextFindings.emptyTexts(found, this);
    found.examples(
        Severity.FATAL,
        "bad_target",
        example -> Numbers.parse(example.label()) == null,
        n ->
            found
                .data()
                .reading()
                .advised(
                    many(n, "target is", "targets are")
                        + " not a finite number (first: "
                        + firstBad(found.data())
                        + ")"
                        + (DECIMAL_COMMA.matcher(firstBad(found.data())).matches()
                            ? "; decimals are written with a point: 3.8, not 3,8"
                            : "")));
    Float only = found.isTraining() ? onlyValue(found.data()) : null;
    if (only != null) {
      found.add(
          Severity.FATAL,
          "single_class",
          "every row has the same target, " + only + ": there is nothing to learn");
    }
  }

  /** The number that every row has; null where they differ, or a row has none. */
  private static Float onlyValue(Dataset data) {
    Float first = null;
    for (Example example : data.examples()) {
      Float value = Numbers.parse(example.label());
      if (value == null || first != null && !first.equals(value)) {
        return null;
      }
      first = value;
    }
    return first;
  }

  private static String firstBad(Dataset data) {
    return data.examples().stream()
        .map(Example::label)
        .filter(label -> Numbers.parse(label) == null)
        .map(label -> LabelMap.isPresent(label) ? '"' + label + '"' : "missing")
        .findFirst()
        .orElseThrow();
  }

  private static final class Type implements SequenceType {
    @Override
    public String name() {
      return "regression";
    }

    /** Transformers takes one output for a score where problem_type says nothing. */
    @Override
    public boolean isFor(String problem, int outputs) {
      return problem.equals("regression")
          || outputs == 1 && (problem.isEmpty() || problem.equals("single_label_classification"));
    }

    @Override
    public boolean hasLabels() {
      return false;
    }

    @Override
    public UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
      return Numbers::withPoints;
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      return new Regression();
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new Regression();
    }
  }
}
