package dev.attune.text;

import static dev.attune.text.TokenizerParts.isType;
import static dev.attune.text.TokenizerParts.typed;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The class of a tokenizer in Transformers, and what it makes of a tokenizer.json. A class of its
 * own takes the vocabulary from that file, but builds the rest by the arguments in
 * tokenizer_config.json ({@code add_prefix_space}, {@code do_lower_case} …) or, where those say
 * nothing, by its defaults. Where the two files agree, as in most folders, nothing is changed here.
 *
 * <p>A file built of other parts than its class has (a byte-level vocabulary under a sentencepiece
 * class) is left as it is: the model was trained with it.
 *
 * <p>Source: {@code models/(name)/tokenization_(name).py} and {@code
 * models/auto/tokenization_auto.py} of Transformers 5.18.
 */
enum TokenizerClass {
  /** BERT's words: folding of case and accents. */
  BERT {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      if (parts.normalizer instanceof ObjectNode bert && isType(bert, "BertNormalizer")) {
        bert.put("lowercase", flag(config, "do_lower_case", true));
        bert.put("handle_chinese_chars", flag(config, "tokenize_chinese_chars", true));
        JsonNode strip = config.path("strip_accents");
        bert.set("strip_accents", strip.isBoolean() ? strip : NODES.nullNode());
        bert.put("clean_text", true);
        JsonNode most = NODES.numberNode(100);
        parts.fix("WordPiece", "max_input_chars_per_word", most, most);
        JsonNode inside = NODES.textNode("##");
        parts.fix("WordPiece", "continuing_subword_prefix", inside, inside);
      }
    }
  },
  /** MPNet: that, and texts and pairs are framed as RoBERTa's are, whatever the file says. */
  MPNET {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      BERT.apply(parts, config);
      Integer begin = parts.frameId(true);
      Integer end = parts.frameId(false);
      if (begin == null || end == null) {
        return;
      }
      ObjectNode frame = NODES.objectNode().put("type", "RobertaProcessing");
      frame.putArray("sep").add(parts.frame(false)).add(end);
      frame.putArray("cls").add(parts.frame(true)).add(begin);
      parts.postProcessor = frame.put("trim_offsets", true).put(ADD_PREFIX_SPACE, false);
    }
  },
  /** Pieces of bytes: whether a text begins with a space. */
  BYTE_LEVEL {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      boolean prefix = flag(config, ADD_PREFIX_SPACE, false);
      for (ObjectNode part : typed(parts.preTokenizer, "ByteLevel", "pretokenizers")) {
        part.put(ADD_PREFIX_SPACE, prefix);
        parts.fixMerges(false, false);
      }
      for (ObjectNode part : typed(parts.postProcessor, "RobertaProcessing", "processors")) {
        part.put(ADD_PREFIX_SPACE, prefix);
        part.put("trim_offsets", flag(config, "trim_offsets", true));
      }
    }
  },
  /** GPT-NeoX, which moreover adds no special tokens, whatever its file says. */
  GPT_NEOX {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      BYTE_LEVEL.apply(parts, config);
      if (parts.normalizer.isNull()) {
        parts.normalizer = NODES.objectNode().put("type", "NFC");
      }
      ObjectNode none = NODES.objectNode().put("type", "TemplateProcessing");
      none.putArray("single").add(sequence("A", 0));
      none.putArray("pair").add(sequence("A", 0)).add(sequence("B", 1));
      none.putObject("special_tokens");
      parts.postProcessor = none;
    }

    private ObjectNode sequence(String id, int type) {
      ObjectNode piece = NODES.objectNode();
      piece.putObject("Sequence").put("id", id).put("type_id", type);
      return piece;
    }
  },
  /** Qwen 2 and 3: pieces of bytes, split by a pattern of their own. */
  QWEN2 {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      if (typed(parts.preTokenizer, "ByteLevel", "pretokenizers").isEmpty()) {
        return;
      }
      parts.fixMerges(false, false);
      parts.normalizer = NODES.objectNode().put("type", "NFC");
      ObjectNode steps = NODES.objectNode().put("type", "Sequence");
      ArrayNode list = steps.putArray("pretokenizers");
      list.addObject()
          .put("type", "Split")
          .put("behavior", "Isolated")
          .put("invert", false)
          .putObject("pattern")
          .put("Regex", QWEN2_PATTERN);
      list.addObject()
          .put("type", "ByteLevel")
          .put(ADD_PREFIX_SPACE, flag(config, ADD_PREFIX_SPACE, false))
          .put("trim_offsets", true)
          .put("use_regex", false);
      parts.preTokenizer = sameButOffsets(steps, parts.preTokenizer) ? parts.preTokenizer : steps;
    }

    /** Whether they split alike: Qwen's own files do not trim offsets, which ids do not show. */
    private boolean sameButOffsets(ObjectNode steps, JsonNode other) {
      JsonNode copy = other.deepCopy();
      for (ObjectNode part : typed(copy, "ByteLevel", "pretokenizers")) {
        part.put("trim_offsets", true);
      }
      return steps.equals(copy);
    }
  },
  /**
   * Llama 1 and 2: sentencepiece's pieces with bytes to fall back on. What has neither piece nor
   * bytes stays the unknown token, as tokenizer.json says; the class builds its model without one,
   * so that such characters vanish from a text, against its own documentation.
   */
  LLAMA {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      boolean prepends = !typed(parts.normalizer, "Prepend", "normalizers").isEmpty();
      boolean metaspace = !typed(parts.preTokenizer, "Metaspace", "pretokenizers").isEmpty();
      boolean replaces = !typed(parts.normalizer, "Replace", "normalizers").isEmpty();
      if (!(prepends || metaspace || replaces && parts.preTokenizer.isNull())) {
        return;
      }
      boolean prefix = config.path(ADD_PREFIX_SPACE).asBoolean(true);
      boolean legacy = config.path("legacy").asBoolean(false);
      parts.fixMerges(true, true);
      parts.normalizer = NODES.nullNode();
      parts.preTokenizer =
          NODES
              .objectNode()
              .put("type", "Metaspace")
              .put("replacement", UNDERLINE)
              .put(SCHEME, prefix ? legacy ? "always" : "first" : "never")
              .put("split", false);
      ObjectNode decoder = NODES.objectNode().put("type", "Sequence");
      ArrayNode steps = decoder.putArray("decoders");
      steps
          .addObject()
          .put("type", "Replace")
          .put("content", " ")
          .putObject("pattern")
          .put("String", UNDERLINE);
      steps.addObject().put("type", "ByteFallback");
      steps.addObject().put("type", "Fuse");
      if (prefix) {
        steps.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
      }
      parts.decoder = decoder;
    }
  },
  /** CamemBERT: words at white space, each with the sign of a space before it. */
  SENTENCEPIECE {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      if (typed(parts.preTokenizer, "Metaspace", "pretokenizers").isEmpty()) {
        return;
      }
      // Of a file's own normalizers only sentencepiece's table counts.
      List<ObjectNode> table = typed(parts.normalizer, "Precompiled", "normalizers");
      parts.normalizer = table.isEmpty() ? NODES.nullNode() : table.get(0);
      ObjectNode words =
          NODES
              .objectNode()
              .put("type", "Metaspace")
              .put("replacement", UNDERLINE)
              .put(SCHEME, flag(config, ADD_PREFIX_SPACE, true) ? "always" : "never")
              .put("split", true);
      ObjectNode cuts = NODES.objectNode().put("type", "Sequence");
      ArrayNode list = cuts.putArray("pretokenizers");
      list.addObject().put("type", "WhitespaceSplit");
      list.add(words);
      parts.preTokenizer = cuts;
      parts.decoder = words.deepCopy();
      parts.fixUnigrams(named(config, "unk_token", "<unk>"));
    }
  },
  /** XLM-RoBERTa: that, and the fourth piece is the unknown one. */
  XLM_ROBERTA {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      SENTENCEPIECE.apply(parts, config);
      parts.fixUnigrams(3);
    }
  },
  /**
   * ALBERT: that, quotes of TeX, folding of case and accents; the second piece is the unknown one.
   */
  ALBERT {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      if (typed(parts.preTokenizer, "Metaspace", "pretokenizers").isEmpty()) {
        return;
      }
      SENTENCEPIECE.apply(parts, config);
      parts.fixUnigrams(1);
      JsonNode table = parts.normalizer;
      ObjectNode all = NODES.objectNode().put("type", "Sequence");
      ArrayNode steps = all.putArray("normalizers");
      for (String quotes : List.of("``", "''")) {
        ObjectNode replace = steps.addObject().put("type", "Replace");
        replace.putObject("pattern").put("String", quotes);
        replace.put("content", "\"");
      }
      if (!flag(config, "keep_accents", false)) {
        steps.addObject().put("type", "NFKD");
        steps.addObject().put("type", "StripAccents");
      }
      if (flag(config, "do_lower_case", true)) {
        steps.addObject().put("type", "Lowercase");
      }
      if (!table.isNull()) {
        steps.add(table);
      }
      parts.normalizer = all;
    }
  },
  /** DeBERTa-v2 and -v3: sentencepiece's pieces under a normalizer of their own. */
  DEBERTA {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {
      parts.fixUnigrams(named(config, "unk_token", "[UNK]"));
      ObjectNode normalizer = NODES.objectNode().put("type", "Sequence");
      ArrayNode steps = normalizer.putArray("normalizers");
      if (flag(config, "do_lower_case", false)) {
        steps.addObject().put("type", "Lowercase");
      }
      steps
          .addObject()
          .put("type", "Replace")
          .put("content", " ")
          .putObject("pattern")
          .put("Regex", "\\s{2,}|[\\n\\r\\t]");
      steps.addObject().put("type", "NFC");
      steps.addObject().put("type", "Strip").put("strip_left", false).put("strip_right", true);
      parts.normalizer = normalizer;
      ObjectNode words =
          NODES
              .objectNode()
              .put("type", "Metaspace")
              .put("replacement", UNDERLINE)
              .put(SCHEME, flag(config, ADD_PREFIX_SPACE, true) ? "always" : "first")
              .put("split", true);
      ObjectNode preTokenizer = NODES.objectNode().put("type", "Sequence");
      ArrayNode cuts = preTokenizer.putArray("pretokenizers");
      if (flag(config, "split_by_punct", false)) {
        cuts.addObject().put("type", "Punctuation").put("behavior", "Isolated");
      }
      cuts.add(words);
      parts.preTokenizer = preTokenizer;
      parts.decoder = words.deepCopy();
    }
  },
  /** No class of its own: tokenizer.json as it is. */
  PLAIN {
    @Override
    void apply(TokenizerParts parts, JsonNode config) {}
  };

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final String ADD_PREFIX_SPACE = "add_prefix_space";
  private static final String SCHEME = "prepend_scheme";
  private static final String UNDERLINE = "▁";

  /** Of tokenization_qwen2.py. */
  private static final String QWEN2_PATTERN =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
          + "\\n"
          + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r"
          + "\\n"
          + "]*|\\s*[\\r"
          + "\\n"
          + "]+|\\s+(?!\\S)|\\s+";

  private static final Map<String, TokenizerClass> BY_NAME =
      Map.ofEntries(
          Map.entry("AlbertTokenizer", ALBERT),
          Map.entry("BertTokenizer", BERT),
          Map.entry("CamembertTokenizer", SENTENCEPIECE),
          Map.entry("DebertaV2Tokenizer", DEBERTA),
          Map.entry("DistilBertTokenizer", BERT),
          Map.entry("ElectraTokenizer", BERT),
          Map.entry("GPT2Tokenizer", BYTE_LEVEL),
          Map.entry("GPTNeoXTokenizer", GPT_NEOX),
          Map.entry("LlamaTokenizer", LLAMA),
          Map.entry("MPNetTokenizer", MPNET),
          Map.entry("Qwen2Tokenizer", QWEN2),
          Map.entry("RobertaTokenizer", BYTE_LEVEL),
          Map.entry("XLMRobertaTokenizer", XLM_ROBERTA));

  /** What a model type has where its files name no class. */
  private static final Map<String, String> BY_MODEL =
      Map.ofEntries(
          Map.entry("albert", "AlbertTokenizer"),
          Map.entry("bert", "BertTokenizer"),
          Map.entry("camembert", "CamembertTokenizer"),
          Map.entry("data2vec-text", "RobertaTokenizer"),
          Map.entry("deberta-v2", "DebertaV2Tokenizer"),
          Map.entry("distilbert", "BertTokenizer"),
          Map.entry("electra", "BertTokenizer"),
          Map.entry("ernie", "BertTokenizer"),
          Map.entry("gpt2", "GPT2Tokenizer"),
          Map.entry("gpt_neox", "GPTNeoXTokenizer"),
          Map.entry("mpnet", "MPNetTokenizer"),
          Map.entry("nomic_bert", "BertTokenizer"),
          Map.entry("qwen3", "Qwen2Tokenizer"),
          Map.entry("roberta", "RobertaTokenizer"),
          Map.entry("xlm-roberta", "XLMRobertaTokenizer"));

  /** The class of tokenizer.json as it is. */
  static final String GENERIC = "TokenizersBackend";

  /** Model types whose folders name wrong classes so often that what they name does not count. */
  private static final Map<String, String> WHATEVER_IS_NAMED =
      Map.of("mistral", GENERIC, "modernbert", GENERIC, "qwen2", "Qwen2Tokenizer");

  /** Classes that put the tokens around texts that tokenizer_config.json names. */
  private static final Set<TokenizerClass> FRAMED = Set.of(BERT, MPNET, BYTE_LEVEL, DEBERTA);

  private static final Pattern UNKNOWN = Pattern.compile("\"unk_token\"\\s*:\\s*\"([^\"\\\\]*)\"");

  /** Classes that give a model its token types, where model_input_names does not say. */
  private static final Set<String> WITH_TYPES =
      Set.of("BertTokenizer", "DebertaV2Tokenizer", "ElectraTokenizer");

  /** Changes the parts to what the class builds by its arguments. */
  abstract void apply(TokenizerParts parts, JsonNode config);

  /**
   * tokenizer.json as the class of the folder builds it.
   *
   * @param isBuilt whether the folder has none: what was built in its place frames texts already
   */
  static String applied(String tokenizer, JsonNode config, JsonNode modelConfig, boolean isBuilt) {
    TokenizerClass found = of(config, modelConfig);
    if (found == PLAIN) {
      return tokenizer;
    }
    try {
      TokenizerParts before = TokenizerParts.of(tokenizer);
      if (FRAMED.contains(found) && !isBuilt) {
        checkNamed(config, "cls_token", before.frame(true));
        checkNamed(config, "sep_token", before.frame(false));
        Matcher unknown = UNKNOWN.matcher(found == BERT || found == MPNET ? tokenizer : "");
        checkNamed(config, "unk_token", unknown.find() ? unknown.group(1) : null);
      }
      TokenizerParts after = before.copy();
      found.apply(after, config);
      if (isBuilt) {
        after.postProcessor = before.postProcessor;
      }
      return after.same(before) ? tokenizer : after.in(tokenizer);
    } catch (IOException | ClassCastException e) {
      return tokenizer; // The native parser reports what is wrong, and where.
    }
  }

  /** Of two files that contradict each other the class would follow the one, Attune the other. */
  private static void checkNamed(JsonNode config, String role, String used) {
    String spelling = named(config, role, null);
    if (used != null && spelling != null && !spelling.equals(used)) {
      throw new InputException(
          "tokenizer_config.json: '"
              + role
              + "' is \""
              + spelling
              + "\", and tokenizer.json has \""
              + used
              + "\" in its place: the class of this tokenizer in Transformers follows the first,"
              + " other programs the second. Make both say what the model was trained with");
    }
  }

  /** The spelling that tokenizer_config.json gives the token with a role. */
  private static String named(JsonNode config, String role, String otherwise) {
    JsonNode named = config.path(role);
    return named.isObject() ? named.path("content").asText(otherwise) : named.asText(otherwise);
  }

  /**
   * tokenizer_config.json with the token of padding that tokenizer.json names, which the classes
   * without one of their own take where no other file says which it is.
   */
  static JsonNode padded(JsonNode config, String tokenizer, JsonNode modelConfig) {
    TokenizerClass found = of(config, modelConfig);
    if (config.has("pad_token") || found != PLAIN && found != LLAMA) {
      return config;
    }
    try {
      JsonNode token = JsonFile.part(tokenizer, "padding").path("pad_token");
      if (!token.isTextual()) {
        return config;
      }
      ObjectNode padded = config.isObject() ? config.deepCopy() : NODES.objectNode();
      return padded.put("pad_token", token.asText());
    } catch (IOException e) {
      return config; // The native parser reports what is wrong, and where.
    }
  }

  static TokenizerClass of(JsonNode config, JsonNode modelConfig) {
    return BY_NAME.getOrDefault(name(config, modelConfig), PLAIN);
  }

  /** As AutoTokenizer chooses. */
  static String name(JsonNode config, JsonNode modelConfig) {
    String type = modelConfig.path("model_type").asText("");
    if (WHATEVER_IS_NAMED.containsKey(type)) {
      return WHATEVER_IS_NAMED.get(type);
    }
    String named = config.path("tokenizer_class").asText("");
    if (named.isEmpty() || config.path("tokenizer_class").isNull()) {
      named = modelConfig.path("tokenizer_class").asText("");
    }
    return named.isEmpty() || named.equals("null")
        ? ofModel(modelConfig)
        : named.replaceFirst("Fast$", "");
  }

  /** What a model has whose files name no class. */
  static String ofModel(JsonNode modelConfig) {
    return BY_MODEL.getOrDefault(modelConfig.path("model_type").asText(""), GENERIC);
  }

  /**
   * Whether a model gets the token types of its tokenizer: as model_input_names says, or else the
   * class. Without, the model takes every token for one of the first type.
   */
  static boolean givesTypes(JsonNode config, JsonNode modelConfig) {
    JsonNode inputs = config.path("model_input_names");
    if (!inputs.isArray()) {
      return WITH_TYPES.contains(name(config, modelConfig));
    }
    for (JsonNode input : inputs) {
      if (input.asText().equals("token_type_ids")) {
        return true;
      }
    }
    return false;
  }

  /** An argument that is not given has the default; null is given, and false. */
  private static boolean flag(JsonNode config, String name, boolean ifAbsent) {
    return config.has(name) ? config.get(name).asBoolean() : ifAbsent;
  }
}
