package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.TextFindings;
import dev.attune.folder.SavedSettings;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.MultiLabelMetrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.BinaryCrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.LabelWeights.Kind;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;

/**
 * Any number of labels per text or pair of texts, none too: {@code BertForSequenceClassification}
 * with {@code problem_type} {@code multi_label_classification}. Labels are a list of the file,
 * {@code a|b} in one field (an empty field: none), or columns of 0 and 1.
 */
public final class MultiLabelClassification implements Task, Thresholded {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  /** From which probability on a label is given, unless thresholds were tuned. */
  public static final double THRESHOLD = 0.5;

  private static final String SEPARATOR = "\\|";

  private final LabelMap labels;
  private final LabelWeights weights;
  private final double[] thresholds; // (K)
  private final boolean tunes;

  /** A task without weights, every threshold at {@link #THRESHOLD}. */
  public MultiLabelClassification(LabelMap labels) {
    this(labels, LabelWeights.NONE, thresholds(labels.size()), false);
  }

  /**
   * @param labels K names
   * @param weights of the loss where a label holds
   * @param thresholds from which probability on each label is given (K)
   * @param tunes whether thresholds are to be found on validation data
   */
  MultiLabelClassification(
      LabelMap labels, LabelWeights weights, double[] thresholds, boolean tunes) {
    this.labels = labels;
    this.weights = weights;
    this.thresholds = thresholds;
    this.tunes = tunes;
  }

  private static double[] thresholds(int count) {
    double[] thresholds = new double[count];
    Arrays.fill(thresholds, THRESHOLD);
    return thresholds;
  }

