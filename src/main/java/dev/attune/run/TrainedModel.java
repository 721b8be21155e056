package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.LabelMap;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.folder.SavedSettings;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.task.Tasks;
import dev.attune.text.TextTokenizer;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A fine-tuned model folder, opened for inference: the model with its weights on a backend, its
 * tokenizer and its label names. Holds no tape: who has one asks the model.
 */
public final class TrainedModel implements AutoCloseable {
  private final ModelFolder folder;
  private final Task task;
  private final Model model;
  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final List<String> unused;

  private TrainedModel(
      ModelFolder folder,
      Task task,
      Model model,
      TextTokenizer tokenizer,
      int maxLength,
      List<String> unused) {
    this.unused = List.copyOf(unused);
    this.folder = folder;
    this.task = task;
    this.model = model;
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
  }

  /**
   * Opens a folder: a whole model, or an adapter, whose base is opened with it.
   *
   * @param backend where the weights are to lie; the caller closes it, after this
   * @param precision of activations: F32 or BF16
   * @throws InputException if there is no model, or none with a trained head
   */
  public static TrainedModel open(
      Path path, OpenOptions options, Backend backend, DType precision) {
    ModelFolder folder = ModelFolder.open(path, options.base());
    Families.of(folder.config());
    Task task = Tasks.of(folder, options.task());
    Opening opening = new Opening();
    try {
      // Much of what a tokenizer is read for goes on while weights come from the disk.
      Background<TextTokenizer> reading =
          Background.start("attune-tokenizer", folder::openTokenizer);
      opening.add(() -> reading.discard(TextTokenizer::close));
      if (!folder.hasTokenizerFile()) {
        reading.joinUninterruptibly(); // that there is none is known at once
      }
      ParameterBuilder builder = builder(folder, task, options.weights(), backend, precision);
      Model model = opening.add(task.model(backend, folder.config(), null, builder));
      reading.throwIfFailed(); // nobody waits for gigabytes to hear of it
      List<String> unused = fill(model, folder, precision);
      TextTokenizer tokenizer = reading.joinUninterruptibly();
      return new TrainedModel(
          folder,
          task,
          model,
          tokenizer,
          maxLength(options, folder, task, model, tokenizer),
          unused);
    } catch (RuntimeException | Error e) {
      opening.closeAfter(e);
      throw e;
    }
  }

