package dev.attune.folder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.hub.Hub;
import dev.attune.hub.Progress;
import dev.attune.model.Families;
import dev.attune.text.ChatTemplate;
import dev.attune.text.OwnTokenizer;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A model folder: a model, base or fine-tuned, or an adapter with the folder of its base. Opening
 * one finishes an installation that was cut off and reads the descriptions; weights are read by
 * {@link ModelWeights} and {@link AdapterWeights}.
 */
public final class ModelFolder {
  private final Path path;
  private final Path base;
  private final AdapterConfig adapter; // null: a model
  private final ObjectNode config;
  private final ObjectNode attune;
  private final boolean resized;
  private OwnTokenizer tokenizer; // null until needed

  private ModelFolder(Path path, Path base, AdapterConfig adapter) {
    this.path = path;
    this.base = base;
    this.adapter = adapter;
    this.config = SharedVocabulary.asStored(readConfig(base), base);
    if (adapter != null) {
      // A vocabulary that was resized is saved with the adapter.
      OptionalInt saved = AdapterWeights.savedVocabulary(path, Families.wordEmbedding(config));
      resized = saved.isPresent() && saved.getAsInt() != vocabularySize();
      saved.ifPresent(rows -> config.put("vocab_size", rows));
    } else {
      resized = false;
    }
    this.attune = ModelFiles.readOptional(path.resolve(ModelFiles.ATTUNE));
  }

  /**
   * Opens the folder of a model or an adapter.
   *
   * @param base name or folder of an adapter's base model; null: as the adapter says
   * @throws InputException if there is none, or it asks for what Attune cannot do
   */
  public static ModelFolder open(Path folder, String base) {
    if (!Files.isDirectory(folder)) {
      throw new InputException(folder + " is not a folder");
    }
    recover(folder);
    if (!isAdapter(folder)) {
      refuseBase(base, folder.toString());
      return new ModelFolder(folder, folder, null);
    }
    AdapterConfig adapter = AdapterConfig.read(folder);
    Path found = baseOf(folder, base == null ? adapter.base() : base, Progress.silent());
    return new ModelFolder(folder, found, adapter);
  }

  /**
   * The folder of an adapter's base model, fetched if need be; null where the folder is no
   * adapter's.
   *
   * @param base as of {@link #open}
   */
  public static Path fetchBase(Path folder, String base, Progress progress) {
    recover(folder);
    if (!isAdapter(folder)) {
      return null;
    }
    return baseOf(folder, base == null ? AdapterConfig.read(folder).base() : base, progress);
  }

  /**
   * Opens what training starts from: a model, or an adapter that goes on.
   *
   * @param model a folder, or a name that {@link Hub} knows
   * @param base of an adapter, as of {@link #open}
   * @throws InputException if there is none
   */
  public static ModelFolder openToTrain(String model, String base, Progress progress) {
    Path folder = Path.of(model);
    boolean isLocal = Files.isDirectory(folder);
    if (isLocal) {
      recover(folder);
    }
    Path found = isLocal && isAdapter(folder) ? folder : Hub.resolve(model, progress);
    if (isAdapter(found)) {
      AdapterConfig adapter = AdapterConfig.read(found);
      return new ModelFolder(
          found, baseOf(found, base == null ? adapter.base() : base, progress), adapter);
    }
    refuseBase(base, model);
    return new ModelFolder(found, found, null);
  }

  /**
   * Opens a model that stands by itself.
   *
   * @param model a folder, or a name that {@link Hub} knows
   * @throws InputException if there is none; an adapter is refused
   */
  public static ModelFolder openBase(String model, Progress progress) {
    if (Files.isDirectory(Path.of(model))) {
      recover(Path.of(model));
      refuseAdapter(Path.of(model));
    }
    Path found = Hub.resolve(model, progress);
    refuseAdapter(found);
    return new ModelFolder(found, found, null);
  }

  private static void refuseBase(String base, String model) {
    if (base != null) {
      throw new InputException(
          Term.BASE_MODEL.of(base)
              + " is an adapter's, and "
              + model
              + " is a whole model; leave it out");
    }
  }

  private static void refuseAdapter(Path folder) {
    if (isAdapter(folder)) {
      throw new InputException(
          folder
              + " is an adapter, and a whole model is needed here: merge it with its base first,"
              + " and use the model that this makes");
    }
  }

  /** Whether a folder on this machine is an adapter's. */
  public static boolean isAdapter(Path folder) {
    return Files.isRegularFile(folder.resolve(ModelFiles.ADAPTER_CONFIG));
  }

  private static Path baseOf(Path adapter, String base, Progress progress) {
    if (base.isEmpty()) {
      throw new InputException(adapter + " is an adapter that does not name its base model");
    }
    try {
      if (Files.isDirectory(Path.of(base))) {
        recover(Path.of(base));
      }
      return Hub.resolve(base, progress);
    } catch (InputException e) {
      throw new InputException(
          "the base model "
              + base
              + " of the adapter "
              + adapter
              + " cannot be opened: "
              + e.getMessage()
              + "; where the base has moved, say where to with "
              + Term.BASE_MODEL,
          e);
    }
  }

  private static void recover(Path folder) {
    try {
      ModelInstall.recover(folder);
    } catch (IOException e) {
      throw new InputException(
          folder + ": the model that was being put here cannot be put in place: " + e, e);
    }
  }

