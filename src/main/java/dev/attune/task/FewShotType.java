package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SavedSettings;
import dev.attune.folder.SentenceModules;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** Makes few-shot tasks, of one label a text or of any number. */
final class FewShotType implements TaskType {
  /** Of one label a text. */
  static final TaskType ONE_LABEL = new FewShotType(false);

  /** Of any number. */
  static final TaskType MULTI_LABEL = new FewShotType(true);

  /** scikit-learn's. */
  private static final double C = 1;

  /** Of listed pairs, as SetFit has them. */
  private static final Map<Term, String> SETFIT =
      Map.of(Term.EPOCHS, "1", Term.BATCH_SIZE, "16", Term.LEARNING_RATE, "2e-5");

  /** Of all pairs of each batch: see benchmarks/LOG.md. */
  private static final Map<Term, String> OURS =
      Map.of(Term.EPOCHS, "10", Term.BATCH_SIZE, "32", Term.LEARNING_RATE, "5e-5");

  private final boolean several;
  private final TaskType base; // reads and measures the same labels

  private FewShotType(boolean several) {
    this.several = several;
    this.base = several ? MultiLabelClassification.TYPE : Classification.TYPE;
  }

  @Override
  public String name() {
    return several ? "few-shot-multi-label" : "few-shot";
  }

  @Override
  public String peftType() {
    return Embedding.TYPE.peftType();
  }

  @Override
  public String pipeline() {
    return base.pipeline();
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
    return other == this || other == base;
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
        Term.LABEL_TEMPLATE,
        Term.HEAD_C);
  }

  @Override
  public Optional<String> usual(Term option, TaskOptions given) {
    String strategy = given.get(Term.SAMPLING_STRATEGY);
    boolean listed =
        Arrays.stream(ContrastivePairs.Strategy.values())
            .anyMatch(each -> each.lists() && each.option().equals(strategy));
    String rank = given.get(Term.LORA_R);
    boolean isOfAdapters = option == Term.LEARNING_RATE && rank != null && !rank.equals("0");
    return isOfAdapters
        ? Optional.empty()
        : Optional.ofNullable((listed ? SETFIT : OURS).get(option));
  }

  /** The head is fitted, not trained with the model. */
  @Override
  public boolean hasOwnHead() {
    return false;
  }

  @Override
  public String stratum(Example example) {
    return base.stratum(example);
  }

  @Override
  public List<Path> settingsFiles(ModelFolder folder) {
    return SentenceModules.files(folder.path());
  }

  @Override
  public UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
    return base.preparation(train, known);
  }

  @Override
  public LabelMap labels(Dataset train) {
    return base.labels(train);
  }

  @Override
  public void check(TaskOptions options) {
    if (!(options.number(Term.HEAD_C, C) > 0)) {
      throw new InputException(
          Term.HEAD_C + " is " + options.number(Term.HEAD_C, C) + "; it must be above 0");
    }
    FewShot.unit(SentenceModules.plain(), options.get(Term.POOLING));
    LabelLoss loss = LabelLoss.of(options);
    ContrastivePairs pairs = ContrastivePairs.of(options);
    LabelSentences.of(options, pairs, false);
    if (several && loss.isRanking() && !pairs.areListed()) {
      throw new InputException(
          Term.LOSS.of(loss.option())
              + " tells pairs by their order, and how alike sets of labels are is known to rounding"
              + " only; give "
              + Term.LOSS.of(EmbeddingLoss.Kind.COSINE_SIMILARITY.option())
              + " or "
              + Term.SAMPLING_STRATEGY.of(ContrastivePairs.Strategy.OVERSAMPLING.option()));
    }
  }

  @Override
  public Task create(LabelMap labels, Dataset train, TaskOptions options) {
    check(options);
    String pooling = options.get(Term.POOLING);
    ContrastivePairs pairs = ContrastivePairs.of(options);
    return new FewShot(
        FewShotLabels.of(this, labels, several),
        LabelLoss.of(options),
        pairs,
        LabelSentences.of(options, pairs, !several && LabelSentences.areUsual(labels)),
        options.number(Term.HEAD_C, C),
        pooling,
        FewShot.unit(SentenceModules.plain(), pooling),
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
              case SAMPLING_STRATEGY -> settings.path(FewShot.PAIRS).asText(null);
              case LABEL_TEMPLATE -> settings.path(LabelSentences.SETTING).asText(null);
              default -> null;
            };
    ContrastivePairs pairs = ContrastivePairs.of(saved);
    return new FewShot(
        FewShotLabels.of(this, labels, several),
        LabelLoss.of(saved),
        pairs,
        LabelSentences.of(saved, pairs, false),
        new SavedSettings(settings).number(FewShot.HEAD_C, C),
        null,
        FewShot.unit(SentenceModules.plain(), null),
        null,
        true);
  }
}
