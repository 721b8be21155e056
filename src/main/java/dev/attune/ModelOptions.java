package dev.attune;

import dev.attune.core.Term;
import dev.attune.generate.GenerationOptions;
import dev.attune.run.BackendKind;
import dev.attune.run.Compute;
import dev.attune.run.Fetched;
import dev.attune.run.HeadModel;
import dev.attune.run.HeldWeights;
import dev.attune.run.LanguageModel;
import dev.attune.run.MaskModel;
import dev.attune.run.OpenOptions;
import dev.attune.run.PrecisionOption;
import dev.attune.run.SharedModel;
import dev.attune.run.TextEncoder;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.TaskOptions;
import dev.attune.task.TaskType;
import dev.attune.task.Thresholded;
import dev.attune.task.ZeroShot;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/** How a model is opened; each method returns this. */
public final class ModelOptions {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  private Device device = Device.AUTO;
  private Precision precision = Precision.AUTO;
  private WeightFormat weights = WeightFormat.AUTO;
  private int threads;
  private Integer maxLength;
  private String baseModel;
  private Double threshold;
  private final Map<String, Double> thresholds = new LinkedHashMap<>();
  private String hypothesisTemplate;
  private final Map<String, String> labelDescriptions = new LinkedHashMap<>();

  private ModelOptions() {}

  /** Where it runs; {@link Device#AUTO} unless given. One that cannot run is an error. */
  public ModelOptions device(Device value) {
    device = Objects.requireNonNull(value);
    return this;
  }

  /** The type of activations; {@link Precision#AUTO} unless given. */
  public ModelOptions precision(Precision value) {
    precision = Objects.requireNonNull(value);
    return this;
  }

  /** How weights are held; {@link WeightFormat#AUTO} unless given. */
  public ModelOptions weights(WeightFormat value) {
    weights = Objects.requireNonNull(value);
    return this;
  }

  /** Threads that work on the model, over all calls at a time; 0, the default: all cores. */
  public ModelOptions threads(int value) {
    threads = value;
    return this;
  }

  /** Tokens of a text at most; as it was trained unless given. */
  public ModelOptions maxLength(int value) {
    maxLength = value;
    return this;
  }

  /** The folder of an adapter's base model, where it is not what the adapter says. */
  public ModelOptions baseModel(Path folder) {
    baseModel = folder.toString();
    return this;
  }

  /** The same by its folder or its name on the Hugging Face Hub. */
  public ModelOptions baseModel(String model) {
    baseModel = Objects.requireNonNull(model);
    return this;
  }

  /**
   * Of a {@link MultiLabelClassifier}: from which probability on a label is given, in place of what
   * the folder says; from 0 to 1, for all labels that have no threshold of their own here.
   */
  public ModelOptions threshold(double value) {
    threshold = value;
    return this;
  }

  /** The same of one label. */
  public ModelOptions threshold(String label, double value) {
    thresholds.put(Objects.requireNonNull(label), value);
    return this;
  }

  /**
   * Of a {@link ZeroShotClassifier}: a sentence that says a label, which takes the place of {@code
   * {}}, as in "This example is {}."
   */
  public ModelOptions hypothesisTemplate(String value) {
    hypothesisTemplate = Objects.requireNonNull(value);
    return this;
  }

  /** Of a {@link ZeroShotClassifier}: what stands for a label in texts, in place of its name. */
  public ModelOptions labelDescription(String label, String text) {
    if (text.isBlank()) {
      throw new InvalidInputException(
          "the description of the label '" + label + "' is blank; leave it out", null);
    }
    labelDescriptions.put(Objects.requireNonNull(label), Objects.requireNonNull(text));
    return this;
  }

  static ModelOptions of(Consumer<ModelOptions> settings) {
    ModelOptions options = new ModelOptions();
    settings.accept(options);
    return options;
  }

  /** The folder of a model that is named. */
  static Path folder(String model) {
    return Faults.translated(
        () -> Fetched.model(model, note -> LOG.log(System.Logger.Level.INFO, Faults.words(note))));
  }

