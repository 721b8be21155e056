package dev.attune.text;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Builds the {@code tokenizer.json} of folders that have a sentencepiece file in its place. What a
 * class of tokenizers builds by its arguments is left to {@link TokenizerClass}.
 *
 * <p>Source: {@code SentencePieceExtractor} and the converters in {@code convert_slow_tokenizer.py}
 * of Transformers 5.18.
 */
final class PieceFiles {
  private static final String UNDERLINE = "▁";
  private static final String MASK = "mask_token";
  private static final String UNKNOWN = "unk_token";

  /** The file of a model whose pieces are merged. */
  static final String MERGED = "tokenizer.model";

  private static final Map<String, String> ROBERTA = UsualTokens.roberta("<unk>");
  private static final Map<String, String> DEBERTA = UsualTokens.bracketed("[UNK]", "[PAD]");
  private static final Map<String, String> ALBERT = UsualTokens.bracketed("<unk>", "<pad>");

  private final Path file;
  private final SentencePieceModel model;
  private final VocabularySource source;
  private final List<SentencePieceModel.Piece> pieces = new ArrayList<>(); // by their ids

  private PieceFiles(VocabularySource source, String name, int type) {
    this.file = source.file(name);
    this.model = SentencePieceModel.read(file, type);
    this.source = source;
  }

