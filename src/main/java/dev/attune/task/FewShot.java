package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.RowsBeside;
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
import java.util.function.BiConsumer;

/**
 * One label per text, or any number, learned from few texts of each (SetFit, Tunstall et al. 2022):
 * the model learns vectors that are alike where labels are the same; a logistic regression on the
 * vectors of the training rows is the head, of any number of labels one for each. Vectors are unit
 * vectors.
 */
public final class FewShot implements Task, Thresholded {
  /** Where attune.json has the pairs, and the strength of the regression. */
  static final String PAIRS = "sampling_strategy";

  static final String HEAD_C = "head_c";

  private final FewShotLabels classes;
  private final LabelLoss loss;
  private final ContrastivePairs pairs;
  private final LabelSentences sentences;
  private final double c;
  private final String pooling; // what was asked for; null: as the folder has it
  private final SentenceModules modules;
  private final LinearHead head; // null until it is fitted
  private final boolean isOpened; // what a folder holds, not what is to be learned

  FewShot(
      FewShotLabels classes,
      LabelLoss loss,
      ContrastivePairs pairs,
      LabelSentences sentences,
      double c,
      String pooling,
      SentenceModules modules,
      LinearHead head,
      boolean isOpened) {
    this.classes = classes;
    this.loss = loss;
    this.pairs = pairs;
    this.sentences = sentences;
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
              + name()
              + " does not put there; remove default_prompt_name");
    }
    LinearHead saved = isOpened ? LinearHead.read(path) : null;
    if (saved != null && saved.classes() != labels().size()) {
      throw new InputException(
          String.format(
              "%s: the saved head has %d outputs, but %d labels are named: %s",
              path, saved.classes(), labels().size(), labels().describe()));
    }
    return new FewShot(
        classes, loss, pairs, sentences, c, pooling, unit(found, pooling), saved, isOpened);
  }

  static SentenceModules unit(SentenceModules found, String pooling) {
    return (pooling == null ? found : found.with(SentenceModules.poolingNamed(pooling)))
        .normalizing(true);
  }

  private FewShot with(LinearHead fitted) {
    return new FewShot(classes, loss, pairs, sentences, c, pooling, modules, fitted, isOpened);
  }

  @Override
  public List<String> notes() {
    List<String> notes = new ArrayList<>();
    notes.add(
        "vectors learn from "
            + pairs
            + sentences
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
  public List<String> notes(TextTokenizer tokenizer, int maxLength) {
    List<String> notes = new ArrayList<>(notes());
    notes.addAll(sentences.notes(labels(), tokenizer, maxLength));
    return notes;
  }

  @Override
  public Integer usualLength() {
    return modules.maxLength();
  }

  @Override
  public TaskType type() {
    return classes.type();
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
    if (purpose == Purpose.FITTING) {
      sentences.check(labels(), tokenizer, maxLength);
      return beside(classes.rows(tokenizer, maxLength), false);
    }
    if (purpose != Purpose.TRAINING) {
      return classes.task().encoder(tokenizer, maxLength, purpose);
    }
    if (pairs.areListed()) {
      return new PairRows(tokenizer, maxLength, classes::pairs, pairs);
    }
    sentences.check(labels(), tokenizer, maxLength);
    TextRows rows =
        new TextRows(
            tokenizer,
            maxLength,
            false,
            TargetLayout.numbers(labels().size()),
            (builder, tokens, dataset, example) ->
                builder.add(tokens.ids(), tokens.typeIds(), classes.likeness(dataset, example)));
    return beside(rows, pairs.areHalved());
  }

  /** The rows with what is learned beside them. */
  private RowEncoder<?> beside(TextRows rows, boolean halves) {
    List<Example> said = classes.labelled(sentences.texts(labels()));
    return halves || !said.isEmpty() ? new RowsBeside(rows, halves, said) : rows;
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
  public long sequences(Dataset rows) {
    return RowsBeside.most(rows, pairs.areHalved(), sentences.rows(labels()));
  }

  @Override
  public String aboutSequences() {
    int said = sentences.rows(labels());
    return said == 0
        ? ""
        : " ("
            + many(said, "sentence")
            + " of labels are among them; "
            + Term.LABEL_TEMPLATE.of(LabelSentences.NONE)
            + " leaves them out)";
  }

  @Override
  public String labelTemplate() {
    return pairs.areListed() ? null : sentences.option();
  }

  @Override
  public int leastBatch() {
    return pairs.areListed() ? 1 : 2;
  }

  @Override
  public List<String> metricNames() {
    return classes.task().metricNames();
  }

  @Override
  public boolean isFitted() {
    return true;
  }

  @Override
  public Calibration fitting(EncodedDataset data) {
    float[][] vectors = new float[data.size()][];
    FewShotLabels.Gold gold = classes.gold(data.size());
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          int row = batch.exampleIndex()[b];
          vectors[row] = UnitVectors.read(output, b);
          gold.add(row, batch, b);
        }
      }

      @Override
      public Task calibrated() {
        return with(gold.fit(vectors, c));
      }
    };
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    Measurement measured = classes.task().measurement(data);
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
    Reading reading = classes.task().reading(dataset, data, sink);
    return (batch, output) ->
        reading.add(batch, UnitVectors.scored(output, batch.sequences(), head));
  }

  @Override
  public String errorName() {
    return classes.task().errorName();
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    return classes.task().judged(example, prediction);
  }

  @Override
  public boolean hasOneLabel() {
    return classes.task().hasOneLabel();
  }

  /** Of one label a text there are none. */
  @Override
  public Map<String, Double> thresholds() {
    return classes.task() instanceof Thresholded task ? task.thresholds() : Map.of();
  }

  @Override
  public FewShot withThresholds(Double all, Map<String, Double> some) {
    if (!(classes instanceof FewShotLabels.Several several)) {
      throw new InputException("one label a text is given without thresholds");
    }
    FewShotLabels chosen =
        new FewShotLabels.Several(several.type(), several.task().withThresholds(all, some));
    return new FewShot(chosen, loss, pairs, sentences, c, pooling, modules, head, isOpened);
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    labels().write(outputs);
    loss.describe(settings);
    settings.put(PAIRS, pairs.strategy().option());
    settings.put(HEAD_C, c);
    sentences.describe(settings);
  }

  @Override
  public FinishedModel finished(FinishedModel model, int width, int length) {
    return model.with(modules, width, length).with(head);
  }

  @Override
  public Object target(Example example) {
    return classes.task().target(example);
  }

  @Override
  public List<String> classes(Example example) {
    return classes.task().classes(example);
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    classes.task().examine(found, classCounts);
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
    List<String> everywhere =
        classCounts.entrySet().stream()
            .filter(entry -> entry.getValue() == found.data().size())
            .map(entry -> '"' + entry.getKey() + '"')
            .toList();
    if (!hasOneLabel() && !everywhere.isEmpty()) {
      found.add(
          Severity.FATAL,
          "class_of_all_rows",
          "every row of the training set has "
              + String.join(", ", everywhere)
              + ", and a logistic regression would always give it; leave that label out");
    }
    long lone = classCounts.values().stream().filter(count -> count == 1).count();
    if (hasOneLabel() && lone > 0 && sentences.rows(labels()) == 0) {
      found.add(
          Severity.WARNING,
          "lone_rows",
          many((int) lone, "label has", "labels have")
              + " one row, which is like no other: its vector learns only from what it is not"
              + " like");
    }
  }
}
