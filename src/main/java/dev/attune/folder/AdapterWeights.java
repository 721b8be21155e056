package dev.attune.folder;

import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.store.AdapterMerge;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.weights.Safetensors;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TorchBin;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/** Joins a model's parameters with an adapter's tensors, under the names that PEFT gives them. */
public final class AdapterWeights {
  private static final String OLD_WEIGHTS = "adapter_model.bin";
  private static final String PREFIX = "base_model.model.";

  private AdapterWeights() {}

  private static WeightSource open(Path folder) {
    Path file = folder.resolve(ModelFiles.ADAPTER_WEIGHTS);
    if (Files.isRegularFile(file)) {
      return Safetensors.open(file);
    }
    if (Files.isRegularFile(folder.resolve(OLD_WEIGHTS))) {
      return TorchBin.open(folder.resolve(OLD_WEIGHTS));
    }
    throw new InputException(
        folder + " is not an adapter: it has no " + ModelFiles.ADAPTER_WEIGHTS);
  }

  /** K of the head that is saved with an adapter; empty where none is. */
  static OptionalInt savedOutputs(Path folder) {
    try (WeightSource source = open(folder)) {
      return ModelWeights.headOutputs(source, PREFIX);
    }
  }

  /**
   * Reads an adapter's tensors, and those of its head, into a model that was built with its {@link
   * LoraConfig} and whose base weights are loaded.
   *
   * @param created tensors of the head that the base lacks: these the adapter must have
   * @throws InputException if the adapter belongs to another model
   */
  public static void load(Path folder, Model model, List<String> created) {
    Parameters parameters = model.parameters();
    try (WeightSource source = open(folder)) {
      Set<String> unused = new TreeSet<>(source.names());
      for (Segment segment : parameters.segments()) {
        if (!isSaved(model, segment)) {
          continue;
        }
        String name = PREFIX + segment.name();
        if (!unused.remove(name)) {
          if (model.isHead(segment.name()) && !created.contains(segment.name())) {
            continue;
          }
          throw misfit(folder, "there is no tensor " + name);
        }
        long[] shape = source.info(name).shape();
        if (!Arrays.equals(shape, segment.shape())) {
          throw misfit(
              folder,
              name
                  + " has shape "
                  + Arrays.toString(shape)
                  + ", this base model needs "
                  + Arrays.toString(segment.shape()));
        }
        ModelWeights.read(source, name, parameters, segment);
      }
      if (!unused.isEmpty()) {
        throw hasNoPlace(folder, unused.iterator().next());
      }
    }
  }

  private static InputException hasNoPlace(Path folder, String tensor) {
    for (String saved : AdapterConfig.read(folder).savedModules()) {
      if (("." + tensor).contains("." + saved + ".")) {
        return new InputException(
            folder.resolve(ModelFiles.ADAPTER_CONFIG)
                + ": modules_to_save names "
                + saved
                + ", whose tensor is "
                + tensor
                + "; supported is a head alone");
      }
    }
    return misfit(folder, tensor + " has no place in this base model");
  }

  private static InputException misfit(Path folder, String what) {
    return new InputException(
        folder.resolve(ModelFiles.ADAPTER_WEIGHTS)
            + ": "
            + what
            + "; the adapter belongs to another model");
  }

  private static boolean isSaved(Model model, Segment segment) {
    return LoraConfig.isAdapter(segment.name()) || model.isHead(segment.name());
  }

  /**
   * Writes the adapter of a model, with its head.
   *
   * @param base name or folder of the model it belongs to
   * @param taskType PEFT's: SEQ_CLS, TOKEN_CLS, CAUSAL_LM …
   */
  public static void write(Path folder, Model model, LoraConfig lora, String base, String taskType)
      throws IOException {
    Parameters parameters = model.parameters();
    SafetensorsWriter writer = new SafetensorsWriter();
    Set<String> adapted = new TreeSet<>();
    Set<String> heads = new TreeSet<>();
    boolean transposed = false;
    for (Segment segment : parameters.segments()) {
      if (!isSaved(model, segment)) {
        continue;
      }
      writer.add(
          PREFIX + segment.name(),
          "F32",
          segment.shape(),
          ModelWeights.chunks(parameters, segment));
      String module = module(segment.name());
      if (LoraConfig.isAdapter(segment.name())) {
        adapted.add(LoraConfig.suffix(module));
        Layout layout = parameters.segment(module + ".weight").layout();
        transposed |= layout instanceof Layout.Transposed;
      } else {
        heads.add(module);
      }
    }
    writer.write(folder.resolve(ModelFiles.ADAPTER_WEIGHTS));
    AdapterConfig config =
        new AdapterConfig(lora, base, taskType, List.copyOf(heads), MissingNode.getInstance());
    ModelFiles.writeJson(
        folder.resolve(ModelFiles.ADAPTER_CONFIG), config.toJson(adapted, transposed));
  }

  private static String module(String tensorName) {
    for (String suffix : LoraConfig.SUFFIXES) {
      if (tensorName.endsWith(suffix)) {
        return tensorName.substring(0, tensorName.length() - suffix.length());
      }
    }
    return tensorName.substring(0, tensorName.lastIndexOf('.'));
  }

  /**
   * Makes every adapter part of the weight it belongs to; the model must hold its weights unfrozen.
   */
  public static void merge(Model model, LoraConfig lora) {
    Parameters parameters = model.parameters();
    for (Segment down : parameters.segments()) {
      if (down.name().endsWith(LoraConfig.DOWN)) {
        String module = module(down.name());
        Segment weight = parameters.segment(module + ".weight");
        AdapterMerge.addProduct(
            parameters, weight, parameters.segment(module + LoraConfig.UP), down, lora.scale());
        if (lora.weightDecomposed()) {
          AdapterMerge.setRowNorms(
              parameters, weight, parameters.segment(module + LoraConfig.MAGNITUDE));
        }
      }
    }
  }
}