  static String debertaV2(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, "spm.model", SentencePieceModel.UNIGRAM);
    of.take(0);
    TokenizerFile out = of.file(DEBERTA);
    Integer unknown = of.ids().get(out.spelling(UNKNOWN));
    of.unigrams(out, unknown == null ? of.model.unknown() : unknown);
    out.addRoles(false);
    out.frame(TokenizerFile.BERT_TEXT, TokenizerFile.BERT_PAIR);
    return out.json();
  }

  static String albert(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, "spiece.model", SentencePieceModel.UNIGRAM);
    of.take(0);
    TokenizerFile out = of.file(ALBERT);
    of.unigrams(out, 1); // whatever the file says
    out.addRoles(false);
    out.frame(TokenizerFile.BERT_TEXT, TokenizerFile.BERT_PAIR);
    of.words(out);
    return out.json();
  }

  static String xlmRoberta(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, "sentencepiece.bpe.model", SentencePieceModel.UNIGRAM);
    for (String role : List.of("bos_token", "pad_token", "eos_token", UNKNOWN)) {
      of.put(role, ROBERTA);
    }
    of.take(3); // its own first three
    of.put(MASK, ROBERTA);
    return of.twoEnds(false);
  }

  static String camembert(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, "sentencepiece.bpe.model", SentencePieceModel.UNIGRAM);
    of.put("<s>NOTUSED", 0);
    of.put("pad_token", ROBERTA);
    of.put("</s>NOTUSED", 0);
    of.put(UNKNOWN, ROBERTA);
    of.put("<unk>NOTUSED", -100);
    of.take(1);
    of.put(MASK, ROBERTA);
    return of.twoEnds(true);
  }

  /**
   * Llama 1 and 2, whose pieces are merged: two pieces are, where both and what they make are in
   * the vocabulary, the earlier in it the sooner.
   */
  static String llama(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, MERGED, SentencePieceModel.MERGES);
    of.take(0);
    TokenizerFile out = of.merges();
    out.part("pre_tokenizer", "Metaspace").put("replacement", UNDERLINE).put("split", false);
    return out.json();
  }

  /**
   * The same where no class says what it builds: texts have the pieces that sentencepiece gives
   * them, as in Mistral's own tokenizer.json.
   *
   * @throws dev.attune.core.InputException if the file asks for more than a space before a text
   */
  static String plainMerges(VocabularySource source) {
    PieceFiles of = new PieceFiles(source, MERGED, SentencePieceModel.MERGES);
    SentencePieceModel model = of.model;
    Check.input(
        model.table().length == 0 && !model.trimsSpaces() && model.fallsBackToBytes(),
        "%s is a sentencepiece model that changes texts before it cuts them, or has no bytes for"
            + " characters without a piece, and the folder has no tokenizer.json that says how."
            + " Write one with LlamaTokenizer.from_pretrained(...).save_pretrained(...) in"
            + " Transformers, if that is the class of this tokenizer.",
        of.file);
    of.take(0);
    TokenizerFile out = of.merges();
    ArrayNode changes = out.part("normalizer", "Sequence").putArray("normalizers");
    if (model.addsSpace()) {
      changes.addObject().put("type", "Prepend").put("prepend", UNDERLINE);
    }
    replace(changes, " ", UNDERLINE);
    ArrayNode steps = out.part("decoder", "Sequence").putArray("decoders");
    replace(steps, UNDERLINE, " ");
    steps.addObject().put("type", "ByteFallback");
    steps.addObject().put("type", "Fuse");
    if (model.addsSpace()) {
      steps.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
    }
    return out.json();
  }

  private static void replace(ArrayNode steps, String what, String by) {
    ObjectNode step = steps.addObject().put("type", "Replace").put("content", by);
    step.putObject("pattern").put("String", what);
  }

  private TokenizerFile merges() {
    Map<String, String> usual = SpecialTokens.usual("LlamaTokenizer");
    TokenizerFile out = file(usual);
    ObjectNode merged = out.part("model", "BPE");
    merged.putNull("dropout").put(UNKNOWN, out.spelling(UNKNOWN));
    merged.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    merged.put("fuse_unk", true).put("byte_fallback", true);
    ObjectNode vocabulary = merged.putObject("vocab");
    Map<String, Integer> ids = ids();
    ids.forEach(vocabulary::put);
    ArrayNode merges = merged.putArray("merges");
    for (String piece : ids.keySet()) {
      for (int cut = 1; cut < piece.length(); cut++) {
        String left = piece.substring(0, cut);
        String right = piece.substring(cut);
        if (ids.containsKey(left) && ids.containsKey(right)) {
          merges.addArray().add(left).add(right);
        }
      }
    }
    wholePieces(out);
    out.addRoles(false);
    out.frameAsAsked(source.config());
    return out;
  }

  private TokenizerFile file(Map<String, String> usual) {
    return new TokenizerFile(ids(), usual, source);
  }

  private Map<String, Integer> ids() {
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (int id = 0; id < pieces.size(); id++) {
      ids.put(pieces.get(id).text(), id);
    }
    return ids;
  }

  private void put(String role, Map<String, String> usual) {
    String spelling = source.named().spelling(role);
    put(spelling == null ? usual.get(role) : spelling, 0);
  }

  private void put(String text, float score) {
    pieces.add(new SentencePieceModel.Piece(text, score, 0));
  }

  private void take(int first) {
    Check.input(
        model.pieces().size() >= first,
        "%s has %d pieces, where at least %d are wanted: fetch it again",
        file,
        model.pieces().size(),
        first);
    pieces.addAll(model.pieces().subList(first, model.pieces().size()));
  }

  /** As XLM-RoBERTa and CamemBERT have it. */
  private String twoEnds(boolean maskEatsSpace) {
    TokenizerFile out = file(ROBERTA);
    unigrams(out, ids().get(out.spelling(UNKNOWN)));
    out.addRoles(maskEatsSpace);
    out.frame(
        "bos_token:0 A:0 eos_token:0", "bos_token:0 A:0 eos_token:0 eos_token:0 B:0 eos_token:0");
    words(out);
    return out.json();
  }

  private void unigrams(TokenizerFile out, int unknown) {
    ObjectNode unigrams = out.part("model", "Unigram");
    unigrams.put("unk_id", unknown).put("byte_fallback", false);
    ArrayNode vocabulary = unigrams.putArray("vocab");
    pieces.forEach(piece -> vocabulary.addArray().add(piece.text()).add(piece.score()));
    wholePieces(out);
  }

  /** Those of the file that are never split, unless a list in the folder's files says which. */
  private void wholePieces(TokenizerFile out) {
    if (source.named().state("extra_special_tokens")) {
      return;
    }
    for (SentencePieceModel.Piece piece : model.pieces()) {
      if (piece.isControl() || piece.isUserDefined()) {
        out.keepWhole(piece.text(), piece.isControl());
      }
    }
  }

  /** What is common to the classes that cut at white space; the file may have a table. */
  private void words(TokenizerFile out) {
    ArrayNode cuts = out.part("pre_tokenizer", "Sequence").putArray("pretokenizers");
    cuts.addObject().put("type", "WhitespaceSplit");
    ObjectNode words = cuts.addObject().put("type", "Metaspace");
    words.put("replacement", UNDERLINE).put("prepend_scheme", "always").put("split", true);
    out.set("decoder", words.deepCopy());
    if (model.table().length > 0) {
      out.part("normalizer", "Precompiled")
          .put("precompiled_charsmap", Base64.getEncoder().encodeToString(model.table()));
    }
  }
}
