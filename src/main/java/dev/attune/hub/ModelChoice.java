package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.core.WholeJson;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Which files of a model's repository are fetched: what a model folder is read from, one form of
 * the weights, nothing else. Repositories hold the same weights in many forms.
 */
final class ModelChoice {
  static final String CONFIG = "config.json";
  static final String ADAPTER_CONFIG = "adapter_config.json";

  private static final String INDEX = ".index.json";

  /** In the order in which a folder's weights are looked for. */
  private static final List<String> WEIGHTS = List.of("model.safetensors", "pytorch_model.bin");

  private static final List<String> ADAPTER_WEIGHTS =
      List.of("adapter_model.safetensors", "adapter_model.bin");

  private static final Set<String> DESCRIPTIONS = new HashSet<>(TextTokenizer.FILES);

  static {
    DESCRIPTIONS.addAll(
        List.of(
            CONFIG,
            ADAPTER_CONFIG,
            "generation_config.json",
            "attune.json",
            // Of models that make vectors of texts:
            "modules.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json"));
  }

  /** The parts of such a model, a folder each. */
  private static final Pattern PART_CONFIG = Pattern.compile("\\d+_\\w+/config\\.json");

  private ModelChoice() {}

  /**
   * What is fetched before a shard: descriptions, and the weights or the index of their shards.
   *
   * @param name for messages
   * @param files that the repository has
   * @throws InputException if they make no model that can be read
   */
  static Set<String> first(String name, Collection<String> files) {
    Set<String> chosen = new TreeSet<>();
    for (String file : files) {
      if (DESCRIPTIONS.contains(file) || PART_CONFIG.matcher(file).matches()) {
        chosen.add(file);
      }
    }
    boolean adapter = chosen.contains(ADAPTER_CONFIG);
    if (!adapter && !chosen.contains(CONFIG)) {
      throw new InputException(
          name
              + " is no model of Transformers: it has no config.json; it holds "
              + listed(files)
              + ". Name the model that it was made from, or a folder on this machine");
    }
    String weights = weights(adapter, files::contains);
    if (weights == null) {
      throw new InputException(
          name
              + " has no weights that can be read: expected "
              + String.join(" or ", adapter ? ADAPTER_WEIGHTS : WEIGHTS)
              + (adapter ? "" : ", whole or in shards")
              + "; it holds "
              + listed(files));
    }
    chosen.add(weights);
    return chosen;
  }

  /** The file that the weights are read from: them, or the index of their shards; null: none. */
  private static String weights(boolean adapter, Predicate<String> has) {
    for (String name : adapter ? ADAPTER_WEIGHTS : WEIGHTS) {
      if (has.test(name)) {
        return name;
      }
      if (!adapter && has.test(name + INDEX)) {
        return name + INDEX;
      }
    }
    return null;
  }

  private static String listed(Collection<String> files) {
    List<String> some = files.stream().sorted().limit(20).toList();
    return some.isEmpty()
        ? "nothing"
        : String.join(", ", some) + (files.size() > some.size() ? " …" : "");
  }

  /**
   * The shards that an index names, once it is there; empty where the weights are whole.
   *
   * @param chosen by {@link #first}, all of them in the folder
   */
  static Set<String> shards(Path folder, Set<String> chosen) throws IOException {
    Set<String> shards = new TreeSet<>();
    for (String file : chosen) {
      if (file.endsWith(INDEX)) {
        JsonNode map = WholeJson.read(folder.resolve(file)).path("weight_map");
        map.forEach(shard -> shards.add(shard.asText()));
        for (String shard : shards) {
          RepositoryPath.below(folder, shard);
        }
      }
    }
    return shards;
  }

  /**
   * What a folder lacks of a model, where nothing says what its repository has: empty if it can be
   * opened.
   */
  static List<String> missing(Path folder) throws IOException {
    Predicate<String> has = name -> Files.isRegularFile(folder.resolve(name));
    boolean adapter = has.test(ADAPTER_CONFIG);
    List<String> missing = new ArrayList<>();
    if (!adapter && !has.test(CONFIG)) {
      missing.add(CONFIG);
    }
    if (!adapter && !TextTokenizer.isIn(folder)) {
      missing.add("the tokenizer's files");
    }
    String weights = weights(adapter, has);
    if (weights == null) {
      missing.add("the weights");
    } else {
      shards(folder, Set.of(weights)).stream().filter(has.negate()).forEach(missing::add);
    }
    return missing;
  }
}
