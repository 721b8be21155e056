package dev.attune.folder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.weights.FiniteSource;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of a folder that others need to use its model, and nothing else: what is not known to
 * be one of them stays here, and is named.
 */
public final class PublishedModel {
  /** What a model is said to be, to people and to the hub. */
  public static final String CARD = "README.md";

  private static final Pattern WORDS =
      Pattern.compile("README\\.md|(LICENSE|LICENCE|NOTICE)(\\.txt|\\.md)?|USE_POLICY\\.md");

  /** Of models that make vectors of texts: their parts, which {@code modules.json} lists. */
  private static final Pattern PART =
      Pattern.compile("\\d+_\\w+/(config\\.json|model\\.safetensors|pytorch_model\\.bin)");

  private static final Pattern OF_A_RUN =
      Pattern.compile(
          "run\\.yaml|metrics\\.jsonl|data_report\\.json|train(ing)?_args\\.(bin|json)"
              + "|train(er)?_state\\.json|(all|train|eval|test|predict)_results\\.json"
              + "|(optimizer|scheduler|scaler|rng_state.*)\\.(pt|pth|bin)|.*\\.log"
              + "|events\\.out\\..*");

  private static final Pattern OTHER_FORMS =
      Pattern.compile(
          "(model|adapter_model|pytorch_model|tf_model|flax_model|rust_model).*"
              + "\\.(safetensors|bin|h5|msgpack|ot|index\\.json)|.*\\.(gguf|onnx|tflite)");

  private static final Set<String> FLOATS = Set.of("F64", "F32", "F16", "BF16");
  private static final int PIECE = 1 << 20;

  private final Path folder;
  private final boolean isAdapter;
  private final Map<String, Path> files;
  private final Map<String, String> leftOut;

  private PublishedModel(
      Path folder, boolean isAdapter, Map<String, Path> files, Map<String, String> leftOut) {
    this.folder = folder;
    this.isAdapter = isAdapter;
    this.files = files;
    this.leftOut = leftOut;
  }

  /**
   * Looks through a folder; finishes an installation that was cut off there.
   *
   * @throws InputException if it holds no model, or only a part of one
   */
  public static PublishedModel of(Path folder) {
    try {
      ModelInstall.recover(folder);
      boolean isAdapter = Files.isRegularFile(folder.resolve(ModelFiles.ADAPTER_CONFIG));
      Set<String> weights = Set.copyOf(weights(folder, isAdapter));
      Map<String, Path> files = new TreeMap<>();
      Map<String, String> leftOut = new TreeMap<>();
      try (Stream<Path> all = Files.list(folder)) {
        for (Path file : (Iterable<Path>) all::iterator) {
          look(folder, file, weights, files, leftOut);
        }
      }
      return new PublishedModel(folder, isAdapter, files, leftOut);
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The files that the weights are read from. */
  private static List<String> weights(Path folder, boolean isAdapter) throws IOException {
    if (isAdapter) {
      for (String name : List.of(ModelFiles.ADAPTER_WEIGHTS, AdapterWeights.OLD_WEIGHTS)) {
        if (Files.isRegularFile(folder.resolve(name))) {
          return List.of(name);
        }
      }
      throw new InputException(
          folder + " has adapter_config.json and no " + ModelFiles.ADAPTER_WEIGHTS);
    }
    if (!Files.isRegularFile(folder.resolve(ModelFiles.CONFIG))) {
      throw new InputException(
          folder
              + " holds no model: it has neither "
              + ModelFiles.CONFIG
              + " nor "
              + ModelFiles.ADAPTER_CONFIG);
    }
    return WeightFolder.files(folder);
  }

  private static void look(
      Path folder,
      Path file,
      Set<String> weights,
      Map<String, Path> files,
      Map<String, String> leftOut)
      throws IOException {
    String name = file.getFileName().toString();
    if (Files.isDirectory(file)) {
      boolean isPart = false;
      for (String inside : List.of("config.json", "model.safetensors", "pytorch_model.bin")) {
        String path = name + "/" + inside;
        if (PART.matcher(path).matches() && Files.isRegularFile(folder.resolve(path))) {
          files.put(path, folder.resolve(path));
          isPart = true;
        }
      }
      if (!isPart) {
        leftOut.put(name + "/", "a folder that is no part of a model");
      }
      return;
    }
    boolean isMetadata = ModelFiles.isDescription(name) || WORDS.matcher(name).matches();
    if (Files.isRegularFile(file) && (isMetadata || weights.contains(name))) {
      files.put(name, file);
    } else {
      leftOut.put(name, reason(name));
    }
  }

  private static String reason(String name) {
    if (name.startsWith(".")) {
      return "hidden";
    }
    if (OF_A_RUN.matcher(name).matches()) {
      return "of the training, not of the model";
    }
    return OTHER_FORMS.matcher(name).matches()
        ? "weights in another form than those that are read"
        : "not known to be a file of a model";
  }

  /**
   * Whether a file of this name, below a repository's root, is part of a model, and goes where
   * another model takes its place.
   */
  public static boolean isPart(String name) {
    return ModelFiles.isPart(name) || PART.matcher(name).matches();
  }

  public boolean isAdapter() {
    return isAdapter;
  }

  /** Whether sentence-transformers can make vectors of texts with it. */
  public boolean makesVectors() {
    return files.containsKey(SentenceModules.MODULES);
  }

  /** The files by their names, which have a slash where they are in a folder. */
  public Map<String, Path> files() {
    return Map.copyOf(files);
  }

  /** What stays here, folders with a slash at their ends, and why. */
  public Map<String, String> leftOut() {
    return new TreeMap<>(leftOut);
  }

  /** A JSON file of the model; empty where there is none. */
  public ObjectNode json(String name) {
    return ModelFiles.readOptional(folder.resolve(name));
  }

  /**
   * Reads all weights, at the speed of the disk.
   *
   * @throws InputException naming the first tensor that holds what is no number
   */
  public void checkFinite() {
    FloatBuffer piece = FloatBuffer.allocate(PIECE);
    WeightSource opened = isAdapter ? AdapterWeights.open(folder) : WeightFolder.open(folder);
    try (WeightSource source = new FiniteSource(opened, folder)) {
      for (String name : source.names()) {
        long elements =
            FLOATS.contains(source.info(name).dtype()) ? source.info(name).elements() : 0;
        for (long first = 0; first < elements; first += PIECE) {
          source.read(name, first, piece.clear().limit((int) Math.min(PIECE, elements - first)));
        }
      }
    }
  }
}