  /**
   * What is said of one row.
   *
   * @param labels whose probability reaches its threshold, in the order of their ids
   * @param scores probability of every label, in the order of their ids
   */
  public record Predicted(List<String> labels, Map<String, Double> scores) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      labels.forEach(row.putArray("predicted_labels")::add);
      ObjectNode byLabel = row.putObject("scores");
      scores.forEach(byLabel::put);
    }
  }

  /** From which probability on each label is given, in the order of their ids. */
  public double threshold(int label) {
    return thresholds[label];
  }

  /** The same by name; not modifiable. */
  @Override
  public Map<String, Double> thresholds() {
    return Collections.unmodifiableMap(byName(thresholds));
  }

  @Override
  public MultiLabelClassification withThresholds(Double all, Map<String, Double> some) {
    double[] chosen = thresholds.clone();
    if (all != null) {
      Arrays.fill(chosen, inRange(all));
    }
    some.forEach(
        (name, threshold) -> {
          int id = labels.idOrMinusOne(name);
          Check.input(
              id >= 0,
              "a threshold is given for the label \"%s\", which the model does not have; its labels"
                  + " are %s",
              name,
              labels.describe());
          chosen[id] = inRange(threshold);
        });
    return new MultiLabelClassification(labels, weights, chosen, tunes);
  }

  private static double inRange(double threshold) {
    Check.input(
        threshold >= 0 && threshold <= 1, "the threshold is %s; it must be from 0 to 1", threshold);
    return threshold;
  }

  /** Values (K) by the names of the labels, in the order of their ids. */
  private Map<String, Double> byName(double[] values) {
    Map<String, Double> out = new LinkedHashMap<>();
    for (int k = 0; k < values.length; k++) {
      out.put(labels.name(k), values[k]);
    }
    return out;
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
  public int outputs() {
    return labels.size();
  }

  @Override
  public LabelMap labels() {
    return labels;
  }

  /** The labels of an example, none twice; null where the file does not say. */
  static Set<String> labels(Example example) {
    List<String> named = named(example);
    return named == null ? null : new TreeSet<>(named);
  }

  private static Set<String> labelsOrNone(Example example) {
    Set<String> names = labels(example);
    return names == null ? Set.of() : names;
  }

  /** The labels as the file names them; null where it does not. */
  private static List<String> named(Example example) {
    if (example.labels() != null || example.label() == null) {
      return example.labels();
    }
    return Arrays.stream(example.label().split(SEPARATOR))
        .filter(name -> !name.isBlank())
        .map(String::strip)
        .toList();
  }

  private static boolean repeats(Example example) {
    List<String> named = named(example);
    return named != null && Set.copyOf(named).size() < named.size();
  }

  @Override
  public TextRows encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return purpose == Purpose.PREDICTION
        ? new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE)
        : new TextRows(
                tokenizer,
                maxLength,
                false,
                TargetLayout.numbers(labels.size()),
                (builder, tokens, dataset, example) ->
                    builder.add(tokens.ids(), tokens.typeIds(), targets(dataset, example)))
            .targets("several of " + labels.names());
  }

  /** 1 for each label that the example has (K). */
  float[] targets(Dataset dataset, Example example) {
    Set<String> names = labels(example);
    if (names == null) {
      throw new InputException(
          dataset.where(example)
              + ": the labels are missing; an empty list or field says that there are none");
    }
    float[] out = new float[labels.size()];
    for (String name : names) {
      out[labels.id(name, dataset, example)] = 1;
    }
    return out;
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    long positiveWeights = weights.address(staging);
    BinaryCrossEntropy.apply(tape, output, staging.numbers(), positiveWeights, staging.losses());
    return (int) output.rows();
  }

  @Override
  public List<String> metricNames() {
    MultiLabelMetrics metrics = new MultiLabelMetrics(labels.names());
    int K = labels.size();
    metrics.add(new boolean[K], new boolean[K], new double[K]);
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    MultiLabelMetrics metrics = new MultiLabelMetrics(labels.names());
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        int K = output.cols();
        for (int b = 0; b < batch.sequences(); b++) {
          double[] scores = Logits.sigmoid(output.logits(), b, K);
          metrics.add(gold(batch, b, K), given(scores), scores);
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  static boolean[] gold(Batch batch, int sequence, int K) {
    boolean[] gold = new boolean[K];
    for (int k = 0; k < K; k++) {
      gold[k] = batch.targets()[sequence * K + k] >= 0.5f;
    }
    return gold;
  }

  private boolean[] given(double[] scores) {
    boolean[] given = new boolean[scores.length];
    for (int k = 0; k < scores.length; k++) {
      given[k] = scores[k] >= thresholds[k];
    }
    return given;
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    return (batch, output) -> {
      for (int b = 0; b < batch.sequences(); b++) {
        double[] scores = Logits.sigmoid(output.logits(), b, output.cols());
        boolean[] given = given(scores);
        List<String> names =
            labels.names().stream().filter(n -> given[labels.idOrMinusOne(n)]).toList();
        sink.accept(dataset.get(batch.exampleIndex()[b]), new Predicted(names, byName(scores)));
      }
    };
  }

  @Override
  public boolean isCalibrated() {
    return tunes;
  }

  @Override
  public Calibration calibration(EncodedDataset data) {
    LabelThresholds tuning = new LabelThresholds(labels.size());
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          tuning.add(
              gold(batch, b, output.cols()), Logits.sigmoid(output.logits(), b, output.cols()));
        }
      }

      @Override
      public Task calibrated() {
        return new MultiLabelClassification(labels, weights, tuning.best(), true);
      }
    };
  }

  @Override
  public String errorName() {
    return "loss";
  }

  /** The loss is that of all labels; a mistake is a label too many or one that is missing. */
  @Override
  public Judgement judged(Example example, Prediction prediction) {
    Predicted predicted = (Predicted) prediction;
    Set<String> gold = labels(example);
    if (gold == null || !gold.stream().allMatch(labels::contains)) {
      return null;
    }
    double loss = 0;
    double probability = 1;
    for (Map.Entry<String, Double> score : predicted.scores().entrySet()) {
      double share = score.getValue();
      loss += Logits.surprise(gold.contains(score.getKey()) ? share : 1 - share);
      probability *= predicted.labels().contains(score.getKey()) ? share : 1 - share;
    }
    List<String> inOrder = labels.names().stream().filter(gold::contains).toList();
    return new Judgement(
        shown(inOrder),
        shown(predicted.labels()),
        inOrder.equals(predicted.labels()),
        loss / labels.size(),
        probability);
  }

  private static String shown(List<String> names) {
    return names.isEmpty() ? "(none)" : String.join(", ", names);
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    labels.write(outputs);
    outputs.put("problem_type", "multi_label_classification");
    ObjectNode byLabel = settings.putObject("thresholds");
    thresholds().forEach(byLabel::put);
    weights.write(Kind.POSITIVES, labels, settings);
  }

  @Override
  public Object target(Example example) {
    return labels(example);
  }

  @Override
  public List<String> classes(Example example) {
    Set<String> names = labels(example);
    return names == null ? List.of() : List.copyOf(names);
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    TextFindings.emptyTexts(found, this);
    found.examples(
        Severity.FATAL,
        "missing_label",
        example -> labels(example) == null,
        n ->
            many(n, "row does", "rows do")
                + " not say which labels it has. "
                + (found.data().reading().advice().isEmpty()
                    ? "Labels are a list, names parted by | in one column (empty: none), or columns of"
                        + " 0 and 1: "
                        + Term.COLUMNS.of("text=NAME,labels=NAME;NAME")
                    : found.data().reading().advice()));
    found.examples(
        Severity.FATAL,
        "blank_label",
        example -> classes(example).stream().anyMatch(String::isBlank),
        n -> many(n, "row has", "rows have") + " a blank label among its labels");
    found.examples(
        Severity.WARNING,
        "repeated_label",
        MultiLabelClassification::repeats,
        n -> many(n, "row names", "rows name") + " a label twice; it counts once");
    LabelFindings classes = new LabelFindings(found, labels, classCounts);
    ClassBalance balance = new ClassBalance(found, classCounts);
    classes.unknown(
        example -> classes(example).stream().anyMatch(name -> !labels.contains(name)),
        "row has labels",
        "rows have labels",
        "labels");
    found.examples(
        Severity.NOTE,
        "no_label",
        example -> example.labels() != null && example.labels().isEmpty() || isNone(example),
        n -> many(n, "row has", "rows have") + " no label at all");
    if (!found.isTraining()) {
      balance.absent();
      return;
    }
    if (labels.size() == 0) {
      found.add(Severity.FATAL, "single_class", "no row has a label: there is nothing to learn");
    }
    if (classes.areVectors() || classes.areJoined(MultiLabelClassification::labelsOrNone)) {
      return;
    }
    classes.alike();
    balance.rare("examples");
    List<String> everywhere =
        classCounts.entrySet().stream()
            .filter(e -> e.getValue() == found.data().size())
            .map(e -> '"' + e.getKey() + '"')
            .toList();
    if (!everywhere.isEmpty()) {
      found.add(
          Severity.WARNING,
          "majority_class",
          "every row has " + String.join(", ", everywhere) + ": of that there is nothing to learn");
    }
  }

  private static boolean isNone(Example example) {
    return example.labels() == null && example.label() != null && labels(example).isEmpty();
  }

  private static final class Type implements SequenceType {
    @Override
    public String name() {
      return "multi-label-classification";
    }

    @Override
    public List<String> aliases() {
      return List.of("multi-label");
    }

    @Override
    public List<Term> options() {
      return List.of(Term.LABEL_NAMES, Term.POS_WEIGHT, Term.TUNE_THRESHOLDS);
    }

    @Override
    public String stratum(Example example) {
      return String.valueOf(MultiLabelClassification.labels(example));
    }

    @Override
    public boolean isFor(String problem, int outputs) {
      return problem.equals("multi_label_classification");
    }

    @Override
    public LabelMap labels(Dataset train) {
      return LabelMap.of(
          train.examples().stream()
              .map(MultiLabelClassification::labels)
              .filter(Objects::nonNull)
              .flatMap(Set::stream)
              .toList());
    }

    @Override
    public void check(TaskOptions options) {
      LabelWeights.check(Kind.POSITIVES, options.get(Term.POS_WEIGHT));
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      return new MultiLabelClassification(
          labels,
          LabelWeights.learn(
              Kind.POSITIVES,
              options.get(Term.POS_WEIGHT),
              labels,
              train,
              MultiLabelClassification::labels),
          thresholds(labels.size()),
          options.flag(Term.TUNE_THRESHOLDS));
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      double[] thresholds = thresholds(labels.size());
      SavedSettings saved = new SavedSettings(settings).under("thresholds");
      for (int k = 0; k < thresholds.length; k++) {
        thresholds[k] = saved.share(labels.name(k), THRESHOLD);
      }
      return new MultiLabelClassification(
          labels, LabelWeights.read(Kind.POSITIVES, labels, settings), thresholds, false);
    }
  }
}
