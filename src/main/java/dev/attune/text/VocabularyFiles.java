package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Builds the {@code tokenizer.json} of the old BERT, RoBERTa and GPT-2 folders that have none, and
 * of DeBERTa's.
 */
final class VocabularyFiles {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final Set<String> BERT_LIKE =
      Set.of("bert", "distilbert", "electra", "mobilebert", "");

  private static final String TEXT_END = "<|endoftext|>";
  private static final String ADD_BOS = "add_bos_token";
  private static final String ADD_EOS = "add_eos_token";

  private static final Set<String> DEBERTA = Set.of("debertav2", "deberta-v2");

  private VocabularyFiles() {}

  static String tokenizerJson(Path folder) {
    JsonNode config = TokenizerConfig.read(folder);
    String family = family(folder, config);
    Path pieces = folder.resolve("spm.model");
    if (Files.exists(pieces) && DEBERTA.contains(family)) {
      return sentencePieces(pieces, config).toString();
    }
    boolean words = Files.exists(folder.resolve("vocab.txt"));
    boolean bytes = Files.exists(folder.resolve("vocab.json"));
    boolean merges = Files.exists(folder.resolve("merges.txt"));
    if (words && BERT_LIKE.contains(family)) {
      return wordPiece(folder.resolve("vocab.txt"), config).toString();
    }
    if (bytes && merges && (family.equals("roberta") || family.equals("gpt2"))) {
      return byteLevel(folder, config, family.equals("roberta")).toString();
    }
    if (bytes != merges) {
      throw new InputException(
          folder
              + " has no tokenizer.json, and of the pair vocab.json and merges.txt that could stand"
              + " in for it "
              + (bytes ? "merges.txt" : "vocab.json")
              + " is missing.");
    }
    throw new InputException(
        folder
            + " has no tokenizer.json"
            + (words || bytes
                ? ", and a tokenizer can be built from "
                    + (words ? "vocab.txt" : "vocab.json and merges.txt")
                    + " only for "
                    + (words ? "BERT" : "RoBERTa and GPT-2")
                    + " models (this folder says: "
                    + (family.isEmpty() ? "nothing" : family)
                    + ")"
                : "")
            + ". Copy tokenizer.json from the model's page, or write it with"
            + " AutoTokenizer.from_pretrained(...).save_pretrained(...) in Transformers.");
  }

  /**
   * The model family in lower case from the tokenizer's class or the model's type; "" if unknown.
   */
  private static String family(Path folder, JsonNode config) {
    String name = config.path("tokenizer_class").asText("");
    if (!name.isEmpty() && !name.startsWith("PreTrainedTokenizer")) {
      return name.replaceFirst("Tokenizer(Fast)?$", "").toLowerCase(Locale.ROOT);
    }
    return JsonFile.read(folder.resolve("config.json")).path("model_type").asText("");
  }

  private static ObjectNode wordPiece(Path file, JsonNode config) {
    List<String> lines = lines(file);
    ObjectNode vocabulary = NODES.objectNode();
    for (int i = 0; i < lines.size(); i++) {
      vocabulary.put(lines.get(i), i);
    }
    String cls = token(config, "cls_token", "[CLS]");
    String sep = token(config, "sep_token", "[SEP]");
    String unk = token(config, "unk_token", "[UNK]");
    for (String needed : List.of(cls, sep, unk)) {
      Check.input(
          vocabulary.has(needed),
          "%s has no %s, so this is not a BERT vocabulary, and the folder has no tokenizer.json.",
          file,
          needed);
    }
    ObjectNode root = root();
    ArrayNode added = root.putArray("added_tokens");
    for (String special :
        List.of(
            token(config, "pad_token", "[PAD]"),
            unk,
            cls,
            sep,
            token(config, "mask_token", "[MASK]"))) {
      if (vocabulary.has(special)) {
        addToken(added, vocabulary.get(special).asInt(), special, false);
      }
    }
    ObjectNode normalizer = root.putObject("normalizer");
    normalizer.put("type", "BertNormalizer");
    normalizer.put("clean_text", true);
    normalizer.put("handle_chinese_chars", config.path("tokenize_chinese_chars").asBoolean(true));
    if (config.path("strip_accents").isBoolean()) {
      normalizer.put("strip_accents", config.get("strip_accents").asBoolean());
    } else {
      normalizer.putNull("strip_accents");
    }
    normalizer.put("lowercase", config.path("do_lower_case").asBoolean(true));
    root.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    ObjectNode post = root.putObject("post_processor");
    post.put("type", "BertProcessing");
    post.putArray("sep").add(sep).add(vocabulary.get(sep).asInt());
    post.putArray("cls").add(cls).add(vocabulary.get(cls).asInt());
    root.putObject("decoder").put("type", "WordPiece").put("prefix", "##").put("cleanup", true);
    ObjectNode model = root.putObject("model");
    model.put("type", "WordPiece");
    model.put("unk_token", unk);
    model.put("continuing_subword_prefix", "##");
    model.put("max_input_chars_per_word", 100);
    model.set("vocab", vocabulary);
    return root;
  }