  /** Whether a folder holds a model or an adapter, whole, in part, or not yet in place. */
  public static boolean holdsModel(Path folder) throws IOException {
    return Files.isDirectory(folder)
        && (ModelInstall.isUnfinished(folder) || ModelFiles.anyIn(folder));
  }

  /** Reads the config.json of a folder. */
  public static ObjectNode readConfig(Path folder) {
    return ModelFiles.readObject(folder.resolve(ModelFiles.CONFIG));
  }

  /** The folder itself. */
  public Path path() {
    return path;
  }

  /** The folder with config.json and the model's weights: of an adapter, its base's. */
  public Path base() {
    return base;
  }

  public boolean isAdapter() {
    return adapter != null;
  }

  /** What adapter_config.json says; null of a model. */
  public AdapterConfig adapter() {
    return adapter;
  }

  /** A copy of the config.json of {@link #base}. */
  public ObjectNode config() {
    return config.deepCopy();
  }

  /** V, as config.json states it. */
  public int vocabularySize() {
    return config.path("vocab_size").asInt();
  }

  /** Whether it is an adapter whose vocabulary has not as many tokens as its base's. */
  public boolean hasOwnVocabulary() {
    return resized;
  }

  /** The class name that config.json gives first; empty: none. */
  public String architecture() {
    return config.path("architectures").path(0).asText("");
  }

  /** What training left in attune.json; empty where the model was made elsewhere. */
  public ObjectNode attune() {
    return attune.deepCopy();
  }

  /**
   * K of the head over sequences or tokens that is saved here, with the model or with the adapter;
   * empty where none is.
   */
  public OptionalInt savedOutputs() {
    return isAdapter() ? AdapterWeights.savedOutputs(path) : ModelWeights.headOutputs(path);
  }

  /**
   * The names of a head's outputs in the order of their ids; empty where nothing states them. Those
   * of an adapter are, in this order: attune.json's, as training here left them; those of a
   * config.json or of adapter_config.json in its own folder; its base's, unless a head is saved
   * with the adapter whose outputs are not as many.
   */
  public List<String> labelNames() {
    if (!isAdapter()) {
      return names(config.path("id2label"), base.resolve(ModelFiles.CONFIG));
    }
    for (String file : List.of(ModelFiles.ATTUNE, ModelFiles.CONFIG, ModelFiles.ADAPTER_CONFIG)) {
      Path place = path.resolve(file);
      List<String> names = names(ModelFiles.readOptional(place).path("id2label"), place);
      if (!names.isEmpty()) {
        return names;
      }
    }
    List<String> names = names(config.path("id2label"), base.resolve(ModelFiles.CONFIG));
    OptionalInt saved = savedOutputs();
    return saved.isPresent() && saved.getAsInt() != names.size() ? List.of() : names;
  }

  private static List<String> names(JsonNode id2label, Path file) {
    List<String> names = new ArrayList<>();
    if (!id2label.isObject() && !id2label.isMissingNode() && !id2label.isNull()) {
      throw new InputException(
          file + ": id2label is " + id2label + "; it must be names by their ids");
    }
    for (int id = 0; id < id2label.size(); id++) {
      JsonNode name = id2label.get(Integer.toString(id));
      if (name == null) {
        throw new InputException(file + ": id2label has no entry for " + id);
      }
      if (!name.isTextual() && !name.isNumber()) {
        throw new InputException(
            file + ": id2label names " + id + " " + name + "; a text is needed");
      }
      names.add(name.asText());
    }
    return names;
  }

  /** Opens the tokenizer: an adapter's own where its folder has one, else its base's. */
  public TextTokenizer openTokenizer() {
    JsonNode pad = config.path("pad_token_id");
    return TextTokenizer.open(
        tokenizerFolder(),
        base,
        pad.isInt() && Families.readsLastRows(config)
            ? OptionalInt.of(pad.intValue())
            : OptionalInt.empty());
  }

  /** Whether the tokenizer is in one file; else it is made of older ones, if these are there. */
  public boolean hasTokenizerFile() {
    return Files.exists(tokenizerFolder().resolve("tokenizer.json"));
  }

  /** Whether conversations have a form here. */
  public boolean hasChatTemplate() {
    return ChatTemplate.isIn(tokenizerFolder());
  }

  /** Whether its tokenizer and its chat template are those that are open. */
  public boolean hasTokenizerOf(TextTokenizer other) {
    try {
      return tokenizerFolder().equals(other.folder()) || other.isSavedIn(tokenizerFolder());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Why a tokenizer in an adapter's folder is not read; empty: it is, or there is none. */
  public Optional<String> tokenizerNote() {
    return ownTokenizer().note();
  }

  private Path tokenizerFolder() {
    return ownTokenizer().folder();
  }

  private synchronized OwnTokenizer ownTokenizer() {
    if (tokenizer == null) {
      tokenizer = OwnTokenizer.of(path, base);
    }
    return tokenizer;
  }

  /** The generation_config.json that counts, an adapter's own first; null: there is none. */
  public Path generationConfig() {
    for (Path folder : List.of(path, base)) {
      Path file = folder.resolve(ModelFiles.GENERATION_CONFIG);
      if (Files.isRegularFile(file)) {
        return file;
      }
    }
    return null;
  }

  /** What {@link #generationConfig} says; where there is none, config.json, as it once did. */
  public ObjectNode generation() {
    Path file = generationConfig();
    return file == null ? config() : ModelFiles.readObject(file);
  }
}
