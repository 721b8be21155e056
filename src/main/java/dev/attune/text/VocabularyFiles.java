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
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Builds the {@code tokenizer.json} of folders that have none from the files of a vocabulary, as
 * the class of the tokenizer in Transformers does.
 */
final class VocabularyFiles {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final Pattern SPACE_AT_THE_END = Pattern.compile("\\p{IsWhite_Space}+$");
  private static final String WORDS = "vocab.txt";
  private static final String PIECES = "vocab.json";
  private static final String MERGES = "merges.txt";
  private static final String TEXT_END = "<|endoftext|>";

  private static final Map<String, String> BERT =
      Map.of(
          "unk_token", "[UNK]",
          "sep_token", "[SEP]",
          "pad_token", "[PAD]",
          "cls_token", "[CLS]",
          "mask_token", "[MASK]");

  private static final Map<String, String> ROBERTA = UsualTokens.roberta("<unk>");
  private static final Map<String, String> MPNET = UsualTokens.roberta("[UNK]");

  /** Makes a tokenizer.json. */
  private interface Builder {
    String build(VocabularySource source);
  }

  /** The files that a class is built from, and how. */
  private record Recipe(List<String> files, Builder builder) {}

  private static final Map<String, Recipe> RECIPES =
      Map.ofEntries(
          recipe("BertTokenizer", VocabularyFiles::bert, WORDS),
          recipe("DistilBertTokenizer", VocabularyFiles::bert, WORDS),
          recipe("ElectraTokenizer", VocabularyFiles::bert, WORDS),
          recipe("MPNetTokenizer", VocabularyFiles::mpnet, WORDS),
          recipe("RobertaTokenizer", VocabularyFiles::roberta, PIECES, MERGES),
          recipe("GPT2Tokenizer", VocabularyFiles::gpt2, PIECES, MERGES),
          recipe("GPTNeoXTokenizer", VocabularyFiles::gptNeox, PIECES, MERGES),
          recipe("Qwen2Tokenizer", VocabularyFiles::qwen2, PIECES, MERGES),
          recipe("DebertaV2Tokenizer", PieceFiles::debertaV2, "spm.model"),
          recipe("AlbertTokenizer", PieceFiles::albert, "spiece.model"),
          recipe("XLMRobertaTokenizer", PieceFiles::xlmRoberta, "sentencepiece.bpe.model"),
          recipe("CamembertTokenizer", PieceFiles::camembert, "sentencepiece.bpe.model"),
          recipe("LlamaTokenizer", PieceFiles::llama, PieceFiles.MERGED));

  private VocabularyFiles() {}

  private static Map.Entry<String, Recipe> recipe(String name, Builder builder, String... files) {
    return Map.entry(name, new Recipe(List.of(files), builder));
  }

  /**
   * The tokenizer.json of a folder.
   *
   * @param modelConfig config.json of its model
   * @throws InputException if the class of its tokenizer is built from other files
   */
  static String tokenizerJson(Path folder, JsonNode modelConfig) {
    JsonNode config = TokenizerConfig.read(folder);
    String name = TokenizerClass.name(config, modelConfig);
    if (name.startsWith("PreTrainedTokenizer") || name.equals(TokenizerClass.GENERIC)) {
      // Transformers' name for any tokenizer.json: the model's own class is what is left.
      name = TokenizerClass.ofModel(modelConfig);
    }
    if (name.equals(TokenizerClass.GENERIC)
        && !modelConfig.has("model_type")
        && Files.exists(folder.resolve(WORDS))) {
      name = "BertTokenizer"; // of a vocabulary alone
    }
    if (name.equals(TokenizerClass.GENERIC) && Files.exists(folder.resolve(PieceFiles.MERGED))) {
      return PieceFiles.plainMerges(VocabularySource.of(folder, config));
    }
    Recipe recipe = RECIPES.get(name);
    String problem = "";
    if (recipe != null) {
      List<String> missing = new ArrayList<>(recipe.files);
      missing.removeIf(file -> Files.exists(folder.resolve(file)));
      if (missing.isEmpty()) {
        return recipe.builder.build(VocabularySource.of(folder, config));
      }
      problem =
          missing.size() < recipe.files.size()
              ? ", and of "
                  + String.join(" and ", recipe.files)
                  + ", from which its class "
                  + name
                  + " can be built, "
                  + missing.get(0)
                  + " is missing"
              : ", nor "
                  + String.join(" and ", recipe.files)
                  + ", from which its class "
                  + name
                  + " can be built";
    } else if (!name.equals(TokenizerClass.GENERIC)) {
      problem = ", and its class " + name + " cannot be built from other files";
    }
    throw new InputException(
        folder
            + " has no tokenizer.json"
            + problem
            + ". Copy tokenizer.json from the model's page, or write it with"
            + " AutoTokenizer.from_pretrained(...).save_pretrained(...) in Transformers.");
  }

