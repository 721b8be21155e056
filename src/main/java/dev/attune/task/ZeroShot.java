package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * One of labels that are named when a model is used, though it has not learned them. What the model
 * was trained for decides how: by entailment, by vectors, or by how likely labels are as texts.
 */
public abstract class ZeroShot implements Task {
  /** What {@link #encoder} keeps beside sequences: the rows that they are of. */
  record Rows(Dataset dataset) {}

  final ZeroShotLabels asked;
  private final Classification classes;

  ZeroShot(ZeroShotLabels asked) {
    this.asked = asked;
    this.classes = new Classification(asked.labels());
  }

  /** What is said of a model that cannot. */
  static InputException refusal(Path folder, String task) {
    return new InputException(
        Term.ZERO_SHOT
            + ": "
            + folder
            + " was trained for "
            + task
            + "; what can choose among labels it has not learned is a classifier of entailment (NLI,"
            + " whose labels are entailment, neutral and contradiction), a model that makes vectors,"
            + " or a language model");
  }

  /**
   * Refuses what a method cannot do that compares labels with each other alone.
   *
   * @throws InputException if labels are asked for by themselves, or there is but one
   */
  static void checkCompared(ZeroShotLabels asked) {
    if (asked.multiLabel() && asked.labels().size() == 1) {
      throw new InputException(
          Term.LABELS
              + " has one label, \""
              + asked.labels().name(0)
              + "\", and only a classifier of entailment (NLI) says whether it holds by itself; give"
              + " at least two");
    }
    if (asked.multiLabel()) {
      throw noneByItself();
    }
    asked.checkSeveral("");
  }

  /** What is said where a method compares labels with each other alone. */
  static InputException noneByItself() {
    return new InputException(
        Term.MULTI_LABEL
            + " needs a classifier of entailment (NLI): vectors and likelihoods only say which label"
            + " fits better than the others");
  }

  /** How labels are chosen, in words. */
  abstract String method();

  /** The same of each label by itself; refused where the method has no such scores. */
  public abstract ZeroShot each();

  /** The same of any task; null where labels were learned. */
  public static String method(Task task) {
    return task instanceof ZeroShot zeroShot ? zeroShot.method() : null;
  }

  /**
   * Scores of labels, larger is better: (examples, K); or of each by itself its probability.
   *
   * @param output of a batch that {@link #encoder} made
   */
  abstract double[][] scores(Batch batch, ModelOutput output);

  @Override
  public LabelMap labels() {
    return asked.labels();
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    throw new UnsupportedOperationException("labels that are named at use are not learned");
  }

  @Override
  public boolean hasLoss(EncodedDataset data) {
    return false;
  }

  @Override
  public List<String> metricNames() {
    return classes.metricNames();
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    asked.refuse(asked.multiLabel(), Term.MULTI_LABEL, "rows with one label each");
    ClassificationMetrics metrics = new ClassificationMetrics(labels().names());
    Dataset dataset = data.notes(Rows.class).dataset();
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        double[][] scores = scores(batch, output);
        for (int i = 0; i < scores.length; i++) {
          Example example = dataset.get(data.source(batch.exampleIndex()[i]));
          metrics.add(labels().id(example.label(), dataset, example), best(scores[i]));
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  private static int best(double[] scores) {
    int best = 0;
    for (int k = 1; k < scores.length; k++) {
      best = scores[k] > scores[best] ? k : best;
    }
    return best;
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    return (batch, output) -> {
      double[][] scores = scores(batch, output);
      for (int i = 0; i < scores.length; i++) {
        Example example = dataset.get(data.source(batch.exampleIndex()[i]));
        sink.accept(example, asked.multiLabel() ? several(scores[i]) : one(scores[i]));
      }
    };
  }

  private Prediction one(double[] scores) {
    double[] shares = Logits.softmax(scores);
    int best = best(scores);
    return new Classification.Predicted(labels().name(best), shares[best], named(shares));
  }

  private Prediction several(double[] probabilities) {
    Map<String, Double> named = named(probabilities);
    List<String> given =
        labels().names().stream()
            .filter(name -> named.get(name) >= MultiLabelClassification.THRESHOLD)
            .toList();
    return new MultiLabelClassification.Predicted(given, named);
  }

  private Map<String, Double> named(double[] values) {
    Map<String, Double> out = new LinkedHashMap<>();
    for (int k = 0; k < values.length; k++) {
      out.put(labels().name(k), values[k]);
    }
    return out;
  }

  @Override
  public String errorName() {
    return asked.multiLabel() ? null : classes.errorName();
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    return classes.judged(example, prediction);
  }

  @Override
  public boolean hasOneLabel() {
    return !asked.multiLabel();
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    throw new UnsupportedOperationException("labels that are named at use are not saved");
  }

  @Override
  public Object target(Example example) {
    return classes.target(example);
  }

  @Override
  public List<String> classes(Example example) {
    return classes.classes(example);
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    classes.examine(found, classCounts, Term.LABELS);
  }

  /** What says a text and a label together. */
  static String textOf(Dataset dataset, Example example) {
    if (example.text() == null) {
      throw new InputException(dataset.where(example) + ": the text is missing");
    }
    if (example.textPair() != null) {
      throw new InputException(
          dataset.where(example)
              + " has two texts, and "
              + Term.ZERO_SHOT
              + " reads one; say which: "
              + Term.COLUMNS.of("text=NAME"));
    }
    return example.text();
  }

  /** Of models that are used as they are. */
  static final class Type implements TaskType {
    /** For all models but language models. */
    static final Type HEAD = new Type(false);

    /** For language models, whose weights are held as for generation. */
    static final Type LANGUAGE_MODEL = new Type(true);

    private final boolean generates;

    private Type(boolean generates) {
      this.generates = generates;
    }

    @Override
    public String name() {
      return "zero-shot-classification";
    }

    @Override
    public String peftType() {
      return "";
    }

    @Override
    public String pipeline() {
      return name();
    }

    @Override
    public String classSuffix() {
      return "";
    }

    @Override
    public boolean isKindOf(TaskType other) {
      return other.name().equals(name());
    }

    @Override
    public boolean generates() {
      return generates;
    }

    @Override
    public boolean predicts() {
      return true;
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      throw new UnsupportedOperationException("labels that are named at use are not learned");
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      throw new UnsupportedOperationException("labels that are named at use are not saved");
    }
  }

  /** What predictions of any such task are of. */
  public static final TaskType TYPE = Type.HEAD;
}
