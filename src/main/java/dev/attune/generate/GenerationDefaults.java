package dev.attune.generate;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * What a model's generation_config.json says about the texts that it continues. Every key is read,
 * or changes nothing, or left to who asks for a text ({@link #left}), or refused by name.
 *
 * @param ends tokens that end a text
 * @param rules which tokens may come
 * @param stops strings that end a text
 * @param left keys that choose among the tokens that may come, which whoever asks decides here,
 *     with their values: "temperature 0.6, top_p 0.9"; empty: none
 */
public record GenerationDefaults(
    Set<Integer> ends, LogitRules rules, List<String> stops, String left) {

  private static final String PENALTY = "repetition_penalty";
  private static final String NGRAM = "no_repeat_ngram_size";
  private static final String SUPPRESSED = "suppress_tokens";
  private static final String SUPPRESSED_FIRST = "begin_suppress_tokens";
  private static final String BAD_WORDS = "bad_words_ids";
  private static final String MIN_NEW = "min_new_tokens";
  private static final String MIN_LENGTH = "min_length";
  private static final String STOPS = "stop_strings";
  private static final String ENDS = "eos_token_id";

  private static final Set<String> READ =
      Set.of(
          PENALTY,
          NGRAM,
          SUPPRESSED,
          SUPPRESSED_FIRST,
          BAD_WORDS,
          MIN_NEW,
          MIN_LENGTH,
          STOPS,
          ENDS);

  /** How to choose, and how long: the options of a command or a call. */
  private static final Set<String> LEFT =
      Set.of(
          "do_sample",
          "temperature",
          "top_k",
          "top_p",
          "min_p",
          "num_beams",
          "length_penalty",
          "early_stopping",
          "max_length",
          "max_new_tokens");

  /** What says nothing about the text, or only how fast it comes. */
  private static final Set<String> HARMLESS =
      Set.of(
          "_from_model_config",
          "transformers_version",
          "bos_token_id", // begins a text without prompt; there is always one here
          "pad_token_id",
          "decoder_start_token_id", // of encoder-decoder models
          "is_assistant",
          "use_cache",
          "use_mtp",
          "cache_implementation",
          "cache_config",
          "max_cache_len",
          "return_legacy_cache",
          "output_attentions",
          "output_hidden_states",
          "output_scores",
          "output_logits",
          "return_dict_in_generate",
          "num_assistant_tokens",
          "num_assistant_tokens_schedule",
          "assistant_confidence_threshold",
          "assistant_lookbehind",
          "target_lookbehind",
          "assistant_early_exit",
          "assistant_ensemble_weight",
          "speculation_type",
          "prompt_lookup_num_tokens",
          "max_matching_ngram_size",
          "compile_config",
          "disable_compile",
          "continuous_batching_config",
          "low_memory",
          "prefill_chunk_size",
          "renormalize_logits", // no order of tokens changes, and probabilities are normalised here
          "remove_invalid_values",
          "chat_format", // of programs before chat templates
          "trust_remote_code",
          "max_window_size",
          "user_token_id",
          "assistant_token_id");

  /**
   * What config.json said of generation before there was a file for it, and is not offered here.
   */
  private static final Set<String> OF_OLD_CONFIGS =
      Set.of(
          "diversity_penalty",
          "encoder_no_repeat_ngram_size",
          "exponential_decay_length_penalty",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "num_beam_groups",
          "num_return_sequences",
          "typical_p");

  /** Values with which a key says nothing. */
  private static final Map<String, Double> NEUTRAL =
      Map.ofEntries(
          Map.entry("diversity_penalty", 0.0),
          Map.entry("encoder_no_repeat_ngram_size", 0.0),
          Map.entry("encoder_repetition_penalty", 1.0),
          Map.entry("epsilon_cutoff", 0.0),
          Map.entry("eta_cutoff", 0.0),
          Map.entry("guidance_scale", 1.0),
          Map.entry("num_beam_groups", 1.0),
          Map.entry("num_return_sequences", 1.0),
          Map.entry("penalty_alpha", 0.0),
          Map.entry("top_h", 1.0),
          Map.entry("typical_p", 1.0));

  /**
   * Reads the file of a folder; where there is none, the keys that an old config.json holds.
   *
   * @throws InputException naming a key that asks for what is not offered
   */
  public static GenerationDefaults of(ModelFolder folder) {
    Path file = folder.generationConfig();
    JsonNode json = folder.generation();
    if (file != null) {
      check(file, json, key -> true);
    } else {
      check(folder.base().resolve("config.json"), json, OF_OLD_CONFIGS::contains);
    }
    try {
      return new GenerationDefaults(
          new TreeSet<>(ids(json, ENDS)),
          new LogitRules(
              number(json, PENALTY, 1),
              whole(json, NGRAM),
              ids(json, SUPPRESSED),
              ids(json, SUPPRESSED_FIRST),
              words(json, BAD_WORDS),
              whole(json, MIN_NEW),
              whole(json, MIN_LENGTH)),
          strings(json, STOPS),
          file == null ? "" : left(json));
    } catch (InputException e) {
      throw new InputException((file == null ? folder.base() : file) + ": " + e.getMessage(), e);
    }
  }

  private static void check(Path file, JsonNode json, Predicate<String> isOfGeneration) {
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      JsonNode value = entry.getValue();
      if (!isOfGeneration.test(key)) {
        continue;
      }
      if (READ.contains(key) || LEFT.contains(key) || HARMLESS.contains(key) || isEmpty(value)) {
        continue;
      }
      if (!(NEUTRAL.containsKey(key)
          && value.isNumber()
          && value.doubleValue() == NEUTRAL.get(key))) {
        throw new InputException(
            file
                + ": "
                + key
                + " is "
                + value
                + ", which is not offered here; texts would be others than this model's folder"
                + " asks for. Take the key out to do without it");
      }
    }
  }

  private static boolean isEmpty(JsonNode value) {
    return value.isNull()
        || value.isBoolean() && !value.booleanValue()
        || value.isContainerNode() && value.isEmpty();
  }

  private static String left(JsonNode json) {
    List<String> asked = new ArrayList<>();
    boolean samples = json.path("do_sample").asBoolean(false);
    boolean searches = json.path("num_beams").asInt(1) > 1;
    for (String key : List.of("temperature", "top_k", "top_p", "min_p")) {
      if (samples && json.hasNonNull(key)) {
        asked.add(key + " " + json.get(key).asText());
      }
    }
    if (samples && asked.isEmpty()) {
      asked.add("do_sample");
    }
    if (searches) {
      asked.add("num_beams " + json.get("num_beams").asText());
    }
    return String.join(", ", asked);
  }

  private static double number(JsonNode json, String key, double ifAbsent) {
    JsonNode value = json.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return ifAbsent;
    }
    if (!value.isNumber()) {
      throw wrong(key, value, "a number");
    }
    return value.doubleValue();
  }

  private static int whole(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return 0;
    }
    return id(key, value, "a whole number");
  }

  private static int id(String key, JsonNode value, String wanted) {
    if (!value.isInt()) {
      throw wrong(key, value, wanted);
    }
    return value.intValue();
  }

  private static Set<Integer> ids(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return Set.of();
    }
    Set<Integer> ids = new HashSet<>();
    String wanted = "an id, or a list of ids";
    if (value.isArray()) {
      value.forEach(one -> ids.add(id(key, one, wanted)));
    } else {
      ids.add(id(key, value, wanted));
    }
    return ids;
  }

  private static List<List<Integer>> words(JsonNode json, String key) {
    JsonNode value = json.path(key);
    List<List<Integer>> words = new ArrayList<>();
    for (JsonNode word : value) {
      String wanted = "a list of lists of ids";
      if (!word.isArray() || word.isEmpty()) {
        throw wrong(key, value, wanted);
      }
      List<Integer> ids = new ArrayList<>();
      word.forEach(one -> ids.add(id(key, one, wanted)));
      words.add(ids);
    }
    if (!value.isMissingNode() && !value.isNull() && !value.isArray()) {
      throw wrong(key, value, "a list of lists of ids");
    }
    return words;
  }

  private static List<String> strings(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return List.of();
    }
    List<String> strings = new ArrayList<>();
    for (JsonNode one : value.isArray() ? value : List.of(value)) {
      if (!one.isTextual() || one.asText().isEmpty()) {
        throw wrong(key, value, "a string, or a list of strings");
      }
      strings.add(one.asText());
    }
    return List.copyOf(strings);
  }

  private static InputException wrong(String key, JsonNode value, String wanted) {
    return new InputException(key + " is " + value + "; it must be " + wanted);
  }
}
