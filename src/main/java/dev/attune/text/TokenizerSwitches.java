package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Check;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.regex.Pattern;

/** What the files of a tokenizer and the config of its model switch on or off. */
final class TokenizerSwitches {
  private static final String SPLITS_SPECIAL = "split_special_tokens";

  /** Models with token types where config.json does not say how many. */
  private static final Set<String> TYPED_FAMILIES =
      Set.of("bert", "electra", "albert", "roberta", "xlm-roberta", "camembert");

  /** Asks Transformers for other cuts than those of a tokenizer.json that was saved wrongly. */
  private static final String OTHER_CUTS = "fix_mistral_regex";

  /** Models whose files were saved so; others with older files are not changed. */
  private static final Set<String> CUT_OTHERWISE =
      Set.of("mistral", "mistral3", "voxtral", "ministral", "pixtral");

  /** Pieces from which on Transformers looks whether a file was saved so. */
  private static final int MANY = 100_000;

  /** Versions of Transformers that saved it so, those before 5.0.0. */
  private static final Pattern OLD =
      Pattern.compile("[0-4](\\..*)?|5(\\.0)*[._-]?(dev|a|b|c|rc).*");

  /** Of those cuts, as a tokenizer.json spells them. */
  private static final String THEIR_PATTERN =
      "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+";

  private TokenizerSwitches() {}

  /**
   * Refuses what would change the ids of texts and is not supported.
   *
   * @param tokenizer tokenizer.json
   * @throws dev.attune.core.InputException naming the key
   */
  static void check(Path folder, JsonNode config, JsonNode modelConfig, String tokenizer) {
    Check.input(
        !config.path(SPLITS_SPECIAL).asBoolean(false),
        "%s: %s is true, which is not supported: special tokens in a text would be split like"
            + " words. Set it to false",
        folder.resolve("tokenizer_config.json"),
        SPLITS_SPECIAL);
    Check.input(
        !config.path(OTHER_CUTS).asBoolean(false)
            || tokenizer.contains(THEIR_PATTERN)
            || !isCutOtherwise(folder, modelConfig, tokenizer),
        "%s: %s is true, and tokenizer.json has other cuts than that asks for: not supported. Save"
            + " the tokenizer with AutoTokenizer.from_pretrained(..., %s=True).save_pretrained(...)"
            + " in Transformers, which writes them; or take the key out where the model was trained"
            + " with the cuts of the file",
        folder.resolve("tokenizer_config.json"),
        OTHER_CUTS,
        OTHER_CUTS);
    Check.input(
        !modelConfig.path("model_type").asText().equals("gpt2")
            || !TokenizerClass.givesTypes(config, modelConfig),
        "%s: its class, or its 'model_input_names', gives a gpt2 model token_type_ids, which"
            + " Transformers adds to the words as if they were tokens: not supported. Set"
            + " 'model_input_names' to [\"input_ids\", \"attention_mask\"]",
        folder.resolve("tokenizer_config.json"));
  }

  /**
   * Whether Transformers puts those cuts in the place of a file's own where it is asked to.
   *
   * <p>Source: {@code _patch_mistral_regex} in {@code tokenization_utils_tokenizers.py} of 5.18. It
   * looks for config.json beside the tokenizer, which an adapter's folder lacks.
   */
  private static boolean isCutOtherwise(Path folder, JsonNode modelConfig, String tokenizer) {
    String version = modelConfig.path("transformers_version").asText("");
    boolean isAsked =
        Files.exists(folder.resolve("config.json"))
            && (version.isEmpty()
                || OLD.matcher(version).matches()
                    && (!modelConfig.hasNonNull("model_type")
                        || CUT_OTHERWISE.contains(modelConfig.get("model_type").asText())));
    try {
      return isAsked
          && JsonFile.part(tokenizer, "pre_tokenizer").isObject()
          && AddedTokens.vocabulary(WholeJson.of(tokenizer)).size() > MANY;
    } catch (IOException e) {
      return false; // The native parser reports what is wrong, and where.
    }
  }

  /** Whether the model reads type ids. */
  static boolean typeIds(JsonNode modelConfig, JsonNode tokenizerConfig) {
    if (!TokenizerClass.givesTypes(tokenizerConfig, modelConfig)) {
      return false;
    }
    return modelConfig.has("type_vocab_size")
        ? modelConfig.get("type_vocab_size").asInt() > 1
        : !modelConfig.has("model_type")
            || TYPED_FAMILIES.contains(modelConfig.get("model_type").asText());
  }

  /**
   * Whether long texts lose their beginning: tokenizer.json may say it where tokenizer_config.json
   * does not.
   */
  static boolean truncatesLeft(JsonNode config, String json) {
    if (config.has("truncation_side")) {
      return config.get("truncation_side").asText().equals("left");
    }
    try {
      return JsonFile.part(json, "truncation").path("direction").asText().equals("Left");
    } catch (IOException e) {
      return false; // The native parser reports what is wrong, and where.
    }
  }
}