  /**
   * Opens an adapter to be used in passes of a model of the same base that is open: it has memory
   * for its own weights alone.
   *
   * @param folder of the adapter, with its base
   * @param base opened with the same options
   * @return null where the adapter changes more of its base than low-rank matrices add: such a one
   *     is a model of its own
   * @throws InputException if it is no adapter of the base
   */
  static TrainedModel beside(
      ModelFolder folder,
      TrainedModel base,
      OpenOptions options,
      Backend backend,
      DType precision) {
    if (!isSame(folder.base(), base.folder.base())) {
      throw new InputException(
          folder.path() + " is an adapter of " + folder.base() + ", not of " + base.folder.base());
    }
    Task task = Tasks.of(folder, options.task());
    LoraConfig lora = folder.adapter().lora();
    if (!task.type().generates()
        || !folder.config().equals(base.folder.config())
        || lora.weightDecomposed()
        || lora.initialization().changesBase()) {
      return null;
    }
    ParameterBuilder builder = builder(folder, task, options.weights(), backend, precision);
    builder.borrow(base.model.parameters(), false);
    Model model = task.model(backend, folder.config(), null, builder);
    try {
      if (!model.parameters().segments().stream().allMatch(TrainedModel::isBorrowedOrLowRank)) {
        model.close();
        return null;
      }
      AdapterWeights.load(folder.path(), folder.adapter(), model);
      model.parameters().prepareInference(precision);
      TextTokenizer tokenizer =
          folder.hasTokenizerOf(base.tokenizer) ? base.tokenizer : folder.openTokenizer();
      return new TrainedModel(folder, task, model, tokenizer, base.maxLength, List.of());
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private static boolean isSame(Path one, Path other) {
    try {
      return Files.isSameFile(one, other);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isBorrowedOrLowRank(Segment segment) {
    return segment.frozen()
        || segment.name().endsWith(LoraConfig.DOWN)
        || segment.name().endsWith(LoraConfig.UP);
  }

  /** Frees what an adapter beside another model has of its own. */
  void closeBeside(TrainedModel base) {
    if (tokenizer != base.tokenizer) {
      tokenizer.close();
    }
    model.close();
  }

  /** The model of a folder with its weights, for a task. */
  static Model model(
      ModelFolder folder, Task task, HeldWeights weights, Backend backend, DType precision) {
    Model model =
        task.model(
            backend, folder.config(), null, builder(folder, task, weights, backend, precision));
    try {
      fill(model, folder, precision);
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** Returns the tensors of the folder that the model has no use for. */
  private static List<String> fill(Model model, ModelFolder folder, DType precision) {
    List<String> unused = load(folder, model);
    Session.prepareInference(model, precision);
    return unused;
  }

  /** The same, as a run's options say. */
  static TrainedModel open(RunConfig config, Session session) {
    return open(
        Path.of(config.required(RunOption.MODEL)),
        OpenOptions.of(config),
        session.backend(),
        session.precision());
  }

  /**
   * Weights that will not change are held in the type that products read, or in the folder's own
   * where that is narrower: bf16 weights widened to f32 would give the same numbers from twice the
   * memory, and texts as slowly as that is read. An encoder's stay as they were trained, so that
   * its scores are those that training reported.
   */
  private static ParameterBuilder builder(
      ModelFolder folder, Task task, HeldWeights weights, Backend backend, DType precision) {
    ParameterBuilder builder = new ParameterBuilder();
    if (weights == HeldWeights.CHANNEL_INT8) {
      checkInt8(folder, task);
      builder.freeze(precision, weights.products(precision));
    } else if (folder.isAdapter() || task.type().generates()) {
      boolean changesBase =
          folder.isAdapter() && folder.adapter().lora().initialization().changesBase();
      // What an adapter leaves of a bf16 weight has more digits than bf16.
      boolean isNarrower =
          precision == DType.F32
              && !changesBase
              && (weights == HeldWeights.BF16
                  || backend.readsNarrowWeights() && ModelWeights.hasBf16Matrices(folder.base()));
      DType matrices = isNarrower ? DType.BF16 : precision;
      builder.freeze(matrices, weights.products(matrices));
    } else if (weights != HeldWeights.AUTO) {
      throw new InputException(
          RunOption.LOAD_IN_4BIT
              + ", "
              + RunOption.LOAD_IN_8BIT
              + " and "
              + RunOption.LOAD_IN_BF16
              + " are for language models and for the bases of adapters; "
              + folder.path()
              + " is neither, and its weights are held as they were trained. Leave the option out");
    }
    if (folder.isAdapter()) {
      builder.adapt(folder.adapter().lora(), folder.path().toString());
    }
    return builder;
  }

  private static void checkInt8(ModelFolder folder, Task task) {
    if (task.type().generates()) {
      throw new InputException(
          RunOption.PRECISION.with("int8")
              + " is for models that read texts, and "
              + folder.path()
              + " is a language model: what it writes token by token goes on from its own errors;"
              + " give auto, bf16 or fp32");
    }
    if (folder.isAdapter() && folder.adapter().lora().weightDecomposed()) {
      throw new InputException(
          RunOption.PRECISION.with("int8")
              + ": "
              + folder.path()
              + " is a weight-decomposed adapter (use_dora), whose factors come from the weights as"
              + " they were; make one model of it and its base first: attune merge "
              + RunOption.MODEL.with(folder.path()));
    }
  }

  private static List<String> load(ModelFolder folder, Model model) {
    if (folder.isAdapter()) {
      return AdapterWeights.load(folder.path(), folder.adapter(), folder.base(), model).unused();
    }
    ModelWeights.Loaded loaded = ModelWeights.load(folder.base(), model, 0);
    if (!loaded.misfits().isEmpty()) {
      throw new InputException(folder.path() + ": " + String.join("; ", loaded.misfits()));
    }
    if (!loaded.created().isEmpty()) {
      throw new InputException(
          folder.path()
              + " holds no trained head (missing: "
              + String.join(", ", loaded.created())
              + "); fine-tune it first with: "
              + Term.TRAINING.of(folder.path()));
    }
    return loaded.unused();
  }

  /** Names what of the folder was not used; empty: there is nothing. */
  Optional<String> unusedNote() {
    return Stream.of(unusedNote(unused), folder.tokenizerNote())
        .flatMap(Optional::stream)
        .reduce((one, other) -> one + "; " + other);
  }

  /** Names tensors that were not used; empty: there are none. */
  static Optional<String> unusedNote(List<String> names) {
    if (names.isEmpty()) {
      return Optional.empty();
    }
    String some =
        names.size() <= 4
            ? String.join(", ", names)
            : String.join(", ", names.subList(0, 3)) + " and " + (names.size() - 3) + " more";
    return Optional.of("tensors of the folder that are not used: " + some);
  }

  static int maxLength(
      OpenOptions options, ModelFolder folder, Task task, Model model, TextTokenizer tokenizer) {
    if (options.maxLength() != null) {
      return TextLength.asked(options.maxLength(), model);
    }
    int positions = model.statedLength();
    int usual = TextLength.usual(task.usualLength(), positions, tokenizer, positions);
    int saved = new SavedSettings(folder.attune()).integer("max_length", 1, usual);
    return model.reach(saved) ? saved : positions;
  }

  /** The task, once the model has read what it must before any rows. */
  Task ready(Inference inference, Tape tape, int threads) {
    Dataset rows = task.firstRows();
    if (rows == null) {
      return task;
    }
    EncodedDataset encoded =
        new Encoder(task.encoder(tokenizer, maxLength, Purpose.PREDICTION), threads).encode(rows);
    Data.checkVocabulary(encoded, vocabularySize());
    return Evaluator.fitted(task, encoded, model, tape, inference);
  }

  /** Whether instructions are turns of a conversation: they are where it has a chat template. */
  boolean asTurns() {
    return task.type().generates() && !task.type().predicts() && folder.hasChatTemplate();
  }

  /** What it was opened from. */
  public ModelFolder folder() {
    return folder;
  }

  /** What it was trained for. */
  public Task task() {
    return task;
  }

  public Model model() {
    return model;
  }

  public TextTokenizer tokenizer() {
    return tokenizer;
  }

  /** In the order of the outputs; null where these have no names. */
  public LabelMap labels() {
    return task.labels();
  }

  /** Tokens of a text at most, special tokens included. */
  public int maxLength() {
    return maxLength;
  }

  /** V, as config.json states it. */
  public int vocabularySize() {
    return folder.vocabularySize();
  }

  @Override
  public void close() {
    try {
      tokenizer.close();
    } finally {
      model.close();
    }
  }
}
