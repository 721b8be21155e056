package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.hub.Hub;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.ops.Cast;
import dev.attune.ops.MeanPool;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * An encoder's body, opened to make vectors of texts as sentence-transformers does: its pooling is
 * that of {@code modules.json} and {@code 1_Pooling/config.json}, or, in a folder without those,
 * the mean of all tokens' vectors.
 */
public final class TextEncoder implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  /** The max_seq_length of all-MiniLM-L6-v2. */
  private static final int USUAL_LENGTH = 256;

  private static final int MAX_TOKENS = 2048;
  private static final int MAX_SEQUENCES = 128;

  private enum Pooling {
    MEAN,
    FIRST
  }

  private final TransformerModel model;
  private final TextTokenizer tokenizer;
  private final Encoder encoder;
  private final Pooling pooling;
  private final boolean normalizes;

  private TextEncoder(
      TransformerModel model,
      TextTokenizer tokenizer,
      int maxLength,
      int threads,
      Pooling pooling,
      boolean normalizes) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.encoder =
        new Encoder(
            new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE), threads);
    this.pooling = pooling;
    this.normalizes = normalizes;
  }

  /**
   * Opens a model for any number of threads.
   *
   * @param name of a model that needs no folder, or its folder
   * @param maxLength tokens of a text at most; null: as the folder says
   */
  public static SharedModel<TextEncoder> open(String name, Integer maxLength, Compute compute) {
    ModelFolder folder =
        ModelFolder.openBase(name, note -> LOG.log(System.Logger.Level.INFO, note));
    int threads = Backends.threads(compute.threads());
    return SharedModel.open(
        compute,
        (backend, precision) ->
            open(folder, Hub.NAMES.contains(name), maxLength, threads, backend, precision),
        TextEncoder::close);
  }

  /**
   * @param bare whether the folder is one of ours, made of the weights of a sentence-transformers
   *     model without its own files: it makes unit vectors of at most {@link #USUAL_LENGTH} tokens
   */
  private static TextEncoder open(
      ModelFolder folder,
      boolean bare,
      Integer maxLength,
      int threads,
      Backend backend,
      DType precision) {
    Path path = folder.path();
    JsonNode modules = read(path.resolve("modules.json"));
    Pooling pooling = pooling(path, modules);
    if (Families.of(folder.config()).isDecoder()) {
      throw new InputException(path + " holds a decoder; vectors of texts are made by encoders");
    }
    TextTokenizer tokenizer = folder.openTokenizer();
    Model model = null;
    try {
      model = Families.create(backend, folder.config(), HeadKind.NONE, 1, null);
      ModelWeights.load(folder.base(), model, 0);
      model.parameters().prepareInference(precision);
      return new TextEncoder(
          (TransformerModel) model,
          tokenizer,
          maxLength(path, bare, maxLength, model.maxLength()),
          threads,
          pooling,
          bare || has(modules, "Normalize"));
    } catch (RuntimeException e) {
      tokenizer.close();
      if (model != null) {
        model.close();
      }
      throw e;
    }
  }

  private static JsonNode read(Path file) {
    if (!Files.exists(file)) {
      return null;
    }
    try {
      return new ObjectMapper().readTree(file.toFile());
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static boolean has(JsonNode modules, String type) {
    if (modules != null) {
      for (JsonNode module : modules) {
        if (module.path("type").asText().endsWith("." + type)) {
          return true;
        }
      }
    }
    return false;
  }

  private static Pooling pooling(Path folder, JsonNode modules) {
    if (modules == null) {
      return Pooling.MEAN;
    }
    Path place = null;
    for (JsonNode module : modules) {
      String type = module.path("type").asText();
      switch (type.substring(type.lastIndexOf('.') + 1)) {
        case "Transformer", "Normalize" -> {}
        case "Pooling" -> place = folder.resolve(module.path("path").asText());
        default ->
            throw new InputException(
                folder
                    + ": modules.json names '"
                    + type
                    + "', which is not supported; supported are"
                    + " Transformer, Pooling and Normalize");
      }
    }
    JsonNode config = place == null ? null : read(place.resolve("config.json"));
    if (config == null) {
      throw new InputException(folder + ": modules.json says of no pooling that has a config.json");
    }
    Pooling pooling = null;
    for (var mode : config.properties()) {
      if (mode.getKey().startsWith("pooling_mode_") && mode.getValue().asBoolean()) {
        if (pooling != null) {
          throw new InputException(folder + ": more than one pooling at a time is not supported");
        }
        pooling =
            switch (mode.getKey()) {
              case "pooling_mode_mean_tokens" -> Pooling.MEAN;
              case "pooling_mode_cls_token" -> Pooling.FIRST;
              default ->
                  throw new InputException(
                      folder
                          + ": "
                          + mode.getKey()
                          + " is not supported; supported are"
                          + " pooling_mode_mean_tokens and pooling_mode_cls_token");
            };
      }
    }
    if (pooling == null) {
      throw new InputException(place + ": config.json names no pooling");
    }
    return pooling;
  }

  private static int maxLength(Path folder, boolean bare, Integer wanted, int positions) {
    if (wanted != null) {
      if (wanted > positions) {
        throw new InputException(
            RunOption.MAX_LENGTH
                + " is "
                + wanted
                + ", the model has positions for "
                + positions
                + " tokens");
      }
      return wanted;
    }
    JsonNode config = read(folder.resolve("sentence_bert_config.json"));
    int unstated = bare ? USUAL_LENGTH : positions;
    int stated = config == null ? unstated : config.path("max_seq_length").asInt(unstated);
    return Math.min(stated, positions);
  }

  /** C: the length of a vector. */
  public int width() {
    return model.body().config().width();
  }

  /** The vectors (size of the dataset, C) of texts. */
  public float[][] embed(Lane lane, Dataset texts) {
    EncodedDataset data = encoder.encode(texts);
    float[][] out = new float[data.size()][];
    Tape tape = lane.tape();
    try (BatchStream batches =
        BatchStream.evaluationBatches(data, MAX_TOKENS, MAX_SEQUENCES, model.positionOffset())) {
      while (batches.hasNext()) {
        InterruptedCallException.check("embedding");
        Batch batch = batches.next();
        Inputs inputs = lane.staging().stage(batch);
        tape.begin(false);
        Tensor vectors = Cast.apply(tape, pooled(tape, inputs), DType.F32);
        FloatBuffer values =
            lane.window().read(vectors.address(), vectors.sizeBytes()).asFloatBuffer();
        for (int b = 0; b < batch.sequences(); b++) {
          float[] vector = new float[width()];
          values.get(b * width(), vector);
          out[batch.exampleIndex()[b]] = normalizes ? normalized(vector) : vector;
        }
      }
    }
    return out;
  }

  private Tensor pooled(Tape tape, Inputs inputs) {
    if (pooling == Pooling.FIRST) {
      return model.body().forwardFirstRows(tape, inputs);
    }
    Tensor rows = model.body().forward(tape, inputs);
    return MeanPool.apply(tape, rows, inputs.cuSeqlens(), inputs.sequences());
  }

  /** To length 1, as torch.nn.functional.normalize does. */
  private static float[] normalized(float[] vector) {
    double sum = 0;
    for (float value : vector) {
      sum += (double) value * value;
    }
    float length = (float) Math.max(Math.sqrt(sum), 1e-12);
    for (int i = 0; i < vector.length; i++) {
      vector[i] /= length;
    }
    return vector;
  }

  @Override
  public void close() {
    tokenizer.close();
    model.close();
  }
}