  HeadModel openZeroShot(Path folder, List<String> labels) {
    refuse(threshold != null || !thresholds.isEmpty(), "threshold", "a MultiLabelClassifier alone");
    Map<Term, String> asked = new EnumMap<>(Term.class);
    asked.put(Term.ZERO_SHOT, "true");
    asked.put(Term.LABELS, lines(labels));
    if (labels.size() == 1) {
      asked.put(Term.MULTI_LABEL, "true"); // it can only hold or not, by itself
    }
    asked.put(Term.HYPOTHESIS_TEMPLATE, hypothesisTemplate);
    TaskOptions task =
        new TaskOptions() {
          @Override
          public String get(Term option) {
            return asked.get(option);
          }

          @Override
          public Map<String, String> entries(Term option) {
            return option == Term.LABEL_DESCRIPTIONS ? labelDescriptions : Map.of();
          }
        };
    return Faults.translated(
        () -> HeadModel.open(folder, openOptions(task), compute(), ZeroShot.TYPE));
  }

  /** Names as an option lists them, a line end behind each, so that commas may be in them. */
  private static String lines(List<String> labels) {
    for (String label : labels) {
      Objects.requireNonNull(label, "label");
      if (label.isBlank() || label.contains("\n")) {
        throw new InvalidInputException(
            "a label is '" + label + "'; it is to be a text of one line", null);
      }
    }
    if (labels.isEmpty()) {
      throw new InvalidInputException("there are no labels; give at least two", null);
    }
    return String.join("\n", labels) + "\n";
  }

  HeadModel openMultiLabel(Path folder) {
    refuseZeroShot();
    return Faults.translated(
        () -> {
          HeadModel model = head(folder, MultiLabelClassification.TYPE);
          try {
            Thresholded task = (Thresholded) model.task();
            return model.with(task.withThresholds(threshold, thresholds));
          } catch (RuntimeException e) {
            model.close();
            throw e;
          }
        });
  }

  HeadModel openHead(Path folder, TaskType task) {
    refuseThresholds();
    return Faults.translated(() -> head(folder, task));
  }

  private HeadModel head(Path folder, TaskType task) {
    return HeadModel.open(folder, openOptions(TaskOptions.NONE), compute(), task);
  }

  LanguageModel openLanguageModel(Path folder, GenerationOptions defaults) {
    refuseThresholds();
    return Faults.translated(
        () -> LanguageModel.open(folder, openOptions(TaskOptions.NONE), compute(), defaults));
  }

  MaskModel openMaskModel(Path folder) {
    refuseThresholds();
    refuse(weights != WeightFormat.AUTO, "weights", "models with a head, and for Generator");
    return Faults.translated(
        () -> MaskModel.open(folder, openOptions(TaskOptions.NONE), compute()));
  }

  SharedModel<TextEncoder> openEncoder(String model) {
    refuseThresholds();
    refuse(weights != WeightFormat.AUTO, "weights", "models with a head");
    return Faults.translated(() -> TextEncoder.open(model, baseModel, maxLength, compute()));
  }

  private void refuseZeroShot() {
    String use = "a ZeroShotClassifier alone";
    refuse(hypothesisTemplate != null, "hypothesisTemplate", use);
    refuse(!labelDescriptions.isEmpty(), "labelDescription", use);
  }

  private void refuseThresholds() {
    refuseZeroShot();
    refuse(threshold != null || !thresholds.isEmpty(), "threshold", "a MultiLabelClassifier alone");
  }

  private static void refuse(boolean given, String method, String use) {
    if (given) {
      throw new InvalidInputException(
          method + " is given, which is for " + use + "; leave it out", null);
    }
  }

  private OpenOptions openOptions(TaskOptions task) {
    HeldWeights held = HeldWeights.valueOf(weights.name()).under(precisionOption());
    return new OpenOptions(baseModel, held, maxLength, task);
  }

  private PrecisionOption precisionOption() {
    return PrecisionOption.valueOf(precision.name());
  }

  private Compute compute() {
    BackendKind kind =
        switch (device) {
          case AUTO -> BackendKind.AUTO;
          case CPU -> BackendKind.CPU;
          case CUDA -> BackendKind.CUDA;
          case LIBTORCH -> BackendKind.TORCH;
        };
    return new Compute(kind, precisionOption(), threads);
  }
}
