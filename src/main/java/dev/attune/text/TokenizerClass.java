package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
    void apply(Parts parts, JsonNode config) {
      if (parts.normalizer instanceof ObjectNode bert && isType(bert, "BertNormalizer")) {
        bert.put("lowercase", flag(config, "do_lower_case", true));
        bert.put("handle_chinese_chars", flag(config, "tokenize_chinese_chars", true));
        JsonNode strip = config.path("strip_accents");
        bert.set("strip_accents", strip.isBoolean() ? strip : NODES.nullNode());
      }
    }
  },
  /** Pieces of bytes: whether a text begins with a space. */
  BYTE_LEVEL {
    @Override
    void apply(Parts parts, JsonNode config) {
      boolean prefix = flag(config, ADD_PREFIX_SPACE, false);
      for (ObjectNode part : typed(parts.preTokenizer, "ByteLevel", "pretokenizers")) {
        part.put(ADD_PREFIX_SPACE, prefix);
      }
      for (ObjectNode part : typed(parts.postProcessor, "RobertaProcessing", "processors")) {
        part.put(ADD_PREFIX_SPACE, prefix);
      }
    }
  },
  /** GPT-NeoX, which moreover adds no special tokens, whatever its file says. */
  GPT_NEOX {
    @Override
    void apply(Parts parts, JsonNode config) {
      BYTE_LEVEL.apply(parts, config);
      if (parts.normalizer.isNull()) {
        parts.normalizer = NODES.objectNode().put("type", "NFC");
      }
      if (isType(parts.postProcessor, "TemplateProcessing")
          || isType(parts.postProcessor, "RobertaProcessing")) {
        ObjectNode none = NODES.objectNode().put("type", "TemplateProcessing");
        none.putArray("single").add(sequence("A", 0));
        none.putArray("pair").add(sequence("A", 0)).add(sequence("B", 1));
        none.putObject("special_tokens");
        parts.postProcessor = none;
      }
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
    void apply(Parts parts, JsonNode config) {
      if (typed(parts.preTokenizer, "ByteLevel", "pretokenizers").isEmpty()) {
        return;
      }
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
    void apply(Parts parts, JsonNode config) {
      boolean prepends = !typed(parts.normalizer, "Prepend", "normalizers").isEmpty();
      boolean metaspace = !typed(parts.preTokenizer, "Metaspace", "pretokenizers").isEmpty();
      boolean replaces = !typed(parts.normalizer, "Replace", "normalizers").isEmpty();
      if (!(prepends || metaspace || replaces && parts.preTokenizer.isNull())) {
        return;
      }
      boolean prefix = config.path(ADD_PREFIX_SPACE).asBoolean(true);
      boolean legacy = config.path("legacy").asBoolean(false);
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
  /** CamemBERT and XLM-RoBERTa. */
  SENTENCEPIECE {
    @Override
    void apply(Parts parts, JsonNode config) {
      String scheme = flag(config, ADD_PREFIX_SPACE, true) ? "always" : "never";
      if (!typed(parts.preTokenizer, "Metaspace", "pretokenizers").isEmpty()) {
        // Of a file's own normalizers only sentencepiece's table counts.
        List<ObjectNode> table = typed(parts.normalizer, "Precompiled", "normalizers");
        parts.normalizer = table.isEmpty() ? NODES.nullNode() : table.get(0);
      }
      for (JsonNode root : List.of(parts.preTokenizer, parts.decoder)) {
        for (ObjectNode part : typed(root, "Metaspace", "pretokenizers")) {
          part.remove(ADD_PREFIX_SPACE); // how it was written before there were schemes
          part.put(SCHEME, scheme);
        }
      }
    }
  },
  /** ALBERT: that, and folding of case and accents. */
  ALBERT {
    @Override
    void apply(Parts parts, JsonNode config) {
      JsonNode steps = parts.normalizer.path("normalizers");
      SENTENCEPIECE.apply(parts, config);
      if (steps.isArray()) {
        parts.normalizer =
            NODES
                .objectNode()
                .put("type", "Sequence")
                .set(
                    "normalizers",
                    folding(
                        steps,
                        flag(config, "do_lower_case", true),
                        flag(config, "keep_accents", false)));
      }
    }

    private ArrayNode folding(JsonNode steps, boolean lowercase, boolean keepAccents) {
      ArrayNode out = NODES.arrayNode();
      for (JsonNode step : steps) {
        if (isType(step, "Replace") && !step.path("pattern").has("Regex")) {
          out.add(step);
        }
      }
      if (!keepAccents) {
        out.addObject().put("type", "NFKD");
        out.addObject().put("type", "StripAccents");
      }
      if (lowercase) {
        out.addObject().put("type", "Lowercase");
      }
      for (JsonNode step : steps) {
        if (isType(step, "Precompiled")) {
          out.add(step);
        }
      }
      return out;
    }
  },
  /** DeBERTa-v2 and -v3: sentencepiece's pieces under a normalizer of their own. */
  DEBERTA {
    @Override
    void apply(Parts parts, JsonNode config) {
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
    void apply(Parts parts, JsonNode config) {}
  };

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ADD_PREFIX_SPACE = "add_prefix_space";
  private static final String SCHEME = "prepend_scheme";
  private static final String UNDERLINE = "▁";

  /** Of tokenization_qwen2.py. */
  private static final String QWEN2_PATTERN =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

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
          Map.entry("MPNetTokenizer", BERT),
          Map.entry("Qwen2Tokenizer", QWEN2),
          Map.entry("RobertaTokenizer", BYTE_LEVEL),
          Map.entry("XLMRobertaTokenizer", SENTENCEPIECE));

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
  private static final String GENERIC = "TokenizersBackend";

  /** Model types whose folders name wrong classes so often that what they name does not count. */
  private static final Map<String, String> WHATEVER_IS_NAMED =
      Map.of("mistral", GENERIC, "modernbert", GENERIC, "qwen2", "Qwen2Tokenizer");

  /** Classes that put the tokens around texts that tokenizer_config.json names. */
  private static final Set<TokenizerClass> FRAMED = Set.of(BERT, BYTE_LEVEL, DEBERTA);

  private static final Pattern UNKNOWN = Pattern.compile("\"unk_token\"\\s*:\\s*\"([^\"\\\\]*)\"");

  /** Classes that give a model its token types, where model_input_names does not say. */
  private static final Set<String> WITH_TYPES =
      Set.of("BertTokenizer", "DebertaV2Tokenizer", "ElectraTokenizer");

  /** What stands in a tokenizer.json beside its vocabulary. */
  private static final class Parts {
    private JsonNode normalizer = NODES.nullNode();
    private JsonNode preTokenizer = NODES.nullNode();
    private JsonNode postProcessor = NODES.nullNode();
    private JsonNode decoder = NODES.nullNode();

    /** Reads no further than these: the vocabulary comes last and is long. */
    static Parts of(String tokenizer) throws IOException {
      Parts parts = new Parts();
      try (JsonParser parser = JSON.getFactory().createParser(tokenizer)) {
        parser.nextToken();
        int missing = 4;
        while (missing > 0 && parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          missing--;
          switch (name) {
            case "normalizer" -> parts.normalizer = JSON.readTree(parser);
            case "pre_tokenizer" -> parts.preTokenizer = JSON.readTree(parser);
            case "post_processor" -> parts.postProcessor = JSON.readTree(parser);
            case "decoder" -> parts.decoder = JSON.readTree(parser);
            default -> {
              missing++;
              parser.skipChildren();
            }
          }
        }
      }
      return parts;
    }

    /** The token that stands before a text, or the one behind it; null: nothing says it. */
    String frame(boolean before) {
      if (isType(postProcessor, "BertProcessing") || isType(postProcessor, "RobertaProcessing")) {
        return postProcessor.path(before ? "cls" : "sep").path(0).asText(null);
      }
      JsonNode single = postProcessor.path("single");
      JsonNode end = single.path(before ? 0 : single.size() - 1);
      return isType(postProcessor, "TemplateProcessing")
          ? end.path("SpecialToken").path("id").asText(null)
          : null;
    }

    Parts copy() {
      Parts copy = new Parts();
      copy.normalizer = normalizer.deepCopy();
      copy.preTokenizer = preTokenizer.deepCopy();
      copy.postProcessor = postProcessor.deepCopy();
      copy.decoder = decoder.deepCopy();
      return copy;
    }

    boolean same(Parts other) {
      return Objects.equals(normalizer, other.normalizer)
          && Objects.equals(preTokenizer, other.preTokenizer)
          && Objects.equals(postProcessor, other.postProcessor)
          && Objects.equals(decoder, other.decoder);
    }

    String in(String tokenizer) throws IOException {
      ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
      whole.set("normalizer", normalizer);
      whole.set("pre_tokenizer", preTokenizer);
      whole.set("post_processor", postProcessor);
      whole.set("decoder", decoder);
      return JSON.writeValueAsString(whole);
    }
  }

  /** Changes the parts to what the class builds by its arguments. */
  abstract void apply(Parts parts, JsonNode config);

  /** tokenizer.json as the class of the folder builds it. */
  static String applied(String tokenizer, JsonNode config, JsonNode modelConfig) {
    TokenizerClass found = of(config, modelConfig);
    if (found == PLAIN) {
      return tokenizer;
    }
    try {
      Parts before = Parts.of(tokenizer);
      if (FRAMED.contains(found)) {
        checkNamed(config, "cls_token", before.frame(true));
        checkNamed(config, "sep_token", before.frame(false));
        Matcher unknown = UNKNOWN.matcher(found == BERT ? tokenizer : "");
        checkNamed(config, "unk_token", unknown.find() ? unknown.group(1) : null);
      }
      Parts after = before.copy();
      found.apply(after, config);
      return after.same(before) ? tokenizer : after.in(tokenizer);
    } catch (IOException | ClassCastException e) {
      return tokenizer; // The native parser reports what is wrong, and where.
    }
  }

  /** Of two files that contradict each other the class would follow the one, Attune the other. */
  private static void checkNamed(JsonNode config, String role, String used) {
    JsonNode named = config.path(role);
    String spelling = named.isObject() ? named.path("content").asText(null) : named.asText(null);
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

  private static TokenizerClass of(JsonNode config, JsonNode modelConfig) {
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
        ? BY_MODEL.getOrDefault(type, GENERIC)
        : named.replaceFirst("Fast$", "");
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

  private static boolean isType(JsonNode part, String type) {
    return part.path("type").asText().equals(type);
  }

  /** The parts of a type, in a sequence or on their own. */
  private static List<ObjectNode> typed(JsonNode root, String type, String sequence) {
    List<ObjectNode> found = new ArrayList<>();
    if (isType(root, type)) {
      found.add((ObjectNode) root);
    }
    for (JsonNode part : root.path(sequence)) {
      found.addAll(typed(part, type, sequence));
    }
    return found;
  }
}
