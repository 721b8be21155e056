package dev.attune.folder;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.weights.WeightSource;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The tensors of an adapter's file and their places in a model: the adapters' own, tensors of the
 * base that were trained whole, rows of tables, biases of B. Every tensor has a place or is refused
 * by name.
 */
final class SavedAdapter {
  /** Before every name. */
  static final String PREFIX = "base_model.model.";

  /** Between a wrapped module's name and that of its tensor. */
  static final String WRAPPED = ".base_layer.";

  /** PEFT leaves its own name of the adapter in names of what is inside a group of modules. */
  private static final Pattern TRAINED_COPY = Pattern.compile("\\.modules_to_save\\.(default\\.)?");

  private static final String BASES_OWN = ".original_module.";
  static final String TOKENS = ".token_adapter.trainable_tokens_delta";

  /** All of a table some rows of which are trained: PEFT saves it where it was resized. */
  static final String TOKENS_TABLE = ".token_adapter.base_layer.weight";

  private final Path file;
  private final WeightSource source;
  private final LoraConfig lora;
  private final Model model;
  private final Parameters parameters;
  private final Map<Segment, String> whole = new LinkedHashMap<>(); // to names in the file
  private final Map<String, String> tokens = new LinkedHashMap<>(); // by module

  private SavedAdapter(Path file, WeightSource source, LoraConfig lora, Model model) {
    this.file = file;
    this.source = source;
    this.lora = lora;
    this.model = model;
    this.parameters = model.parameters();
  }

  /**
   * Finds the place of every tensor.
   *
   * @throws InputException if one has none, does not fit, or is missing
   */
  static SavedAdapter of(Path file, WeightSource source, LoraConfig lora, Model model) {
    AdapterStart.check(model.parameters(), lora);
    SavedAdapter saved = new SavedAdapter(file, source, lora, model);
    List<String> homeless = new ArrayList<>();
    for (String name : new TreeSet<>(source.names())) {
      if (!name.startsWith(PREFIX) || !saved.place(name)) {
        homeless.add(name);
      }
    }
    if (!homeless.isEmpty()) {
      throw saved.hasNoPlace(homeless);
    }
    saved.checkComplete();
    return saved;
  }

  /** The module of a tensor of the base, or of an adapter of it. */
  static String module(String tensorName) {
    for (String suffix : LoraConfig.SUFFIXES) {
      if (tensorName.endsWith(suffix)) {
        return tensorName.substring(0, tensorName.length() - suffix.length());
      }
    }
    return tensorName.substring(0, tensorName.lastIndexOf('.'));
  }

  private boolean place(String name) {
    String bare = name.substring(PREFIX.length());
    if (bare.endsWith(TOKENS)) {
      String module = fullName(bare, TOKENS, ".weight");
      return module != null && addOnce(tokens, module, name);
    }
    if (bare.endsWith(TOKENS_TABLE)) {
      Segment table = find(bare.replace(TOKENS_TABLE, ".weight"));
      return table != null && add(table, name);
    }
    // "bias" saves what is inside such a wrapper too: the copy that counts, and the base's own.
    String unwrapped = TRAINED_COPY.matcher(bare).replaceFirst(".");
    if (bare.contains(BASES_OWN)) {
      return find(bare.replace(BASES_OWN, ".")) != null;
    }
    String plain = unwrapped.replace(WRAPPED, ".");
    Segment segment = find(plain);
    if (segment == null) {
      return false;
    }
    boolean isWrapped = !plain.equals(unwrapped);
    String module = module(segment.name());
    boolean isOfBase = !LoraConfig.isAdapter(segment.name());
    if (isOfBase && isWrapped != isAdapted(module(plain))) {
      // PEFT names what is inside a module with an adapter otherwise, and reads no other name.
      return !isWrapped && lora.saves(module) && add(segment, name);
    }
    return add(segment, name);
  }

  private boolean add(Segment segment, String name) {
    checkShape(segment, name);
    return addOnce(whole, segment, name);
  }

  /** What two modules share may be there twice. */
  private <P> boolean addOnce(Map<P, String> names, P place, String name) {
    String other = names.putIfAbsent(place, name);
    if (other != null && !isSame(name, other)) {
      throw new InputException(
          file
              + ": "
              + other
              + " and "
              + name
              + " are one weight in this base model, but their values differ");
    }
    return true;
  }

  /** A tensor by its own name, without the body's prefix, or of a weight that two modules share. */
  private Segment find(String name) {
    for (String candidate : List.of(name, model.bodyPrefix() + name, model.sharedName(name))) {
      Segment segment = parameters.segment(candidate);
      if (segment != null) {
        return segment;
      }
    }
    return null;
  }

  /** The whole name of the module of a tensor; null where the model has none. */
  private String fullName(String tensor, String suffix, String of) {
    String module = tensor.substring(0, tensor.length() - suffix.length());
    Segment segment = find(module + of);
    return segment == null ? null : module(segment.name());
  }

  private boolean isAdapted(String module) {
    return find(module + LoraConfig.DOWN) != null || find(module + LoraConfig.TABLE_DOWN) != null;
  }

  private void checkShape(Segment segment, String name) {
    long[] shape = source.info(name).shape();
    if (Arrays.equals(shape, segment.shape())) {
      return;
    }
    String both =
        file
            + ": "
            + name
            + " has shape "
            + Arrays.toString(shape)
            + ", "
            + Arrays.toString(segment.shape())
            + " is what ";
    boolean isRankAlone =
        LoraConfig.isAdapter(segment.name())
            && shape.length == 2
            && segment.shape().length == 2
            && (shape[0] == segment.shape()[0] || shape[1] == segment.shape()[1]);
    String module = module(segment.name());
    throw new InputException(
        isRankAlone && Math.min(shape[0], shape[1]) != lora.rank(module)
            ? both
                + "r "
                + lora.rank(module)
                + " of adapter_config.json and this base model ask for; where the ranks of single"
                + " modules differ, rank_pattern must say so"
            : both + "this base model needs; the adapter belongs to another model");
  }

