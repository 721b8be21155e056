package dev.attune.run;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.batch.EvenPasses;
import dev.attune.batch.Packer;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SentenceModules;
import dev.attune.kernels.Backend;
import dev.attune.metrics.SimilarityMetrics;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Embedding;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;

/**
 * A model's body, opened to make vectors of texts as sentence-transformers does: see {@link
 * SentenceModules}.
 */
public final class TextEncoder implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  private static final int MAX_TOKENS = 2048;
  private static final int MAX_SEQUENCES = 128;

  /**
   * How vectors are wanted.
   *
   * @param promptName of what is put before each text; null: the model's default, mostly nothing
   * @param truncateDim numbers of a vector that are kept; null: all
   * @param normalize whether vectors are made unit vectors whatever the model does
   */
  public record Wanted(String promptName, Integer truncateDim, boolean normalize) {
    /** As the model makes them. */
    public static final Wanted PLAIN = new Wanted(null, null, false);
  }

  private final Model model;
  private final TextTokenizer tokenizer;
  private final SentenceModules modules;
  private final int maxLength;
  private final int threads;

  private TextEncoder(
      Model model, TextTokenizer tokenizer, SentenceModules modules, int maxLength, int threads) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.modules = modules;
    this.maxLength = maxLength;
    this.threads = threads;
  }

  /**
   * Opens a model for any number of threads.
   *
   * @param name of a model that needs no folder, or its folder, which may be an adapter's
   * @param base name or folder of an adapter's base model; null: as the adapter says
   * @param maxLength tokens of a text at most; null: as the folder says
   */
  public static SharedModel<TextEncoder> open(
      String name, String base, Integer maxLength, Compute compute) {
    ModelFolder folder =
        ModelFolder.open(
            Fetched.model(name, note -> LOG.log(System.Logger.Level.INFO, note)), base);
    int threads = Backends.threads(compute.threads());
    HeldWeights weights = HeldWeights.AUTO.under(compute.precision());
    return SharedModel.open(
        compute,
        (backend, precision) -> open(folder, maxLength, threads, weights, backend, precision),
        TextEncoder::close);
  }

  private static TextEncoder open(
      ModelFolder folder,
      Integer maxLength,
      int threads,
      HeldWeights weights,
      Backend backend,
      DType precision) {
    if (folder.isAdapter() && !Tasks.of(folder, TaskOptions.NONE).type().readsPairs()) {
      throw new InputException(
          folder.path()
              + " is an adapter for "
              + Tasks.of(folder, TaskOptions.NONE).name()
              + ", which makes no embeddings of texts. Those of its base are made by "
              + RunOption.MODEL.with(folder.adapter().base())
              + "; those of both together, by the model that attune merge makes of them");
    }
    Embedding task = Embedding.open(folder);
    TextTokenizer tokenizer = folder.openTokenizer();
    try {
      Model model = TrainedModel.model(folder, task, weights, backend, precision);
      try {
        int length = maxLength(maxLength, task.modules().maxLength(), model);
        return new TextEncoder(model, tokenizer, task.modules(), length, threads);
      } catch (RuntimeException e) {
        model.close();
        throw e;
      }
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  private static int maxLength(Integer wanted, Integer stated, Model model) {
    if (wanted == null) {
      int positions = model.statedLength();
      return stated == null ? positions : Math.min(stated, positions);
    }
    return TextLength.asked(wanted, model);
  }

  /** C: the length of a whole vector. */
  public int width() {
    return model.width();
  }

  /** The names of the model's prompts. */
  public List<String> promptNames() {
    return modules.prompts().keySet().stream().sorted().toList();
  }

  /**
   * What was made of texts.
   *
   * @param vectors (texts, C or as many as are kept)
   * @param tokens of all of them
   * @param droppedTokens that were cut off
   */
  public record Made(float[][] vectors, long tokens, long droppedTokens) {}

  /** The vectors of texts. */
  public Made embed(Lane lane, Dataset texts, Wanted wanted) {
    int kept = kept(wanted);
    EncodedDataset data = encode(texts, wanted.promptName());
    float[][] out = new float[data.size()][];
    try (BatchStream batches =
        BatchStream.evaluationBatches(data, MAX_TOKENS, MAX_SEQUENCES, model.positionOffset())) {
      while (batches.hasNext()) {
        embed(lane, batches.next(), wanted, kept, out);
      }
    }
    return new Made(out, data.tokens(), data.droppedTokens());
  }

  /** Texts as tokens. */
  public EncodedDataset encode(Dataset texts, String promptName) {
    RowEncoder<?> rows = Embedding.texts(tokenizer, maxLength, modules.prompt(promptName));
    return new Encoder(rows, threads).encode(texts);
  }

  /**
   * Vectors of texts that are tokens already, where to the last bit each is what it would be alone:
   * for texts of callers that know nothing of each other.
   *
   * @param texts token ids with whatever stands around a text
   * @param wanted of each
   */
  public float[][] embedEvenly(Lane lane, List<int[]> texts, List<Wanted> wanted) {
    boolean hasTypes = tokenizer.usesTypeIds();
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.NONE, hasTypes);
    texts.forEach(ids -> builder.add(ids, hasTypes ? new int[ids.length] : null));
    EncodedDataset data = builder.build();
    float[][] out = new float[data.size()][];
    Packer packer = new Packer(data, model.positionOffset());
    Batch batch = new Batch();
    for (int[] pass : EvenPasses.of(data, MAX_TOKENS)) {
      embed(lane, packer.pack(pass, batch), Wanted.PLAIN, width(), out);
    }
    for (int i = 0; i < out.length; i++) {
      out[i] = cut(out[i], kept(wanted.get(i)), wanted.get(i).normalize());
    }
    return out;
  }

  private int kept(Wanted wanted) {
    int kept = wanted.truncateDim() == null ? width() : wanted.truncateDim();
    if (kept < 1 || kept > width()) {
      throw new InputException(
          RunOption.TRUNCATE_DIM
              + " is "
              + kept
              + "; it must be between 1 and "
              + width()
              + ", the length of the model's vectors");
    }
    return kept;
  }

  private void embed(Lane lane, Batch batch, Wanted wanted, int kept, float[][] out) {
    InterruptedCallException.check("embedding");
    Tape tape = lane.tape();
    Inputs inputs = lane.staging().stage(batch, model.batchRotaries());
    tape.begin(false);
    Tensor vectors = model.forward(tape, inputs);
    FloatBuffer values =
        FiniteOutput.checked(
            lane.window().read(vectors.address(), vectors.sizeBytes()).asFloatBuffer(),
            (long) batch.sequences() * width());
    for (int b = 0; b < batch.sequences(); b++) {
      float[] vector = new float[width()];
      values.get(b * width(), vector);
      out[batch.exampleIndex()[b]] = finished(vector, kept, wanted.normalize());
    }
  }

  /** Tokens of a text at most. */
  public int maxLength() {
    return maxLength;
  }

  /** Ids of tokens are below. */
  public int vocabularySize() {
    return ((TransformerModel) model).body().config().vocabularySize();
  }

  /** Bytes of the weights. */
  public long sizeBytes() {
    return model.parameters().sizeBytes();
  }

  /** Cut after the model's own normalization and before the one that is asked for, as there. */
  private float[] finished(float[] vector, int kept, boolean normalize) {
    if (modules.normalizes()) {
      SimilarityMetrics.makeUnit(vector);
    }
    return cut(vector, kept, normalize);
  }

  private static float[] cut(float[] vector, int kept, boolean normalize) {
    float[] cut = kept == vector.length ? vector : Arrays.copyOf(vector, kept);
    if (normalize) {
      SimilarityMetrics.makeUnit(cut);
    }
    return cut;
  }

  @Override
  public void close() {
    tokenizer.close();
    model.close();
  }
}
