package dev.attune.text;

import static dev.attune.text.TokenizerParts.isType;
import static dev.attune.text.TokenizerParts.typed;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Map;

/**
 * A tokenizer.json of other parts than the class that its folder names would build: pieces of bytes
 * under Llama's class, cuts of digits under GPT-2's (SmolLM). It is read as it is, for so the model
 * was trained, and so Transformers 4 reads it; Transformers 5 drops those parts. A folder that is
 * written here names no class therefore, so that both read what the model learned.
 */
final class KeptFile {
  /** Transformers' name, in all its versions, for a tokenizer.json as it is. */
  private static final String AS_IT_IS = "PreTrainedTokenizerFast";

  private static final String INPUTS = "model_input_names";
  private static final String PADDING = "padding_side";

  private KeptFile() {}

  /**
   * Whether a file has parts that its class would not build.
   *
   * @param tokenizer tokenizer.json, with what the class's arguments change in it
   */
  static boolean isKept(String tokenizer, JsonNode config, JsonNode modelConfig) {
    try {
      TokenizerParts parts = TokenizerParts.of(tokenizer);
      JsonNode cuts = parts.preTokenizer;
      return switch (TokenizerClass.of(config, modelConfig)) {
        case BERT, MPNET ->
            !isType(parts.normalizer, "BertNormalizer")
                || !isType(cuts, "BertPreTokenizer")
                || !parts.isModel("WordPiece");
        case BYTE_LEVEL -> !parts.normalizer.isNull() || !areBytes(cuts) || !parts.isModel("BPE");
        case GPT_NEOX ->
            !isType(parts.normalizer, "NFC") || !areBytes(cuts) || !parts.isModel("BPE");
        case QWEN2 -> typed(cuts, "ByteLevel", "pretokenizers").isEmpty() || !parts.isModel("BPE");
        case LLAMA -> !isType(cuts, "Metaspace") || !parts.isModel("BPE");
        case SENTENCEPIECE, XLM_ROBERTA, ALBERT ->
            typed(cuts, "Metaspace", "pretokenizers").isEmpty() || !parts.isModel("Unigram");
        case DEBERTA, PLAIN -> false;
      };
    } catch (IOException | ClassCastException e) {
      return false; // The native parser reports what is wrong, and where.
    }
  }

  private static boolean areBytes(JsonNode cuts) {
    return isType(cuts, "ByteLevel") && cuts.path("use_regex").asBoolean(true);
  }

  /**
   * tokenizer_config.json that names no class, and says what that class has by itself.
   *
   * @param vocabulary which may lack the class's special tokens
   */
  static ObjectNode config(JsonNode config, JsonNode modelConfig, TokenVocabulary vocabulary) {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    String name = TokenizerClass.name(config, modelConfig);
    ObjectNode out = config.isObject() ? config.deepCopy() : nodes.objectNode();
    for (Map.Entry<String, String> role : SpecialTokens.usual(name).entrySet()) {
      if (!out.has(role.getKey()) && vocabulary.tokenId(role.getValue()).isPresent()) {
        out.put(role.getKey(), role.getValue());
      }
    }
    if (!out.path(INPUTS).isArray()) { // whose default in Transformers 4 has types
      ArrayNode inputs = out.putArray(INPUTS).add("input_ids");
      if (TokenizerClass.givesTypes(config, modelConfig)) {
        inputs.add("token_type_ids");
      }
      inputs.add("attention_mask");
    }
    if (TokenizerClass.of(config, modelConfig) == TokenizerClass.LLAMA && !out.has(PADDING)) {
      out.put(PADDING, "left");
    }
    return out.put("tokenizer_class", AS_IT_IS);
  }
}
