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
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.LinearHead;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SavedSettings;
import dev.attune.folder.SentenceModules;
import dev.attune.kernels.Backend;
import dev.attune.metrics.Metrics;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/**
 * One label per text, learned from few texts of each (SetFit, Tunstall et al. 2022): the model
 * learns vectors that are alike where labels are the same; a logistic regression on the vectors of
 * the training rows is the head. Vectors are unit vectors.
 */
public final class FewShot implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  /** scikit-learn's. */
  private static final double C = 1;

  private static final String PAIRS = "sampling_strategy";
  private static final String HEAD_C = "head_c";

  private final Classification classes;
  private final LabelLoss loss;
  private final ContrastivePairs pairs;
  private final double c;
  private final String pooling; // what was asked for; null: as the folder has it
  private final SentenceModules modules;
  private final LinearHead head; // null until it is fitted
  private final boolean isOpened; // what a folder holds, not what is to be learned

  private FewShot(
      Classification classes,
      LabelLoss loss,
      ContrastivePairs pairs,
      double c,
      String pooling,
      SentenceModules modules,
      LinearHead head,
      boolean isOpened) {
    this.classes = classes;
    this.loss = loss;
    this.pairs = pairs;
    this.c = c;
    this.pooling = pooling;
    this.modules = modules;
    this.head = head;
    this.isOpened = isOpened;
  }

  /**
   * The same as a folder has it: how it makes vectors, and the head of one that was trained.
   *
   * @throws InputException if it says neither, or has a prompt for every text
   */
  @Override
  public FewShot on(ModelFolder folder) {
    Path path = folder.path();
    Embedding.checkPooling(folder, pooling != null);
    SentenceModules found = SentenceModules.read(path);
    if (!found.prompt(null).isEmpty()) {
      throw new InputException(
          path
              + ": config_sentence_transformers.json names a prompt for every text ('"
              + found.defaultPrompt()
              + "'), which "
              + TYPE.name()
              + " does not put there; remove default_prompt_name");
    }
    LinearHead saved = isOpened ? LinearHead.read(path) : null;
    if (saved != null && saved.classes() != labels().size()) {
      throw new InputException(
          String.format(
              "%s: the saved head has %d outputs, but %d labels are named: %s",
              path, saved.classes(), labels().size(), labels().describe()));
    }
    return new FewShot(classes, loss, pairs, c, pooling, unit(found, pooling), saved, isOpened);
  }

  private static SentenceModules unit(SentenceModules found, String pooling) {
    return (pooling == null ? found : found.with(SentenceModules.poolingNamed(pooling)))
        .normalizing(true);
  }

  private FewShot with(LinearHead fitted) {
    return new FewShot(classes, loss, pairs, c, pooling, modules, fitted, isOpened);
  }

  @Override
  public List<Path> settingsFiles(ModelFolder folder) {
    return SentenceModules.files(folder.path());
  }

  @Override
  public List<String> notes() {
    List<String> notes = new ArrayList<>();
    notes.add(
        "vectors learn from "
            + pairs
            + ", loss "
            + loss.option()
            + "; pooling: "
            + modules.poolingName()
            + ", unit vectors; then a logistic regression on them is the head");
    if (!modules.prompts().isEmpty()) {
      notes.add(
          "the model has prompts ("
              + String.join(", ", modules.prompts().keySet().stream().sorted().toList())
              + ") and is trained without");
    }
    return notes;
  }

  @Override
  public Integer usualLength() {
    return modules.maxLength();
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  /** The head stands on the vectors, outside the model. */
  @Override
  public HeadKind head() {
    return HeadKind.POOLED;
  }

  @Override
  public LabelMap labels() {
    return classes.labels();
  }

  @Override
  public Model model(Backend backend, JsonNode config, Float dropout, ParameterBuilder builder) {
    Model model = Families.pooled(backend, config, modules.pooling(), dropout, builder);
    if (head != null && head.width() != model.width()) {
      int width = model.width();
      model.close();
      throw new InputException(
          "the saved head reads vectors of " + head.width() + " numbers; the model makes " + width);
    }
    return model;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    if (purpose != Purpose.TRAINING) {
      return classes.encoder(tokenizer, maxLength, purpose);
    }
    return pairs.areListed()
        ? new PairRows(tokenizer, maxLength, labels(), pairs)
        : new TextRows(
            tokenizer,
            maxLength,
            false,
            TargetLayout.numbers(labels().size()),
            (builder, tokens, dataset, example) ->
                builder.add(tokens.ids(), tokens.typeIds(), oneHot(dataset, example)));
  }

  private float[] oneHot(Dataset dataset, Example example) {
    float[] target = new float[labels().size()];
    target[labels().id(example.label(), dataset, example)] = 1;
    return target;
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    return pairs.areListed()
        ? loss.ofPairs(tape, output, staging)
        : loss.ofBatch(tape, output, staging);
  }

  @Override
  public double divisor(Batch batch) {
    return pairs.areListed() ? batch.examples() : LabelLoss.pairs(batch.examples());
  }

  /** What is learned is not what is measured: the vectors alone have a loss. */
  @Override
  public boolean hasLoss(EncodedDataset data) {
    return false;
  }

  @Override
  public int mostBatch() {
    return pairs.areListed() ? Integer.MAX_VALUE : LabelLoss.MOST_TEXTS;
  }

  @Override
  public int leastBatch() {
    return pairs.areListed() ? 1 : 2;
  }

  @Override
  public List<String> metricNames() {
    return classes.metricNames();
  }

  @Override
  public boolean isFitted() {
    return true;
  }

  @Override
  public Calibration fitting(EncodedDataset data) {
    float[][] vectors = new float[data.size()][];
    int[] ids = new int[data.size()];
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          int row = batch.exampleIndex()[b];
          vectors[row] = UnitVectors.read(output, b);
          ids[row] = batch.labels()[b];
        }
      }

      @Override
      public Task calibrated() {
        return with(LogisticRegression.fit(vectors, ids, labels().size(), c));
      }
    };
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    Measurement measured = classes.measurement(data);
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        measured.add(batch, UnitVectors.scored(output, batch.sequences(), head));
      }

      @Override
      public Metrics metrics() {
        return measured.metrics();
      }
    };
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    Reading reading = classes.reading(dataset, data, sink);
    return (batch, output) ->
        reading.add(batch, UnitVectors.scored(output, batch.sequences(), head));
  }

  @Override
  public String errorName() {
    return classes.errorName();
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    return classes.judged(example, prediction);
  }

  @Override
  public boolean hasOneLabel() {
    return true;
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    labels().write(outputs);
    loss.describe(settings);
    settings.put(PAIRS, pairs.strategy().option());
    settings.put(HEAD_C, c);
  }

  @Override
  public FinishedModel finished(FinishedModel model, int width, int length) {
    return model.with(modules, width, length).with(head);
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
    classes.examine(found, classCounts);
    if (!found.isTraining()) {
      return;
    }
    List<String> absent =
        classCounts.entrySet().stream()
            .filter(entry -> entry.getValue() == 0)
            .map(entry -> '"' + entry.getKey() + '"')
            .toList();
    if (!absent.isEmpty()) {
      found.add(
          Severity.FATAL,
          "class_without_rows",
          "the training set has no row of "
              + String.join(", ", absent)
              + ", and a logistic regression would never give it");
    }
    long lone = classCounts.values().stream().filter(count -> count == 1).count();
    if (lone > 0) {
      found.add(
          Severity.WARNING,
          "lone_rows",
          many((int) lone, "label has", "labels have")
              + " one row, which is like no other: its vector learns only from what it is not like");
    }
  }

  private static final class Type implements TaskType {
    /** Of listed pairs, as SetFit has them. */
    private static final Map<Term, String> SETFIT =
        Map.of(Term.EPOCHS, "1", Term.BATCH_SIZE, "16", Term.LEARNING_RATE, "2e-5");

    /** Of all pairs of each batch: see benchmarks/LOG.md. */
    private static final Map<Term, String> OURS =
        Map.of(Term.EPOCHS, "10", Term.BATCH_SIZE, "32", Term.LEARNING_RATE, "5e-5");

    @Override
    public String name() {
      return "few-shot";
    }

    @Override
    public String peftType() {
      return Embedding.TYPE.peftType();
    }

    @Override
    public String pipeline() {
      return Classification.TYPE.pipeline();
    }

    @Override
    public String classSuffix() {
      return Embedding.TYPE.classSuffix();
    }

    /** A folder without attune.json is a model that makes vectors: only we write such heads. */
    @Override
    public boolean isFor(String problem, int outputs) {
      return false;
    }

    @Override
    public boolean isKindOf(TaskType other) {
      return other == this || other == Classification.TYPE;
    }

    @Override
    public List<Term> options() {
      return List.of(
          Term.LABEL_NAMES,
          Term.LOSS,
          Term.LOSS_SCALE,
          Term.POOLING,
          Term.SAMPLING_STRATEGY,
          Term.NUM_ITERATIONS,
          Term.HEAD_C);
    }

    @Override
    public Optional<String> usual(Term option, TaskOptions given) {
      String strategy = given.get(Term.SAMPLING_STRATEGY);
      boolean listed =
          strategy != null && !strategy.equals(ContrastivePairs.Strategy.BATCH.option());
      return Optional.ofNullable((listed ? SETFIT : OURS).get(option));
    }

    /** The head is fitted, not trained with the model. */
    @Override
    public boolean hasOwnHead() {
      return false;
    }

    @Override
    public String stratum(Example example) {
      return example.label();
    }

    @Override
    public UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
      return Classification.TYPE.preparation(train, known);
    }

    @Override
    public LabelMap labels(Dataset train) {
      return Classification.TYPE.labels(train);
    }

    @Override
    public void check(TaskOptions options) {
      LabelLoss.of(options);
      ContrastivePairs.of(options);
      inverseRegularization(options);
      unit(SentenceModules.plain(), options.get(Term.POOLING));
    }

    private static double inverseRegularization(TaskOptions options) {
      double c = options.number(Term.HEAD_C, C);
      if (!(c > 0)) {
        throw new InputException(Term.HEAD_C + " is " + c + "; it must be above 0");
      }
      return c;
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      String pooling = options.get(Term.POOLING);
      return new FewShot(
          new Classification(labels),
          LabelLoss.of(options),
          ContrastivePairs.of(options),
          inverseRegularization(options),
          pooling,
          unit(SentenceModules.plain(), pooling),
          null,
          false);
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      TaskOptions saved =
          option ->
              switch (option) {
                case LOSS -> settings.path("loss").path("name").asText(null);
                case LOSS_SCALE -> settings.path("loss").path("scale").asText(null);
                case SAMPLING_STRATEGY -> settings.path(PAIRS).asText(null);
                default -> null;
              };
      return new FewShot(
          new Classification(labels),
          LabelLoss.of(saved),
          ContrastivePairs.of(saved),
          new SavedSettings(settings).number(HEAD_C, C),
          null,
          unit(SentenceModules.plain(), null),
          null,
          true);
    }
  }
}
