package dev.attune.folder;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** The files that make a model folder; everything else in it is the user's. */
public final class ModelFiles {
  /** What a model is: family, sizes, label names. */
  public static final String CONFIG = "config.json";

  /** What makes a folder an adapter's. */
  public static final String ADAPTER_CONFIG = "adapter_config.json";

  /** How a language model writes where nothing else is said. */
  public static final String GENERATION_CONFIG = "generation_config.json";

  /** What training knows beyond Hugging Face's files. */
  public static final String ATTUNE = "attune.json";

  static final String WEIGHTS = "model.safetensors";
  static final String ADAPTER_WEIGHTS = "adapter_model.safetensors";

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Set<String> NAMES = new HashSet<>(TextTokenizer.FILES);

  static {
    NAMES.addAll(List.of(CONFIG, ADAPTER_CONFIG, GENERATION_CONFIG, ATTUNE));
    NAMES.addAll(
        List.of(
            SentenceModules.MODULES,
            SentenceModules.SETTINGS,
            SentenceModules.LENGTH,
            LinearHead.FILE));
  }

  /** Weights of a model or an adapter: whole, in shards, or an index of shards. */
  private static final Pattern WEIGHT_FILE =
      Pattern.compile(
          "(model|adapter_model)(-\\d+-of-\\d+)?\\.safetensors|model\\.safetensors\\.index\\.json"
              + "|(pytorch_model|adapter_model)(-\\d+-of-\\d+)?\\.bin"
              + "|pytorch_model\\.bin\\.index\\.json");

  /** Files of a model in folders of their own. */
  private static final List<String> INNER =
      List.of(SentenceModules.POOLING, SentenceModules.NORMALIZE);

  private ModelFiles() {}

  /** Whether a file of this name is part of a model, and goes when the model is replaced. */
  static boolean isPart(String fileName) {
    return isDescription(fileName) || isWeights(fileName);
  }

  /** Whether a file of this name says something of a model, beside its weights. */
  static boolean isDescription(String fileName) {
    return NAMES.contains(fileName);
  }

  private static boolean isWeights(String fileName) {
    return WEIGHT_FILE.matcher(fileName).matches();
  }

  /** The files of the model in a folder, in the order of their names. */
  static List<Path> list(Path folder) throws IOException {
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        if (isPart(file.getFileName().toString()) && Files.isRegularFile(file)) {
          found.add(file);
        }
      }
    }
    INNER.stream().map(folder::resolve).filter(Files::isRegularFile).forEach(found::add);
    found.sort(null);
    return found;
  }

  /** The weight files of a folder, indexes included, in the order of their names. */
  static List<Path> weights(Path folder) throws IOException {
    return list(folder).stream().filter(file -> isWeights(file.getFileName().toString())).toList();
  }

  /** Whether a folder holds a model or an adapter, whole or in part. */
  static boolean anyIn(Path folder) throws IOException {
    for (Path file : list(folder)) {
      String name = file.getFileName().toString();
      if (name.equals(CONFIG) || name.equals(ADAPTER_CONFIG) || isWeights(name)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Reads a JSON object.
   *
   * @throws InputException naming the file, if it is absent or something else
   */
  static ObjectNode readObject(Path file) {
    try {
      JsonNode json = WholeJson.read(file);
      if (json instanceof ObjectNode object) {
        return object;
      }
      throw new InputException(file + ": not a JSON object");
    } catch (NoSuchFileException e) {
      throw new InputException(
          file.getParent() + " is not a model folder: it has no " + file.getFileName(), e);
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": not valid JSON: " + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The same of a file that may be absent: an empty object then. */
  static ObjectNode readOptional(Path file) {
    return Files.exists(file) ? readObject(file) : JSON.createObjectNode();
  }

  /** Writes a JSON file of a model folder that is being made. */
  static void writeJson(Path file, JsonNode json) throws IOException {
    FileOps.SYSTEM.writePart(file, format(json).getBytes(StandardCharsets.UTF_8));
  }

  /** JSON as Transformers formats it. */
  public static String format(JsonNode json) {
    return json.toPrettyString() + "\n";
  }
}
