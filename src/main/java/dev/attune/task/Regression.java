package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import dev.attune.data.TextFindings;
import dev.attune.folder.ModelFolder;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.RegressionMetrics;
import dev.attune.metrics.SeveralRegressionMetrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.MeanSquaredError;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * One number per text or pair of texts, or several: {@code BertForSequenceClassification} with
 * {@code problem_type} {@code regression} and the mean squared error, over all outputs. Several
 * targets are a list of the file, or {@code 0.5|2} in one field.
 */
public final class Regression implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final Pattern DECIMAL_COMMA = Pattern.compile("\"[+-]?\\d+,\\d+\"");

  private static final String REGRESSION = "regression";

  private final LabelMap outputs;

  /** A task of one output. */
  public Regression() {
    this(unnamed(1));
  }

  /**
   * A task of several outputs, or one.
   *
   * @param outputs K names
   */
  public Regression(LabelMap outputs) {
    this.outputs = outputs;
  }

  private static LabelMap unnamed(int count) {
    return LabelMap.ofNames(IntStream.range(0, count).mapToObj(k -> "LABEL_" + k).toList());
  }

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

  /**
   * What a model of several outputs says of one row.
   *
   * @param scores by the names of the outputs, in their order
   */
  public record PredictedSeveral(Map<String, Float> scores) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      ObjectNode byName = row.putObject("scores");
      scores.forEach(byName::put);
    }
  }

  private boolean hasOne() {
    return outputs.size() == 1;
  }

  @Override
  public int outputs() {
    return outputs.size();
  }

  /** The names of the outputs. */
  public List<String> names() {
    return outputs.names();
  }

  /** The numbers of a prediction by the names of the outputs. */
  public Map<String, Double> byName(Prediction prediction) {
    if (prediction instanceof Predicted one) {
      return Map.of(outputs.name(0), (double) one.score());
    }
    Map<String, Double> numbers = new LinkedHashMap<>();
    ((PredictedSeveral) prediction)
        .scores()
        .forEach((name, score) -> numbers.put(name, (double) score));
    return numbers;
  }

  /** Several outputs keep the names that a folder has for as many of a regression. */
  @Override
  public Task on(ModelFolder folder) {
    List<String> named = folder.labelNames();
    boolean areThese =
        named.size() == outputs.size()
            && folder.config().path("problem_type").asText().equals(REGRESSION);
    return hasOne() || !areThese ? this : new Regression(LabelMap.ofNames(named));
  }

  /** The targets (K); null where the example has not as many finite numbers. */
  private float[] parsed(Example example) {
    List<String> stated = Numbers.stated(example);
    if (stated == null || stated.size() != outputs.size()) {
      return null;
    }
    float[] out = new float[stated.size()];
    for (int k = 0; k < out.length; k++) {
      Float value = Numbers.parse(stated.get(k));
      if (value == null) {
        return null;
      }
      out[k] = value;
    }
    return out;
  }

  /** Whether the targets are numbers, and more or fewer than there are outputs. */
  private boolean isOtherCount(Example example) {
    List<String> stated = Numbers.stated(example);
    return stated != null
        && stated.size() != outputs.size()
        && stated.stream().allMatch(value -> Numbers.parse(value) != null);
  }

  private boolean isBad(Example example) {
    return parsed(example) == null && !isOtherCount(example);
  }

  private float[] targets(Dataset dataset, Example example) {
    float[] targets = parsed(example);
    if (targets == null && hasOne() && example.labels() == null) {
      return new float[] {Numbers.target(dataset, example)}; // which says what is wrong
    }
    if (targets == null) {
      throw new InputException(
          dataset.where(example) + ": the targets are " + shown(example) + needed());
    }
    return targets;
  }

  private String needed() {
    return "; the model has "
        + many(outputs.size(), "output")
        + " ("
        + String.join(", ", outputs.names())
        + "), and every row needs "
        + (hasOne()
            ? "one finite number, such as 3.8"
            : "a list of as many finite numbers, such as [0.5, 2], or 0.5|2");
  }

  private String shown(Example example) {
    List<String> stated = Numbers.stated(example);
    boolean isField = hasOne() && example.labels() == null;
    return stated == null ? "missing" : isField ? '"' + example.label() + '"' : stated.toString();
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
                TargetLayout.numbers(outputs.size()),
                (builder, tokens, dataset, example) ->
                    builder.add(tokens.ids(), tokens.typeIds(), targets(dataset, example)))
            .targets(hasOne() ? "numbers" : outputs.size() + " numbers");
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    MeanSquaredError.apply(tape, output, staging.numbers(), staging.losses());
    return Math.toIntExact(output.rows() * output.cols());
  }

  /** The mean is one over all outputs, as Transformers has it. */
  @Override
  public double divisor(Batch batch) {
    return (double) batch.supervisedTargets() * outputs.size();
  }

  /** Those of any numbers. */
  @Override
  public List<String> metricNames() {
    return metricNames(0.5f);
  }

  /** Whole numbers have one more. */
  @Override
  public List<String> metricNames(EncodedDataset data) {
    return hasOne() ? metricNames(data.targets()) : metricNames();
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
    int K = outputs.size();
    SeveralRegressionMetrics metrics = new SeveralRegressionMetrics(K);
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int i = 0; i < batch.sequences() * K; i++) {
          metrics.add(i % K, batch.targets()[i], output.logits().get(i));
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
        sink.accept(dataset.get(batch.exampleIndex()[b]), predicted(output.logits(), b));
      }
    };
  }

  private Prediction predicted(FloatBuffer logits, int sequence) {
    if (hasOne()) {
      return new Predicted(logits.get(sequence));
    }
    Map<String, Float> scores = new LinkedHashMap<>();
    for (int k = 0; k < outputs.size(); k++) {
      scores.put(outputs.name(k), logits.get(sequence * outputs.size() + k));
    }
    return new PredictedSeveral(scores);
  }

  @Override
  public String errorName() {
    return "residual";
  }

  /** Of several outputs the error is their mean. */
  @Override
  public Judgement judged(Example example, Prediction prediction) {
    float[] gold = parsed(example);
    if (gold == null) {
      return null;
    }
    Collection<Float> scores =
        prediction instanceof PredictedSeveral several
            ? several.scores().values()
            : List.of(((Predicted) prediction).score());
    List<String> shown = new ArrayList<>();
    double error = 0;
    int k = 0;
    for (float score : scores) {
      error += Math.abs((double) score - gold[k++]) / gold.length;
      shown.add(String.format(Locale.ROOT, "%.4g", score));
    }
    return new Judgement(
        String.join("|", Numbers.stated(example)),
        String.join("|", shown),
        error == 0,
        error,
        Double.NaN);
  }

  @Override
  public void describe(ObjectNode json, ObjectNode settings) {
    outputs.write(json);
    json.put("problem_type", REGRESSION);
  }

  @Override
  public Object target(Example example) {
    float[] targets = parsed(example);
    if (targets == null) {
      return "";
    }
    return hasOne() ? (Object) targets[0] : Arrays.toString(targets);
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
        "target_count",
        this::isOtherCount,
        n ->
            many(n, "row has", "rows have")
                + " another number of targets than the model has outputs (first: "
                + first(found.data(), this::isOtherCount)
                + ")"
                + needed());
    found.examples(
        Severity.FATAL,
        "bad_target",
        this::isBad,
        n ->
            found
                .data()
                .reading()
                .advised(
                    hasOne()
                        ? many(n, "target is", "targets are")
                            + " not a finite number (first: "
                            + firstBad(found.data())
                            + ")"
                            + (DECIMAL_COMMA.matcher(firstBad(found.data())).matches()
                                ? "; decimals are written with a point: 3.8, not 3,8"
                                : "")
                        : many(n, "row has", "rows have")
                            + " targets that are no finite numbers, whose decimals are written with"
                            + " a point (first: "
                            + firstBad(found.data())
                            + ")"
                            + needed()));
    examineConstants(found);
  }

  /** Outputs whose targets never vary: there is nothing to learn of them, nor to correlate with. */
  private void examineConstants(Findings found) {
    float[] same = constants(found.data());
    List<String> names =
        IntStream.range(0, same.length)
            .filter(k -> !Float.isNaN(same[k]))
            .mapToObj(outputs::name)
            .toList();
    boolean areAll = names.size() == outputs.size();
    if (names.isEmpty()) {
      return;
    }
    if (areAll && found.isTraining()) {
      found.add(
          Severity.FATAL,
          "single_class",
          "every row has the same target, "
              + (hasOne() ? Float.toString(same[0]) : Arrays.toString(same))
              + ": there is nothing to learn");
      return;
    }
    String follows =
        found.isTraining()
            ? "there is nothing to learn of that"
            : "pearson and spearman "
                + (areAll ? "have no value" : "are the means over the other outputs");
    found.add(
        Severity.WARNING,
        "constant_output",
        hasOne()
            ? "every row has the same target, " + same[0] + ": " + follows
            : "every row has the same target of "
                + String.join(" and the same of ", names)
                + ": "
                + follows);
  }

  /**
   * Of each output the target that every row has, or NaN where they differ; nothing where there is
   * no row, or one without its targets.
   */
  private float[] constants(Dataset data) {
    float[] same = new float[0];
    for (Example example : data.examples()) {
      float[] values = parsed(example);
      if (values == null) {
        return new float[0];
      }
      same = same.length == 0 ? values : same;
      boolean varies = true;
      for (int k = 0; k < same.length; k++) {
        same[k] = same[k] == values[k] ? same[k] : Float.NaN;
        varies &= Float.isNaN(same[k]);
      }
      if (varies) {
        return same;
      }
    }
    return same;
  }

  private String firstBad(Dataset data) {
    return first(data, this::isBad);
  }

  private String first(Dataset data, Predicate<Example> those) {
    return data.examples().stream().filter(those).map(this::shown).findFirst().orElseThrow();
  }

  private static final class Type implements SequenceType {
    @Override
    public String name() {
      return REGRESSION;
    }

    /** Transformers takes one output for a score where problem_type says nothing. */
    @Override
    public boolean isFor(String problem, int outputs) {
      return problem.equals(REGRESSION)
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

    /** As many outputs as the first row with targets has. */
    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      return new Regression(
          unnamed(
              train.examples().stream()
                  .map(Numbers::stated)
                  .filter(stated -> stated != null && !stated.isEmpty())
                  .mapToInt(List::size)
                  .findFirst()
                  .orElse(1)));
    }

    @Override
    public boolean readsNumbers() {
      return true;
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return labels == null ? new Regression() : new Regression(labels);
    }
  }
}