  /** What {@link TokenizerClass} builds by its arguments is left to it. */
  private static ObjectNode sentencePieces(Path file, JsonNode config) {
    SentencePieceModel model = SentencePieceModel.read(file);
    Map<String, Integer> ids = new LinkedHashMap<>();
    ObjectNode root = root();
    ArrayNode added = root.putArray("added_tokens");
    ObjectNode unigram = NODES.objectNode().put("type", "Unigram").put("byte_fallback", false);
    ArrayNode vocabulary = unigram.putArray("vocab");
    for (SentencePieceModel.Piece piece : model.pieces()) {
      int id = ids.size();
      ids.put(piece.text(), id);
      vocabulary.addArray().add(piece.text()).add(piece.score());
      if (piece.isControl() || piece.isUserDefined()) {
        addToken(added, id, piece.text(), false, piece.isControl());
      }
    }
    String cls = token(config, "cls_token", "[CLS]");
    String sep = token(config, "sep_token", "[SEP]");
    String unknown = token(config, "unk_token", "[UNK]");
    unigram.put("unk_id", ids.getOrDefault(unknown, model.unknown()));
    for (String special :
        List.of(
            token(config, "bos_token", "[CLS]"),
            token(config, "eos_token", "[SEP]"),
            unknown,
            sep,
            token(config, "pad_token", "[PAD]"),
            cls,
            token(config, "mask_token", "[MASK]"))) {
      boolean isKnown = ids.containsKey(special);
      int id = isKnown ? ids.get(special) : ids.size();
      ids.putIfAbsent(special, id);
      boolean isAdded = false;
      for (JsonNode token : added) {
        isAdded |= token.get("id").asInt() == id;
      }
      if (!isAdded) {
        addToken(added, id, special, false, true);
      }
    }
    ObjectNode post = root.putObject("post_processor").put("type", "TemplateProcessing");
    ArrayNode single = post.putArray("single");
    template(single, "SpecialToken", cls, 0);
    template(single, "Sequence", "A", 0);
    template(single, "SpecialToken", sep, 0);
    ArrayNode pair = post.putArray("pair").addAll(single);
    template(pair, "Sequence", "B", 1);
    template(pair, "SpecialToken", sep, 1);
    ObjectNode specials = post.putObject("special_tokens");
    for (String special : Set.of(cls, sep)) {
      ObjectNode entry = specials.putObject(special).put("id", special);
      entry.putArray("ids").add(ids.get(special));
      entry.putArray("tokens").add(special);
    }
    root.putNull("normalizer").putNull("pre_tokenizer").putNull("decoder");
    root.set("model", unigram);
    return root;
  }

  private static void template(ArrayNode template, String kind, String id, int type) {
    template.addObject().putObject(kind).put("id", id).put("type_id", type);
  }