  private boolean isSame(String one, String other) {
    return values(one).equals(values(other));
  }

  private FloatBuffer values(String name) {
    long count = Arrays.stream(source.info(name).shape()).reduce(1, (a, b) -> a * b);
    FloatBuffer values = FloatBuffer.allocate(Math.toIntExact(count));
    source.read(name, values);
    return values.flip();
  }

  private InputException hasNoPlace(List<String> names) {
    String first = names.get(0);
    String more =
        names.size() == 1 ? "" : " (and " + Count.many(names.size() - 1, "tensor") + " more)";
    if (!first.startsWith(PREFIX)) {
      return new InputException(
          file + ": " + first + more + " is no name of PEFT's, which begin with base_model.model.");
    }
    String bare = first.substring(PREFIX.length());
    String plain = bare.replace(WRAPPED, ".");
    String module = module(plain);
    boolean hasModule = find(module + ".weight") != null;
    return new InputException(
        file
            + ": "
            + first
            + more
            + " has no place in this base model: "
            + (hasModule
                ? notAskedFor(plain)
                : "it has no module " + module + ", or none that is supported"));
  }

  private String notAskedFor(String tensor) {
    return tensor.endsWith(LoraConfig.MAGNITUDE) && !lora.weightDecomposed()
        ? "use_dora of adapter_config.json is not true"
        : tensor.endsWith(LoraConfig.UP_BIAS) && !lora.beside().lowRankBiases()
            ? "lora_bias of adapter_config.json is not true"
            : "target_modules, exclude_modules, layers_to_transform and modules_to_save of"
                + " adapter_config.json do not make it part of the adapter";
  }

  private void checkComplete() {
    for (Segment segment : parameters.segments()) {
      String module = module(segment.name());
      boolean isAdapter = LoraConfig.isAdapter(segment.name());
      boolean isNeeded = isAdapter || lora.saves(module) && !tokens.containsKey(module);
      if (isNeeded && !whole.containsKey(segment)) {
        throw new InputException(
            file
                + ": there is no tensor "
                + PREFIX
                + segment.name()
                + ", though "
                + (segment.name().endsWith(LoraConfig.UP_BIAS)
                    ? "lora_bias"
                    : isAdapter ? "target_modules" : "modules_to_save")
                + " of adapter_config.json means its module");
      }
    }
    for (Segment segment : parameters.segments()) {
      if (segment.trainedRows() != null && !tokens.containsKey(module(segment.name()))) {
        throw new InputException(
            file
                + ": there is no tensor "
                + PREFIX
                + module(segment.name())
                + TOKENS
                + ", though trainable_token_indices of adapter_config.json names the module");
      }
    }
    if (tokens.isEmpty() != lora.beside().tokens().isEmpty()) {
      throw new InputException(
          file
              + ": trainable_token_indices of adapter_config.json and the tensors"
              + " trainable_tokens_delta do not go together: there are "
              + tokens.size());
    }
  }

  /** The names of the model's tensors that are here whole. */
  Set<String> wholeTensors() {
    Set<String> names = new TreeSet<>();
    whole.keySet().forEach(segment -> names.add(segment.name()));
    return names;
  }

  /**
   * Reads all tensors into the model, whose base is loaded.
   *
   * @param created tensors of the head that the base lacks: these must be here
   */
  void read(List<String> created) {
    Set<String> missing = new TreeSet<>(created);
    missing.removeAll(wholeTensors());
    if (!missing.isEmpty()) {
      throw new InputException(
          file
              + ": there is no tensor "
              + PREFIX
              + missing.iterator().next()
              + ", and the base model has none either: no head was saved with this adapter");
    }
    whole.forEach((segment, name) -> ModelWeights.read(source, name, parameters, segment));
    tokens.forEach(this::replaceRows);
  }

  /** Rows that were trained take the places of the base's. */
  private void replaceRows(String module, String name) {
    Segment table = parameters.segment(module + ".weight");
    List<Integer> ids = ids(module);
    FloatBuffer rows = values(name);
    int cols = (int) table.shape()[1];
    if (rows.remaining() != ids.size() * cols) {
      throw new InputException(
          file
              + ": "
              + name
              + " has shape "
              + Arrays.toString(source.info(name).shape())
              + ", trainable_token_indices and this base model ask for ["
              + ids.size()
              + ", "
              + cols
              + "]");
    }
    FloatBuffer all = ModelWeights.folderValues(parameters, table);
    for (int i = 0; i < ids.size(); i++) {
      int id = ids.get(i);
      if (id < 0 || id >= table.shape()[0]) {
        throw new InputException(
            file.resolveSibling(ModelFiles.ADAPTER_CONFIG)
                + ": trainable_token_indices has "
                + id
                + "; the vocabulary has "
                + table.shape()[0]
                + " tokens");
      }
      all.put(id * cols, rows, i * cols, cols);
    }
    ModelWeights.write(parameters, table, all);
  }

  private List<Integer> ids(String module) {
    List<Integer> ids = lora.beside().tokensOf(module, module.equals(model.wordEmbedding()));
    if (ids == null) {
      throw new InputException(
          file.resolveSibling(ModelFiles.ADAPTER_CONFIG)
              + ": trainable_token_indices does not name "
              + module
              + ", rows of which are saved");
    }
    return ids;
  }
}