  private static String bert(VocabularySource source) {
    TokenizerFile out = words(source, BERT);
    out.addRoles(false);
    out.frame(TokenizerFile.BERT_TEXT, TokenizerFile.BERT_PAIR);
    return out.json();
  }

  private static String mpnet(VocabularySource source) {
    TokenizerFile out = words(source, MPNET).normalized();
    out.addRoles(true);
    out.frameAsRoberta(false);
    return out.json();
  }

  private static TokenizerFile words(VocabularySource source, Map<String, String> usual) {
    Path file = source.file(WORDS);
    Map<String, Integer> ids = new LinkedHashMap<>();
    List<String> lines = lines(file);
    for (int id = 0; id < lines.size(); id++) {
      ids.put(SPACE_AT_THE_END.matcher(lines.get(id)).replaceFirst(""), id);
    }
    TokenizerFile out = new TokenizerFile(ids, usual, source);
    for (String role : List.of("cls_token", "sep_token", "unk_token")) {
      Check.input(
          ids.containsKey(out.spelling(role)),
          "%s has no %s, so it is not the vocabulary of this tokenizer, and the folder has no"
              + " tokenizer.json.",
          file,
          out.spelling(role));
    }
    ObjectNode model = out.part("model", "WordPiece").put("unk_token", out.spelling("unk_token"));
    model.put("continuing_subword_prefix", "##").put("max_input_chars_per_word", 100);
    ObjectNode vocabulary = model.putObject("vocab");
    ids.forEach(vocabulary::put);
    JsonNode accents = source.config().path("strip_accents");
    out.part("normalizer", "BertNormalizer")
        .put("clean_text", true)
        .put("handle_chinese_chars", source.config().path("tokenize_chinese_chars").asBoolean(true))
        .put("lowercase", source.config().path("do_lower_case").asBoolean(true))
        .set("strip_accents", accents.isBoolean() ? accents : NODES.nullNode());
    out.part("pre_tokenizer", "BertPreTokenizer");
    out.part("decoder", "WordPiece").put("prefix", "##").put("cleanup", true);
    return out;
  }

  private static String roberta(VocabularySource source) {
    TokenizerFile out = bytes(source, ROBERTA);
    for (String role : List.of("cls_token", "sep_token")) {
      Check.input(
          out.has(role),
          "%s has no %s, so this is not a RoBERTa vocabulary, and there is no tokenizer.json.",
          source.file(PIECES),
          out.spelling(role));
    }
    out.addRoles(false);
    out.frameAsRoberta(source.config().path("add_prefix_space").asBoolean(false));
    return out.json();
  }

  private static String gpt2(VocabularySource source) {
    return plain(
        source, Map.of("bos_token", TEXT_END, "eos_token", TEXT_END, "unk_token", TEXT_END));
  }

  private static String gptNeox(VocabularySource source) {
    return plain(source, SpecialTokens.usual("GPTNeoXTokenizer"));
  }

  private static String qwen2(VocabularySource source) {
    return plain(source, SpecialTokens.usual("Qwen2Tokenizer"));
  }

  private static String plain(VocabularySource source, Map<String, String> usual) {
    TokenizerFile out = bytes(source, usual);
    out.addRoles(false);
    out.frameAsAsked(source.config());
    return out.json();
  }

  private static TokenizerFile bytes(VocabularySource source, Map<String, String> usual) {
    JsonNode vocabulary = JsonFile.read(source.file(PIECES));
    Map<String, Integer> ids = new LinkedHashMap<>();
    vocabulary.properties().forEach(piece -> ids.put(piece.getKey(), piece.getValue().asInt()));
    TokenizerFile out = new TokenizerFile(ids, usual, source);
    out.part("pre_tokenizer", "ByteLevel")
        .put("add_prefix_space", source.config().path("add_prefix_space").asBoolean(false))
        .put("trim_offsets", true)
        .put("use_regex", true);
    out.part("decoder", "ByteLevel")
        .put("add_prefix_space", true)
        .put("trim_offsets", true)
        .put("use_regex", true);
    ObjectNode model = out.part("model", "BPE").putNull("dropout").putNull("unk_token");
    model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", false).put("byte_fallback", false);
    model.set("vocab", vocabulary);
    ArrayNode merges = NODES.arrayNode();
    for (String line : lines(source.file(MERGES))) {
      if (!line.isEmpty() && !line.startsWith("#version")) {
        merges.add(line);
      }
    }
    model.set("merges", merges);
    return out;
  }

  private static List<String> lines(Path file) {
    try {
      List<String> lines = new ArrayList<>();
      for (String line : Files.readString(file).split("\n", -1)) {
        lines.add(line.endsWith("\r") ? line.substring(0, line.length() - 1) : line);
      }
      if (lines.get(lines.size() - 1).isEmpty()) {
        lines.remove(lines.size() - 1); // behind the last line
      }
      return lines;
    } catch (IOException e) {
      throw new InputException(file + " cannot be read as UTF-8 text: " + e.getMessage(), e);
    }
  }
}
