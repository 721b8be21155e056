package dev.attune.folder;

import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.store.AdapterMerge;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.ModuleTargets;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.weights.FiniteSource;
import dev.attune.weights.Safetensors;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TorchBin;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Joins a model's parameters with an adapter's tensors, under the names that PEFT gives them. */
public final class AdapterWeights {
  static final String OLD_WEIGHTS = "adapter_model.bin";

  private AdapterWeights() {}

  /** The tensors of an adapter's folder. */
  static WeightSource open(Path folder) {
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
      return ModelWeights.headOutputs(source, SavedAdapter.PREFIX);
    }
  }

  /**
   * Rows of the word embedding that is saved with an adapter: where they are not as many as the
   * base's, the vocabulary was resized.
   *
   * @param module name of the word embedding's module
   */
  static OptionalInt savedVocabulary(Path folder, String module) {
    try (WeightSource source = open(folder)) {
      return Stream.of(".weight", SavedAdapter.WRAPPED + "weight", SavedAdapter.TOKENS_TABLE)
          .map(suffix -> SavedAdapter.PREFIX + module + suffix)
          .filter(source.names()::contains)
          .mapToInt(name -> (int) source.info(name).shape()[0])
          .findFirst();
    }
  }

  /**
   * Reads a base model's weights, and over them all that an adapter's folder holds, into a model
   * that was built with its {@link LoraConfig}.
   *
   * @return what was found in the base
   * @throws InputException if the adapter does not fit, with names and numbers
   */
  public static ModelWeights.Loaded load(
      Path folder, AdapterConfig config, Path base, Model model) {
    try (WeightSource source = new FiniteSource(open(folder), folder)) {
      SavedAdapter saved = SavedAdapter.of(file(folder), source, config.lora(), model);
      ModelWeights.Loaded loaded =
          ModelWeights.load(
              base, model, new BaseLoad(0, true, config.lora(), saved.wholeTensors(), null));
      saved.read(loaded.created());
      return loaded;
    }
  }

  /**
   * Reads an adapter into a model that borrows its base: low-rank matrices, and nothing else.
   *
   * @throws InputException if the adapter does not fit, with names and numbers
   */
  public static void load(Path folder, AdapterConfig config, Model model) {
    try (WeightSource source = new FiniteSource(open(folder), folder)) {
      SavedAdapter.of(file(folder), source, config.lora(), model).read(List.of());
    }
  }

  private static Path file(Path folder) {
    Path file = folder.resolve(ModelFiles.ADAPTER_WEIGHTS);
    return Files.isRegularFile(file) ? file : folder.resolve(OLD_WEIGHTS);
  }

  /** Whether a tensor is of an adapter, or trained beside one. */
  private static boolean isSaved(Model model, LoraConfig lora, Segment segment) {
    if (LoraConfig.isAdapter(segment.name())) {
      return true;
    }
    String module = SavedAdapter.module(segment.name());
    return !segment.frozen()
        && (segment.trainedRows() != null
            || model.isHead(segment.name())
            || lora.saves(module)
            || segment.name().endsWith(".bias") && lora.trainsBias(module));
  }

  /**
   * Writes the adapter of a model, with what was trained beside it.
   *
   * @param base name or folder of the model it belongs to
   * @param taskType PEFT's: SEQ_CLS, TOKEN_CLS, CAUSAL_LM …
   * @param isResized whether the vocabulary is not the base's: its tables are written too
   */
  public static void write(
      Path folder, Model model, LoraConfig lora, String base, String taskType, boolean isResized)
      throws IOException {
    Parameters parameters = model.parameters();
    long rows = parameters.segment(model.wordEmbedding() + ".weight").shape()[0];
    SafetensorsWriter writer = new SafetensorsWriter();
    Set<String> adapted = new TreeSet<>();
    Set<String> whole = new TreeSet<>();
    boolean transposed = false;
    for (Segment segment : parameters.segments()) {
      boolean isTable =
          isResized && segment.shape()[0] == rows && !LoraConfig.isAdapter(segment.name());
      if (!isTable && !isSaved(model, lora, segment)) {
        continue;
      }
      String module = SavedAdapter.module(segment.name());
      if (segment.trainedRows() != null) {
        addRows(writer, model, lora, segment, module);
        if (isTable) {
          add(writer, model, segment, module + SavedAdapter.TOKENS_TABLE);
        }
        continue;
      }
      if (LoraConfig.isAdapter(segment.name())) {
        adapted.add(module);
        Segment weight = parameters.segment(module + ".weight");
        transposed |= weight != null && weight.layout() instanceof Layout.Transposed;
      } else if (model.isHead(segment.name())
          && !lora.saves(module)
          && !parameters.segment(module + ".weight").frozen()) {
        whole.add(module);
      }
      add(writer, model, segment, savedName(parameters, segment, module));
    }
    whole.addAll(lora.beside().modules());
    writer.write(folder.resolve(ModelFiles.ADAPTER_WEIGHTS));
    AdapterConfig config = new AdapterConfig(lora, base, taskType, MissingNode.getInstance());
    ModelFiles.writeJson(
        folder.resolve(ModelFiles.ADAPTER_CONFIG),
        config.toJson(
            savedNames(model, targets(parameters, lora, adapted)),
            savedNames(model, whole),
            transposed));
  }

  private static void add(
      SafetensorsWriter writer, Model model, Segment segment, String savedName) {
    writer.add(
        SavedAdapter.PREFIX + model.savedName(savedName),
        "F32",
        segment.shape(),
        ModelWeights.chunks(model.parameters(), segment));
  }

  /** The rows of a table that were trained, in the order in which they are named. */
  private static void addRows(
      SafetensorsWriter writer, Model model, LoraConfig lora, Segment table, String module) {
    List<Integer> ids = lora.beside().tokensOf(module, module.equals(model.wordEmbedding()));
    int cols = (int) table.shape()[1];
    FloatBuffer all = ModelWeights.folderValues(model.parameters(), table);
    FloatBuffer rows = FloatBuffer.allocate(ids.size() * cols);
    ids.forEach(id -> rows.put(all.slice(id * cols, cols)));
    writer.add(
        SavedAdapter.PREFIX
            + model.savedName(module + ".weight").replaceFirst("\\.weight$", SavedAdapter.TOKENS),
        "F32",
        new long[] {ids.size(), cols},
        first ->
            ModelWeights.finite(table, rows.slice((int) first, rows.capacity() - (int) first)));
  }

  private static Set<String> savedNames(Model model, Set<String> modules) {
    return modules.stream().map(model::savedName).collect(Collectors.toCollection(TreeSet::new));
  }

  /** PEFT wraps a module that has an adapter, and its weight and bias with it. */
  private static String savedName(Parameters parameters, Segment segment, String module) {
    boolean isWrapped =
        !LoraConfig.isAdapter(segment.name())
            && (parameters.segment(module + LoraConfig.DOWN) != null
                || parameters.segment(module + LoraConfig.TABLE_DOWN) != null);
    return isWrapped
        ? module + SavedAdapter.WRAPPED + segment.name().substring(module.length() + 1)
        : segment.name();
  }

  /** Targets that mean just these modules: ends of names where these do, or whole names. */
  private static Set<String> targets(Parameters parameters, LoraConfig lora, Set<String> adapted) {
    Set<String> suffixes = new TreeSet<>();
    adapted.forEach(module -> suffixes.add(LoraConfig.suffix(module)));
    LoraConfig bySuffix =
        new LoraConfig(
            lora.rank(),
            lora.alpha(),
            lora.dropout(),
            ModuleTargets.of(List.copyOf(suffixes)),
            lora.rankStabilized(),
            lora.weightDecomposed(),
            lora.patterns(),
            lora.initialization(),
            lora.beside());
    boolean isExact =
        parameters.segments().stream()
            .map(segment -> SavedAdapter.module(segment.name()))
            .allMatch(module -> bySuffix.targetsByName(module) == adapted.contains(module));
    return isExact ? suffixes : adapted;
  }

  /**
   * Makes every adapter part of the weight it belongs to; the model must hold its weights unfrozen.
   *
   * @throws InputException if the model has no place for what an adapter adds
   */
  public static void merge(Model model, LoraConfig lora) {
    Parameters parameters = model.parameters();
    for (Segment down : parameters.segments()) {
      String module = SavedAdapter.module(down.name());
      Segment weight = parameters.segment(module + ".weight");
      if (down.name().endsWith(LoraConfig.DOWN)) {
        AdapterMerge.addProduct(
            parameters,
            weight == null ? parameters.segment(model.wordEmbedding() + ".weight") : weight,
            parameters.segment(module + LoraConfig.UP),
            down,
            lora.scale(module));
        if (lora.weightDecomposed()) {
          AdapterMerge.setRowNorms(
              parameters, weight, parameters.segment(module + LoraConfig.MAGNITUDE));
        }
      } else if (down.name().endsWith(LoraConfig.UP_BIAS)) {
        Segment bias = parameters.segment(module + ".bias");
        if (bias == null) {
          throw new InputException(
              "lora_bias gives a bias to "
                  + module
                  + ", which has none: a merged model has no place for it. Use the adapter with its"
                  + " base, unmerged");
        }
        AdapterMerge.addBias(parameters, bias, down, lora.scale(module));
      } else if (down.name().endsWith(LoraConfig.TABLE_DOWN)) {
        // The lookups' A (V,R) is what multiplies B (C,R) from the left.
        AdapterMerge.addTableProduct(
            parameters,
            weight,
            parameters.segment(module + LoraConfig.TABLE_UP),
            down,
            lora.scale(module));
      }
    }
  }
}
