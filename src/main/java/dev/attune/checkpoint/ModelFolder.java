package dev.attune.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TensorInfo;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads and writes Hugging Face model folders: joins a model's parameters with weight files. */
public final class ModelFolder {
  private static final ObjectMapper JSON = new ObjectMapper();

  private ModelFolder() {}

  /**
   * What a load found.
   *
   * @param created head tensors that the folder lacks, or has in another shape: new, random
   * @param unused tensors of the folder that the model has no place for
   */
  public record Loaded(List<String> created, List<String> unused) {}

  /** Reads config.json. */
  public static ObjectNode readConfig(Path folder) {
    Path file = folder.resolve("config.json");
    try {
      JsonNode config = JSON.readTree(Files.readAllBytes(file));
      if (config instanceof ObjectNode object) {
        return object;
      }
      throw new InputException(file + ": not a JSON object");
    } catch (NoSuchFileException e) {
      throw new InputException(folder + " is not a model folder: it has no config.json", e);
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": not valid JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Loads a model's parameters. Every tensor of the body must be there in the right shape; tensors
   * of the head that are not are drawn anew from a normal distribution.
   *
   * @param seed of new weights
   */
  public static Loaded load(Path folder, Model model, long seed) {
    Parameters parameters = model.parameters();
    List<String> created = new ArrayList<>();
    Set<String> used = new HashSet<>();
    List<String> unused = new ArrayList<>();
    try (WeightSource source = WeightFolder.open(folder)) {
      for (Segment segment : parameters.segments()) {
        if (LoraConfig.isAdapter(segment.name())) {
          Initializer.fill(parameters, segment, model.initializerRange(), seed);
          continue;
        }
        String name = find(source, segment.name(), model);
        if (name == null || !fits(source.info(name), segment)) {
          if (!model.isHead(segment.name())) {
            throw misfit(folder, segment, name == null ? null : source.info(name));
          }
          Initializer.fill(parameters, segment, model.initializerRange(), seed);
          created.add(segment.name());
          continue;
        }
        used.add(name);
        read(source, name, parameters, segment);
      }
      parameters.initializeMagnitudes();
      for (String name : source.names()) {
        if (!used.contains(name)) {
          unused.add(name);
        }
      }
    }
    return new Loaded(created, unused);
  }

  /** Whether the folder holds every matrix in bf16, so that a model may hold them so too. */
  public static boolean hasBf16Matrices(Path folder) {
    try (WeightSource source = WeightFolder.open(folder)) {
      List<TensorInfo> matrices =
          source.names().stream()
              .map(source::info)
              .filter(tensor -> tensor.shape().length == 2)
              .toList();
      return !matrices.isEmpty()
          && matrices.stream().allMatch(tensor -> tensor.dtype().equals("BF16"));
    }
  }

  static void read(WeightSource source, String name, Parameters parameters, Segment segment) {
    if (segment.layout() == Layout.PLAIN) {
      parameters.write(segment, (first, values) -> source.read(name, first, values));
      return;
    }
    FloatBuffer folder = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    source.read(name, folder);
    FloatBuffer store = FloatBuffer.allocate(folder.capacity());
    segment.layout().toStore(folder.flip(), store);
    parameters.write(
        segment, (first, values) -> values.put(store.slice((int) first, values.remaining())));
  }

  static SafetensorsWriter.Chunks chunks(Parameters parameters, Segment segment) {
    if (segment.layout() == Layout.PLAIN) {
      return first -> parameters.read(segment, first);
    }
    return first -> folderValues(parameters, segment).position((int) first).slice();
  }

  /** A tensor's values in the order of the folder. */
  private static FloatBuffer folderValues(Parameters parameters, Segment segment) {
    FloatBuffer store = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    while (store.hasRemaining()) {
      store.put(parameters.read(segment, store.position()));
    }
    FloatBuffer folder = FloatBuffer.allocate(store.capacity());
    segment.layout().toFolder(store.flip(), folder);
    return folder.flip();
  }

  /**
   * Fills every weight with noise, for benchmarks: norms 1, biases 0, matrices from a short cycle.
   */
  public static void randomize(Model model, long seed) {
    Parameters parameters = model.parameters();
    for (Segment segment : parameters.segments()) {
      if (segment.shape().length == 2) {
        Initializer.cycle(parameters, segment, model.initializerRange(), seed);
      } else {
        Initializer.constant(parameters, segment, segment.name().endsWith(".weight") ? 1f : 0f);
      }
    }
    parameters.initializeMagnitudes();
  }

  private static boolean fits(TensorInfo info, Segment segment) {
    return Arrays.equals(info.shape(), segment.shape());
  }

  /** The name under which a folder holds a tensor: its own, without the body's, or an old one. */
  private static String find(WeightSource source, String name, Model model) {
    Set<String> names = source.names();
    String bodyPrefix = model.bodyPrefix();
    String bare = name.startsWith(bodyPrefix) ? name.substring(bodyPrefix.length()) : name;
    for (String candidate : List.of(name, bare, model.sharedName(name))) {
      if (names.contains(candidate)) {
        return candidate;
      }
      // TensorFlow's names, in folders converted before 2020.
      String old =
          candidate
              .replace("LayerNorm.weight", "LayerNorm.gamma")
              .replace("LayerNorm.bias", "LayerNorm.beta");
      if (names.contains(old)) {
        return old;
      }
    }
    return null;
  }

  private static InputException misfit(Path folder, Segment segment, TensorInfo info) {
    if (info == null) {
      return new InputException(
          folder
              + ": the weights lack the tensor "
              + segment.name()
              + " "
              + Arrays.toString(segment.shape())
              + "; config.json does not describe these weights");
    }
    return new InputException(
        folder
            + ": tensor "
            + info.name()
            + " has shape "
            + Arrays.toString(info.shape())
            + ", config.json asks for "
            + Arrays.toString(segment.shape()));
  }

  /** Writes the model's weights as model.safetensors, f32. */
  public static void writeWeights(Path file, Parameters parameters) throws IOException {
    writeWeights(file, parameters, "F32");
  }

  /**
   * The same.
   *
   * @param dtype {@code F32}, {@code BF16} or {@code F16}
   */
  public static void writeWeights(Path file, Parameters parameters, String dtype)
      throws IOException {
    SafetensorsWriter writer = new SafetensorsWriter();
    for (Segment segment : parameters.segments()) {
      if (!LoraConfig.isAdapter(segment.name())) {
        writer.add(segment.name(), dtype, segment.shape(), chunks(parameters, segment));
      }
    }
    writer.write(file);
  }

  /** Writes a JSON file as Transformers formats it. */
  public static void writeJson(Path file, JsonNode json) throws IOException {
    Files.writeString(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n");
  }
}