  private static ObjectNode byteLevel(Path folder, JsonNode config, boolean roberta) {
    JsonNode vocabulary = JsonFile.read(folder.resolve("vocab.json"));
    boolean prefix = config.path("add_prefix_space").asBoolean(false);
    ObjectNode root = root();
    ArrayNode added = root.putArray("added_tokens");
    Map<String, String> specials =
        roberta
            ? Map.of(
                "bos_token", "<s>",
                "pad_token", "<pad>",
                "eos_token", "</s>",
                "unk_token", "<unk>",
                "cls_token", "<s>",
                "sep_token", "</s>",
                "mask_token", "<mask>")
            : Map.of("bos_token", TEXT_END, "eos_token", TEXT_END, "unk_token", TEXT_END);
    String mask = roberta ? token(config, "mask_token", specials.get("mask_token")) : null;
    // Ascending ids: the native side wants them in order.
    specials.entrySet().stream()
        .map(role -> token(config, role.getKey(), role.getValue()))
        .filter(vocabulary::has)
        .distinct()
        .sorted(Comparator.comparingInt(spelling -> vocabulary.get(spelling).asInt()))
        .forEach(
            spelling ->
                addToken(
                    added,
                    vocabulary.get(spelling).asInt(),
                    spelling,
                    spelling.equals(mask)
                        && config.path("mask_token").path("lstrip").asBoolean(true)));
    root.putNull("normalizer");
    root.putObject("pre_tokenizer")
        .put("type", "ByteLevel")
        .put("add_prefix_space", prefix)
        .put("trim_offsets", true)
        .put("use_regex", true);
    ObjectNode post = root.putObject("post_processor");
    if (roberta) {
      String cls = token(config, "cls_token", "<s>");
      String sep = token(config, "sep_token", "</s>");
      for (String needed : List.of(cls, sep)) {
        Check.input(
            vocabulary.has(needed),
            "%s has no %s, so this is not a RoBERTa vocabulary, and there is no tokenizer.json.",
            folder.resolve("vocab.json"),
            needed);
      }
      post.put("type", "RobertaProcessing");
      post.putArray("sep").add(sep).add(vocabulary.get(sep).asInt());
      post.putArray("cls").add(cls).add(vocabulary.get(cls).asInt());
      post.put("trim_offsets", true);
      post.put("add_prefix_space", prefix);
    } else if (isTrue(config, ADD_BOS) || isTrue(config, ADD_EOS)) {
      String begin = isTrue(config, ADD_BOS) ? token(config, "bos_token", TEXT_END) : null;
      String end = isTrue(config, ADD_EOS) ? token(config, "eos_token", TEXT_END) : null;
      ends(post, vocabulary, folder, begin, end);
    } else {
      post.put("type", "ByteLevel");
      post.put("add_prefix_space", true);
      post.put("trim_offsets", false);
      post.put("use_regex", true);
    }
    root.putObject("decoder")
        .put("type", "ByteLevel")
        .put("add_prefix_space", true)
        .put("trim_offsets", true)
        .put("use_regex", true);
    ObjectNode model = root.putObject("model");
    model.put("type", "BPE");
    model.putNull("dropout");
    model.putNull("unk_token");
    model.putNull("continuing_subword_prefix");
    model.putNull("end_of_word_suffix");
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.set("vocab", vocabulary);
    ArrayNode merges = model.putArray("merges");
    Iterator<String> lines = lines(folder.resolve("merges.txt")).iterator();
    while (lines.hasNext()) {
      String line = lines.next();
      if (!line.isEmpty() && !line.startsWith("#version")) {
        merges.add(line);
      }
    }
    return root;
  }

  private static boolean isTrue(JsonNode config, String key) {
    return config.path(key).asBoolean(false);
  }

  /** Puts tokens around texts; null: none. */
  private static void ends(
      ObjectNode post, JsonNode vocabulary, Path folder, String begin, String end) {
    post.put("type", "TemplateProcessing");
    ObjectNode known = post.putObject("special_tokens");
    for (String spelling : begin == null ? List.of(end) : Arrays.asList(begin, end)) {
      if (spelling != null) {
        Check.input(
            vocabulary.has(spelling),
            "%s has no %s, which tokenizer_config.json puts around texts",
            folder.resolve("vocab.json"),
            spelling);
        ObjectNode token = known.putObject(spelling).put("id", spelling);
        token.putArray("ids").add(vocabulary.get(spelling).asInt());
        token.putArray("tokens").add(spelling);
      }
    }
    ArrayNode single = post.putArray("single");
    ArrayNode pair = post.putArray("pair");
    for (int text = 0; text < 2; text++) {
      for (ArrayNode template : text == 0 ? List.of(single, pair) : List.of(pair)) {
        if (begin != null) {
          template(template, "SpecialToken", begin, text);
        }
        template(template, "Sequence", text == 0 ? "A" : "B", text);
        if (end != null) {
          template(template, "SpecialToken", end, text);
        }
      }
    }
  }

  private static ObjectNode root() {
    ObjectNode root = NODES.objectNode();
    root.put("version", "1.0");
    root.putNull("truncation");
    root.putNull("padding");
    return root;
  }

  private static String token(JsonNode config, String role, String otherwise) {
    JsonNode token = config.path(role);
    return token.isObject() ? token.path("content").asText(otherwise) : token.asText(otherwise);
  }

  private static void addToken(ArrayNode added, int id, String content, boolean eatsSpaceBefore) {
    addToken(added, id, content, eatsSpaceBefore, true);
  }

  private static void addToken(
      ArrayNode added, int id, String content, boolean eatsSpaceBefore, boolean isSpecial) {
    added
        .addObject()
        .put("id", id)
        .put("content", content)
        .put("single_word", false)
        .put("lstrip", eatsSpaceBefore)
        .put("rstrip", false)
        .put("normalized", false)
        .put("special", isSpecial);
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read as UTF-8 text: " + e.getMessage(), e);
    }
  }
}
