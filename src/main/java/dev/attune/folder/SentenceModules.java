package dev.attune.folder;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.Term;
import dev.attune.core.WholeJson;
import dev.attune.model.Head.Pooling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What sentence-transformers' files beside a model say of how texts become vectors: {@code
 * modules.json}, the pooling's {@code config.json}, {@code config_sentence_transformers.json} and
 * {@code sentence_bert_config.json}. Read in the forms of its versions 2 to 6, written in one that
 * all of them read.
 *
 * @param pooling which rows make the vector
 * @param normalizes whether vectors are made unit vectors
 * @param maxLength tokens of a text; null: what the model's positions allow
 * @param prompts what is put before texts, by name
 * @param defaultPrompt the name of the prompt of texts where none is named; null: none
 * @param similarity how vectors are meant to be compared: cosine, dot, euclidean or manhattan
 */
public record SentenceModules(
    Pooling pooling,
    boolean normalizes,
    Integer maxLength,
    Map<String, String> prompts,
    String defaultPrompt,
    String similarity) {
  static final String MODULES = "modules.json";
  static final String SETTINGS = "config_sentence_transformers.json";
  static final String LENGTH = "sentence_bert_config.json";
  static final String POOLING = "1_Pooling/config.json";
  static final String NORMALIZE = "2_Normalize/config.json";

  /** Of versions before 5 of sentence-transformers, which later ones read too. */
  private static final String PACKAGE = "sentence_transformers.models.";

  private static final String COSINE = "cosine";
  private static final Set<String> SIMILARITIES = Set.of(COSINE, "dot", "euclidean", "manhattan");
  private static final Map<String, Pooling> POOLINGS = new LinkedHashMap<>();

  static {
    POOLINGS.put("mean", Pooling.MEAN);
    POOLINGS.put("cls", Pooling.FIRST);
    POOLINGS.put("lasttoken", Pooling.LAST);
  }

  private static final Set<String> KNOWN_SETTINGS =
      Set.of(
          "__version__",
          "prompts",
          "default_prompt_name",
          "similarity_fn_name",
          "model_type",
          "truncate_dim");

  private static final Set<String> KNOWN_LENGTHS =
      Set.of(
          "max_seq_length",
          "do_lower_case",
          "transformer_task",
          "modality_config",
          "module_output_name");

  private static final Set<String> KNOWN_POOLINGS =
      Set.of("word_embedding_dimension", "embedding_dimension", "pooling_mode", "include_prompt");

  private static final String MODE = "pooling_mode_";

  public SentenceModules {
    prompts = Map.copyOf(prompts);
  }

  /** Of a model without files of the kind: the mean of all tokens. */
  public static SentenceModules plain() {
    return new SentenceModules(Pooling.MEAN, false, null, Map.of(), null, COSINE);
  }

  /** Whether a folder has files of the kind. */
  public static boolean areIn(Path folder) {
    return Files.isRegularFile(folder.resolve(MODULES));
  }

  /**
   * What a folder says.
   *
   * @throws InputException if it asks for what is not supported, by name
   */
  public static SentenceModules read(Path folder) {
    if (!areIn(folder)) {
      return plain();
    }
    Path place = null;
    boolean normalizes = false;
    List<String> steps = new ArrayList<>();
    for (JsonNode module : array(folder.resolve(MODULES))) {
      String type = module.path("type").asText();
      Path at = folder.resolve(module.path("path").asText());
      String step = type.substring(type.lastIndexOf('.') + 1);
      steps.add(step);
      switch (step) {
        case "Transformer" -> checkOwn(folder, module);
        case "Normalize" -> {
          checkNormalize(ModelFiles.readOptional(at.resolve(ModelFiles.CONFIG)), at);
          normalizes = true;
        }
        case "Pooling" -> place = at;
        default ->
            throw new InputException(
                folder
                    + ": modules.json names '"
                    + type
                    + "', which is not supported; supported are"
                    + " Transformer, Pooling and Normalize");
      }
    }
    if (!steps.equals(List.of("Transformer", "Pooling"))
        && !steps.equals(List.of("Transformer", "Pooling", "Normalize"))) {
      throw new InputException(
          folder
              + ": modules.json runs "
              + String.join(", ", steps)
              + "; supported are Transformer and Pooling, and Normalize behind them, once each in"
              + " this order");
    }
    if (place == null || !Files.isRegularFile(place.resolve(ModelFiles.CONFIG))) {
      throw new InputException(folder + ": modules.json says of no pooling that has a config.json");
    }
    Pooling pooling = pooling(ModelFiles.readObject(place.resolve(ModelFiles.CONFIG)), folder);
    ObjectNode settings = ModelFiles.readOptional(folder.resolve(SETTINGS));
    checkSettings(settings, folder);
    Map<String, String> prompts = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> prompt : settings.path("prompts").properties()) {
      if (!prompt.getValue().isTextual() && !prompt.getValue().isNull()) {
        throw unsupported(folder.resolve(SETTINGS), prompt);
      }
      prompts.put(prompt.getKey(), prompt.getValue().asText(""));
    }
    return new SentenceModules(
        pooling,
        normalizes,
        maxLength(folder),
        prompts,
        settings.path("default_prompt_name").asText(null),
        settings.path("similarity_fn_name").asText(COSINE));
  }

  /** The files of a folder that {@link #read} reads, beside the tokenizer's; some may be absent. */
  public static List<Path> files(Path folder) {
    if (!areIn(folder)) {
      return List.of();
    }
    List<Path> files = new ArrayList<>();
    for (String name : List.of(MODULES, SETTINGS, LENGTH)) {
      files.add(folder.resolve(name));
    }
    for (JsonNode module : array(folder.resolve(MODULES))) {
      String place = module.path("path").asText();
      if (!place.isEmpty()) { // the model itself
        files.add(folder.resolve(place).resolve(ModelFiles.CONFIG));
      }
    }
    return files;
  }

  private static JsonNode array(Path file) {
    try {
      JsonNode json = WholeJson.read(file);
      if (json.isArray()) {
        return json;
      }
      throw new InputException(file + ": not a list of modules");
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": not valid JSON: " + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Old folders have the model in a folder of its own. */
  private static void checkOwn(Path folder, JsonNode module) {
    String place = module.path("path").asText();
    if (!place.isEmpty()) {
      throw new InputException(
          folder
              + ": modules.json has the model in '"
              + place
              + "', and here it is to lie beside modules.json: move the files of that folder up, and"
              + " make the path empty");
    }
  }

  private static void checkNormalize(ObjectNode config, Path at) {
    for (Map.Entry<String, JsonNode> key : config.properties()) {
      boolean isName = Set.of("module_input_name", "module_output_name").contains(key.getKey());
      if (!isName || !key.getValue().asText().equals("sentence_embedding")) {
        throw unsupported(at.resolve(ModelFiles.CONFIG), key);
      }
    }
  }

  private static InputException unsupported(Path file, Map.Entry<String, JsonNode> key) {
    return new InputException(
        file + ": '" + key.getKey() + "' is " + key.getValue() + ", which is not supported");
  }

  private static Pooling pooling(ObjectNode config, Path folder) {
    Map<String, String> modes = new LinkedHashMap<>(); // by what the file calls them
    JsonNode named = config.path("pooling_mode");
    for (Map.Entry<String, JsonNode> key : config.properties()) {
      String name = key.getKey();
      if (name.startsWith(MODE)) {
        if (!key.getValue().isBoolean()) {
          throw unsupported(folder.resolve(POOLING), key);
        }
        if (named.isMissingNode() && key.getValue().booleanValue()) {
          String mode = name.substring(MODE.length());
          modes.put(
              name,
              switch (mode) {
                case "cls_token", "max_tokens", "mean_tokens" ->
                    mode.substring(0, mode.indexOf('_'));
                default -> mode;
              });
        }
      } else if (!KNOWN_POOLINGS.contains(name)
          || name.equals("include_prompt") && !key.getValue().asBoolean()) {
        throw unsupported(folder.resolve(POOLING), key);
      }
    }
    if (named.isArray()) {
      named.forEach(mode -> modes.put(mode.asText(), mode.asText()));
    } else if (named.isTextual()) {
      modes.put(named.asText(), named.asText());
    }
    if (modes.size() > 1) {
      throw new InputException(folder + ": more than one pooling at a time is not supported");
    }
    if (modes.isEmpty()) {
      throw new InputException(folder + ": the pooling's config.json names no pooling");
    }
    Map.Entry<String, String> mode = modes.entrySet().iterator().next();
    Pooling pooling = POOLINGS.get(mode.getValue());
    if (pooling == null) {
      throw new InputException(
          folder
              + ": the pooling "
              + mode.getKey()
              + " is not supported; supported are "
              + String.join(", ", POOLINGS.keySet()));
    }
    return pooling;
  }

  private static void checkSettings(ObjectNode settings, Path folder) {
    for (Map.Entry<String, JsonNode> key : settings.properties()) {
      JsonNode value = key.getValue();
      boolean fits =
          switch (key.getKey()) {
            case "model_type" -> value.asText().equals("SentenceTransformer");
            case "similarity_fn_name" -> value.isNull() || SIMILARITIES.contains(value.asText());
            case "truncate_dim" -> value.isNull();
            case "prompts" -> value.isNull() || value.isObject();
            case "default_prompt_name" -> value.isNull() || value.isTextual();
            default -> KNOWN_SETTINGS.contains(key.getKey());
          };
      if (!fits) {
        throw unsupported(folder.resolve(SETTINGS), key);
      }
    }
  }

  /** What sentence_bert_config.json says; in newer folders the tokenizer's settings say it. */
  private static Integer maxLength(Path folder) {
    ObjectNode config = ModelFiles.readOptional(folder.resolve(LENGTH));
    for (Map.Entry<String, JsonNode> key : config.properties()) {
      JsonNode value = key.getValue();
      boolean fits =
          switch (key.getKey()) {
            case "do_lower_case" -> value.isNull() || value.isBoolean() && !value.booleanValue();
            case "max_seq_length" -> value.isNull() || value.isInt() && value.intValue() > 0;
            case "transformer_task" -> value.asText().equals("feature-extraction");
            default ->
                KNOWN_LENGTHS.contains(key.getKey())
                    || value.isNull()
                    || value.isContainerNode() && value.isEmpty();
          };
      if (!fits) {
        throw unsupported(folder.resolve(LENGTH), key);
      }
    }
    JsonNode stated = config.path("max_seq_length");
    if (stated.isMissingNode() || stated.isNull()) {
      // Some state a number beyond any text, which is none.
      stated =
          ModelFiles.readOptional(folder.resolve("tokenizer_config.json")).path("model_max_length");
    }
    return stated.canConvertToInt() && stated.asInt() > 0 ? stated.asInt() : null;
  }

  /** The pooling that an option names. */
  public static Pooling poolingNamed(String name) {
    Pooling pooling = POOLINGS.get(name);
    if (pooling == null) {
      throw new InputException(
          Term.POOLING + " is '" + name + "'; allowed are " + String.join(", ", POOLINGS.keySet()));
    }
    return pooling;
  }

  /** The name of the pooling: {@code mean}, {@code cls} or {@code lasttoken}. */
  public String poolingName() {
    return POOLINGS.entrySet().stream()
        .filter(entry -> entry.getValue() == pooling)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  /** The same with another pooling. */
  public SentenceModules with(Pooling other) {
    return new SentenceModules(other, normalizes, maxLength, prompts, defaultPrompt, similarity);
  }

  /** The same, with unit vectors or without. */
  public SentenceModules normalizing(boolean unit) {
    return new SentenceModules(pooling, unit, maxLength, prompts, defaultPrompt, similarity);
  }

  /** The same with more prompts, or others by their names. */
  public SentenceModules prompting(Map<String, String> more) {
    Map<String, String> all = new LinkedHashMap<>(prompts);
    all.putAll(more);
    return new SentenceModules(pooling, normalizes, maxLength, all, defaultPrompt, similarity);
  }

  /**
   * What is put before a text.
   *
   * @param name of a prompt; null: the default, if there is one
   * @throws InputException if there is none of that name
   */
  public String prompt(String name) {
    if (name == null && defaultPrompt == null) {
      return "";
    }
    String wanted = name == null ? defaultPrompt : name;
    String prompt = prompts.get(wanted);
    if (prompt == null) {
      throw new InputException(
          Term.PROMPT_NAME
              + " is '"
              + wanted
              + "'; the model has "
              + (prompts.isEmpty()
                  ? "no prompts"
                  : "the prompts "
                      + String.join(", ", prompts.keySet().stream().sorted().toList())));
    }
    return prompt;
  }

  /**
   * Writes the files into a model's folder.
   *
   * @param width C
   * @param length tokens of a text at most
   */
  void write(Path folder, int width, int length) throws IOException {
    ArrayNode modules = JsonNodeFactory.instance.arrayNode();
    add(modules, "", "Transformer");
    add(modules, "1_Pooling", "Pooling");
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    config.put("word_embedding_dimension", width);
    for (String mode :
        List.of(
            "cls_token",
            "mean_tokens",
            "max_tokens",
            "mean_sqrt_len_tokens",
            "weightedmean_tokens",
            "lasttoken")) {
      config.put(
          MODE + mode, mode.equals(poolingName()) || mode.startsWith(poolingName() + "_tok"));
    }
    config.put("include_prompt", true);
    writeJson(folder.resolve(POOLING), config);
    if (normalizes) {
      add(modules, "2_Normalize", "Normalize");
      writeJson(folder.resolve(NORMALIZE), JsonNodeFactory.instance.objectNode());
    }
    writeJson(folder.resolve(MODULES), modules);
    ObjectNode settings = JsonNodeFactory.instance.objectNode();
    ObjectNode texts = settings.putObject("prompts");
    prompts.keySet().stream().sorted().forEach(name -> texts.put(name, prompts.get(name)));
    settings.put("default_prompt_name", defaultPrompt);
    settings.put("similarity_fn_name", similarity);
    writeJson(folder.resolve(SETTINGS), settings);
    ObjectNode lengths = JsonNodeFactory.instance.objectNode();
    writeJson(
        folder.resolve(LENGTH), lengths.put("max_seq_length", length).put("do_lower_case", false));
  }

  private static void writeJson(Path file, JsonNode json) throws IOException {
    FileOps.SYSTEM.createFolder(file.getParent());
    ModelFiles.writeJson(file, json);
  }

  private static void add(ArrayNode modules, String path, String type) {
    int index = modules.size();
    modules
        .addObject()
        .put("idx", index)
        .put("name", Integer.toString(index))
        .put("path", path)
        .put("type", PACKAGE + type);
  }
}
