package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TextRows;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SentenceModules;
import dev.attune.kernels.Backend;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.SimilarityMetrics;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Vectors of texts, of which like ones are near: what sentence-transformers trains, with its losses
 * and in its folders. A batch holds the texts of all columns of its rows, so that one pass of the
 * encoder makes all vectors.
 */
public final class Embedding implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private final TextGroups.Form form;
  private final EmbeddingLoss loss;
  private final Prompts prompts;
  private final Function<SentenceModules, SentenceModules> changes;
  private final SentenceModules modules;
  private final boolean choseLoss;
  private final boolean choosesPooling;
  private final boolean keepsApart;
  private final int pieceExamples;

  /** What stands before the first texts of rows and before the others; null: nothing. */
  private record Prompts(String query, String passage) {
    static String orEmpty(String prompt) {
      return prompt == null ? "" : prompt;
    }

    Map<String, String> named() {
      Map<String, String> named = new LinkedHashMap<>();
      if (query != null) {
        named.put("query", query);
      }
      if (passage != null) {
        // Both names are usual.
        named.put("passage", passage);
        named.put("document", passage);
      }
      return named;
    }
  }

  private Embedding(
      TextGroups.Form form,
      EmbeddingLoss loss,
      boolean choseLoss,
      boolean choosesPooling,
      boolean keepsApart,
      int pieceExamples,
      Prompts prompts,
      Function<SentenceModules, SentenceModules> changes,
      SentenceModules modules) {
    this.form = form;
    this.loss = loss;
    this.choseLoss = choseLoss;
    this.choosesPooling = choosesPooling;
    this.keepsApart = keepsApart;
    this.pieceExamples = pieceExamples;
    this.prompts = prompts;
    this.changes = changes;
    this.modules = modules;
  }

  private static Embedding of(
      TextGroups.Form form, EmbeddingLoss loss, Prompts prompts, TaskOptions options) {
    String pooling = options.get(Term.POOLING);
    boolean normalizes = options.flag(Term.NORMALIZE);
    Function<SentenceModules, SentenceModules> changes =
        base -> {
          SentenceModules pooled =
              pooling == null ? base : base.with(SentenceModules.poolingNamed(pooling));
          return (normalizes ? pooled.normalizing(true) : pooled).prompting(prompts.named());
        };
    return new Embedding(
        form,
        loss,
        options.get(Term.LOSS) == null,
        pooling != null,
        keepsApart(options.get(Term.BATCH_SAMPLER)),
        options.integer(Term.MINI_BATCH_SIZE, 1, 0),
        prompts,
        changes,
        changes.apply(SentenceModules.plain()));
  }

  /** Refuses a decoder of which nobody says how it makes vectors. */
  static void checkPooling(ModelFolder folder, boolean isChosen) {
    if (!isChosen
        && !SentenceModules.areIn(folder.path())
        && Families.of(folder.config()).isDecoder()) {
      throw new InputException(
          folder.path()
              + " holds a decoder, and no modules.json says how it makes vectors of texts. Say so"
              + " when you train one: "
              + Term.POOLING.of("lasttoken")
              + " is usual, for its last token alone sees all others");
    }
  }

  @Override
  public Embedding on(ModelFolder folder) {
    checkPooling(folder, choosesPooling);
    return new Embedding(
        form,
        loss,
        choseLoss,
        choosesPooling,
        keepsApart,
        pieceExamples,
        prompts,
        changes,
        changes.apply(SentenceModules.read(folder.path())));
  }

  private static boolean keepsApart(String sampler) {
    if (sampler != null && !List.of("batch", "no-duplicates").contains(sampler)) {
      throw new InputException(
          Term.BATCH_SAMPLER + " is '" + sampler + "'; allowed are batch and no-duplicates");
    }
    return "no-duplicates".equals(sampler);
  }

  /** The task of a model that is to make vectors, whatever else it was trained for. */
  public static Embedding open(ModelFolder folder) {
    return ((Embedding) TYPE.open(null, folder.attune(), TaskOptions.NONE)).on(folder);
  }

  /**
   * How single texts become sequences.
   *
   * @param prompt what stands before each
   */
  public static RowEncoder<?> texts(TextTokenizer tokenizer, int maxLength, String prompt) {
    TextRows.checkLength(tokenizer, maxLength, tokenizer.specialTokens(false) + 1);
    return new TextGroups(tokenizer, maxLength, prompt, prompt).ofOne();
  }

  /** How texts become vectors. */
  public SentenceModules modules() {
    return modules;
  }

  @Override
  public List<String> notes() {
    List<String> notes = new ArrayList<>();
    notes.add(
        "loss: "
            + loss.inWords()
            + (choseLoss ? ", the usual one for " + form : "")
            + "; pooling: "
            + modules.poolingName()
            + (modules.normalizes() ? ", unit vectors" : ""));
    if (prompts.query() == null && prompts.passage() == null && !modules.prompts().isEmpty()) {
      notes.add(
          "the model has prompts ("
              + String.join(", ", modules.prompts().keySet().stream().sorted().toList())
              + ") and is trained without; give "
              + Term.QUERY_PROMPT
              + " and "
              + Term.PASSAGE_PROMPT
              + " to train with them");
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

  @Override
  public HeadKind head() {
    return HeadKind.POOLED;
  }

  @Override
  public Model model(Backend backend, JsonNode config, Float dropout, ParameterBuilder builder) {
    Model model = Families.pooled(backend, config, modules.pooling(), dropout, builder);
    for (int dim : loss.dims()) {
      if (dim > model.width()) {
        int width = model.width();
        model.close();
        throw new InputException(
            Term.MATRYOSHKA_DIMS + " has " + dim + "; the model's vectors have " + width);
      }
    }
    return model;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    TextRows.checkLength(tokenizer, maxLength, tokenizer.specialTokens(false) + 1);
    return new TextGroups(
            tokenizer,
            maxLength,
            Prompts.orEmpty(prompts.query()),
            Prompts.orEmpty(prompts.passage()))
        .apart(purpose == Purpose.TRAINING && keepsApart);
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    return loss.apply(tape, output, staging, modules.normalizes());
  }

  @Override
  public boolean hasLoss(EncodedDataset data) {
    return loss.kind().fits(data.notes(TextGroups.Notes.class).form());
  }

  @Override
  public int leastBatch() {
    return loss.kind().comparesRows(form) ? 2 : 1;
  }

  @Override
  public int pieceExamples() {
    return pieceExamples;
  }

  @Override
  public List<String> metricNames() {
    return SimilarityMetrics.names(form.columns(), form.scored());
  }

  @Override
  public List<String> metricNames(EncodedDataset data) {
    TextGroups.Form of = data.notes(TextGroups.Notes.class).form();
    return SimilarityMetrics.names(of.columns(), of.scored());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    TextGroups.Notes notes = data.notes(TextGroups.Notes.class);
    List<Example> examples = notes.dataset().examples();
    SimilarityMetrics metrics =
        new SimilarityMetrics(notes.form().columns(), notes.form().scored());
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        FloatBuffer vectors = output.logits();
        int columns = batch.sequences() / batch.examples();
        for (int i = 0; i < batch.examples(); i++) {
          Example example = examples.get(data.source(batch.exampleIndex()[i]));
          float[][] row = new float[columns][output.cols()];
          for (int column = 0; column < columns; column++) {
            vectors.get((column * batch.examples() + i) * output.cols(), row[column]);
          }
          float score = notes.form().scored() ? batch.targets()[i] : 0;
          metrics.add(TextGroups.texts(example), row, score);
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
    throw new UnsupportedOperationException("vectors are no predictions");
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    loss.describe(settings);
    if (prompts.query() != null) {
      settings.put("query_prompt", prompts.query());
    }
    if (prompts.passage() != null) {
      settings.put("passage_prompt", prompts.passage());
    }
  }

  @Override
  public FinishedModel finished(FinishedModel model, int width, int length) {
    return model.with(modules, width, length);
  }

  @Override
  public Object target(Example example) {
    return form.scored() ? Numbers.parse(example.label()) : null;
  }

  @Override
  public boolean isEmpty(Example example) {
    return TextGroups.texts(example).stream().anyMatch(text -> text == null || text.isBlank());
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    new EmbeddingFindings(found, this, loss.kind(), keepsApart).examine();
  }

  private static final class Type implements TaskType {
    private static final String SUFFIX = "Model";

    @Override
    public String name() {
      return "embedding";
    }

    @Override
    public String peftType() {
      return "FEATURE_EXTRACTION";
    }

    @Override
    public String pipeline() {
      return "sentence-similarity";
    }

    @Override
    public List<Path> settingsFiles(ModelFolder folder) {
      return SentenceModules.files(folder.path());
    }

    @Override
    public String classSuffix() {
      return SUFFIX;
    }

    /** A body without head: language models of GPT-2's kind end in the same word. */
    @Override
    public boolean hasClass(String architecture) {
      return architecture.endsWith(SUFFIX) && !architecture.endsWith("LMHeadModel");
    }

    @Override
    public List<Term> options() {
      return List.of(
          Term.LOSS,
          Term.LOSS_SCALE,
          Term.LOSS_MARGIN,
          Term.TRIPLET_DISTANCE,
          Term.MATRYOSHKA_DIMS,
          Term.MATRYOSHKA_WEIGHTS,
          Term.POOLING,
          Term.NORMALIZE,
          Term.BATCH_SAMPLER,
          Term.MINI_BATCH_SIZE,
          Term.QUERY_PROMPT,
          Term.PASSAGE_PROMPT);
    }

    @Override
    public boolean readsPairs() {
      return true;
    }

    @Override
    public boolean hasOwnHead() {
      return false;
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
    public void check(TaskOptions options) {
      EmbeddingLoss.check(options);
      keepsApart(options.get(Term.BATCH_SAMPLER));
      options.integer(Term.MINI_BATCH_SIZE, 1, 0);
      if (options.get(Term.POOLING) != null) {
        SentenceModules.poolingNamed(options.get(Term.POOLING));
      }
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      TextGroups.Form form = TextGroups.Form.of(train.examples());
      return of(
          form,
          EmbeddingLoss.of(options, form),
          new Prompts(options.get(Term.QUERY_PROMPT), options.get(Term.PASSAGE_PROMPT)),
          options);
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      TextGroups.Form form = new TextGroups.Form(2, false);
      return of(
          form,
          EmbeddingLoss.read(settings, form),
          new Prompts(prompt(settings, "query_prompt"), prompt(settings, "passage_prompt")),
          option -> null);
    }

    private static String prompt(JsonNode settings, String name) {
      return settings.path(name).asText(null);
    }
  }
}
