package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.Set;

/** The tokenizer_config.json of a folder, whose switches are what Transformers takes. */
final class TokenizerConfig {
  private static final String NAME = "tokenizer_config.json";

  /** True, false or null, which is false to most. */
  private static final Set<String> SWITCHES =
      Set.of(
          "add_bos_token",
          "add_eos_token",
          "add_prefix_space",
          "do_lower_case",
          "fix_mistral_regex",
          "keep_accents",
          "legacy",
          "split_by_punct",
          "split_special_tokens",
          "strip_accents",
          "tokenize_chinese_chars");

  private static final Set<String> SIDES = Set.of("left", "right");

  private TokenizerConfig() {}

  /**
   * Reads it; empty where there is none.
   *
   * @throws InputException naming a key whose value is none that Transformers takes
   */
  static JsonNode read(Path folder) {
    Path file = folder.resolve(NAME);
    JsonNode config = JsonFile.read(file);
    for (String key : SWITCHES) {
      if (config.hasNonNull(key) && !config.get(key).isBoolean()) {
        throw new InputException(
            file + ": '" + key + "' is " + config.get(key) + "; true or false is needed");
      }
    }
    JsonNode side = config.path("truncation_side");
    if (!side.isMissingNode() && !SIDES.contains(side.asText())) {
      throw new InputException(
          file + ": 'truncation_side' is " + side + "; \"left\" or \"right\" is needed");
    }
    return config;
  }
}
