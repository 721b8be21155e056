package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelLists;
import dev.attune.data.LabelMap;
import dev.attune.data.TextFindings;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.CrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.LabelWeights.Kind;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/** One label per text or pair of texts: {@code BertForSequenceClassification}. */
public final class Classification implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private final LabelMap labels;
  private final LabelWeights weights;

  /**
   * @param labels K names
   */
  public Classification(LabelMap labels) {
    this(labels, LabelWeights.NONE);
  }

  /**
   * @param labels K names
   * @param weights of the classes in the loss
   */
  Classification(LabelMap labels, LabelWeights weights) {
    this.labels = labels;
    this.weights = weights;
  }

  /** The labels of a training set. */
  public static Classification of(Dataset train) {
    return new Classification(TYPE.labels(train));
  }

  /**
   * What is said of one row.
   *
   * @param label the most probable one
   * @param score its probability
   * @param scores probability of every label, in the order of their ids
   */
  public record Predicted(String label, double score, Map<String, Double> scores)
      implements Prediction {
    @Override
    public void write(ObjectNode row) {
      row.put("predicted_label", label);
      ObjectNode byLabel = row.putObject("scores");
      scores.forEach(byLabel::put);
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
  public int outputs() {
    return labels.size();
  }

  @Override
  public LabelMap labels() {
    return labels;
  }

  @Override
  public TextRows encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return purpose == Purpose.PREDICTION
        ? new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE)
        : new TextRows(
                tokenizer,
                maxLength,
                false,
                TargetLayout.LABEL,
                (builder, tokens, dataset, example) ->
                    builder.add(
                        tokens.ids(),
                        tokens.typeIds(),
                        labels.id(example.label(), dataset, example)))
            .targets("classes " + labels.names());
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    CrossEntropy.apply(
        tape,
        output,
        staging.labels(0),
        weights.address(staging),
        staging.losses(),
        labelSmoothing);
    return (int) output.rows();
  }

  @Override
  public double divisor(Batch batch) {
    return weights.sum(batch);
  }

  @Override
  public boolean smoothsLabels() {
    return true;
  }

  @Override
  public List<String> metricNames() {
    ClassificationMetrics metrics = new ClassificationMetrics(labels.names());
    metrics.add(0, 0);
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    ClassificationMetrics metrics = new ClassificationMetrics(labels.names());
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          metrics.add(batch.labels()[b], Logits.argmax(output.logits(), b, output.cols()));
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
        double[] scores = Logits.softmax(output.logits(), b, output.cols());
        int best = Logits.argmax(output.logits(), b, output.cols());
        Map<String, Double> byLabel = new LinkedHashMap<>();
        for (int k = 0; k < scores.length; k++) {
          byLabel.put(labels.name(k), scores[k]);
        }
        sink.accept(
            dataset.get(batch.exampleIndex()[b]),
            new Predicted(labels.name(best), scores[best], byLabel));
      }
    };
  }

  @Override
  public String errorName() {
    return "loss";
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    Predicted predicted = (Predicted) prediction;
    if (!LabelMap.isPresent(example.label()) || !labels.contains(example.label())) {
      return null;
    }
    boolean isRight = example.label().equals(predicted.label());
    double loss = Logits.surprise(predicted.scores().get(example.label()));
    return new Judgement(example.label(), predicted.label(), isRight, loss, predicted.score());
  }

  @Override
  public String described() {
    return name() + ' ' + labels.names() + ' ' + weights.described();
  }

  @Override
  public boolean hasOneLabel() {
    return true;
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    labels.write(outputs);
    outputs.put("problem_type", "single_label_classification");
    weights.write(Kind.CLASSES, labels, settings);
  }

  @Override
  public Object target(Example example) {
    return example.label();
  }

  @Override
  public List<String> classes(Example example) {
    return LabelMap.isPresent(example.label()) ? List.of(example.label()) : List.of();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    examine(found, classCounts, null);
  }

  /**
   * The same of labels that need not be learned.
   *
   * @param named what labels are named by; null: they are those of the training set
   */
  void examine(Findings found, Map<String, Integer> classCounts, Term named) {
    TextFindings.emptyTexts(found, this);
    found.examples(
        Severity.FATAL,
        "missing_label",
        example -> !LabelMap.isPresent(example.label()),
        n ->
            found.data().examples().stream().anyMatch(e -> e.labels() != null)
                ? many(n, "label is", "labels are")
                    + " missing; "
                    + (found.isTraining()
                        ? "several labels a row are learned with "
                            + Term.TASK.of(MultiLabelClassification.TYPE.name())
                        : "these rows have several labels, and the model gives one")
                : found
                    .data()
                    .reading()
                    .advised(many(n, "label is", "labels are") + " missing" + otherTask(found)));
    LabelFindings classes = new LabelFindings(found, labels, classCounts, named);
    ClassBalance balance = new ClassBalance(found, classCounts);
    classes.unknown(
        example -> LabelMap.isPresent(example.label()) && !labels.contains(example.label()),
        "row has a label",
        "rows have labels",
        "labels");
    if (!found.isTraining()) {
      balance.absent();
    } else if (!classes.isSingle("class") && !classes.areOther()) {
      classes.several();
      classes.header();
      classes.alike();
      balance.majority();
      balance.rare("examples");
    }
    weights.state(found, labels);
  }

  /** What rows without a label are for, where they have the targets of another task. */
  private static String otherTask(Findings found) {
    if (!found.isTraining()) {
      return ""; // the task is the model's
    }
    if (found.data().reading().isRunning()) {
      return "; the file is read as one running text. Where its rows are examples, say how they are"
          + " written, such as "
          + Term.FORMAT.of("csv");
    }
    for (Example example : found.data().examples()) {
      if (example.tokens() != null && example.tags() != null) {
        return "; words with a tag each are learned with "
            + Term.TASK.of(TokenClassification.TYPE.name());
      }
      if (example.answers() != null) {
        return "; answers that stand in a context are learned with "
            + Term.TASK.of(QuestionAnswering.TYPE.name());
      }
      if (example.messages() != null || example.completion() != null) {
        return "; answers to prompts are learned with " + Term.TASK.of(CausalLm.TYPE.name());
      }
      if (LabelMap.isPresent(example.label())) {
        return "";
      }
    }
    return "";
  }

  private static final class Type implements SequenceType {
    @Override
    public String name() {
      return "classification";
    }

    @Override
    public boolean isFor(String problem, int outputs) {
      return outputs != 1 && (problem.isEmpty() || problem.equals("single_label_classification"));
    }

    @Override
    public List<Term> options() {
      return List.of(Term.LABEL_NAMES, Term.CLASS_WEIGHTS);
    }

    @Override
    public String stratum(Example example) {
      return example.label();
    }

    @Override
    public UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
      return LabelLists::ofOne;
    }

    @Override
    public LabelMap labels(Dataset train) {
      List<String> names = new ArrayList<>();
      train.foundOut("labels", () -> present(train)).forEach(name -> names.add(name.asText()));
      return LabelMap.of(names);
    }

    private static ArrayNode present(Dataset train) {
      ArrayNode names = JsonNodeFactory.instance.arrayNode();
      train.examples().stream()
          .map(Example::label)
          .filter(LabelMap::isPresent)
          .distinct()
          .forEach(names::add);
      return names;
    }

    @Override
    public void check(TaskOptions options) {
      LabelWeights.check(Kind.CLASSES, options.get(Term.CLASS_WEIGHTS));
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      String given = options.get(Term.CLASS_WEIGHTS);
      return new Classification(
          labels, LabelWeights.learn(Kind.CLASSES, given, labels, train, Type::labelsOf));
    }

    private static List<String> labelsOf(Example example) {
      return example.label() == null ? null : List.of(example.label());
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new Classification(labels, LabelWeights.read(Kind.CLASSES, labels, settings));
    }
  }
}
