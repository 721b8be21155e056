package dev.attune.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;

/**
 * The tokenizer of a Hugging Face model folder: Hugging Face's own Rust code over {@code
 * tokenizer.json}, so ids are equal to theirs by construction.
 *
 * <p>Padding and truncation that {@code tokenizer.json} may ask for are switched off: nothing is
 * padded here, and truncation is ours because it must be counted. Encoding is safe from many
 * threads at once; closing while an encoding runs throws.
 */
public final class TextTokenizer implements AutoCloseable {
  /** The files that make a tokenizer; {@link #saveTo} copies those that are there. */
  public static final List<String> FILES = SavedFiles.NAMES;

  /** Those that hold a vocabulary. */
  private static final List<String> VOCABULARIES =
      List.of(
          "tokenizer.json",
          "vocab.txt",
          "vocab.json",
          "tokenizer.model",
          "spiece.model",
          "spm.model",
          "sentencepiece.bpe.model");

  /** Characters of a text from which it is encoded in pieces. */
  private static final int LONG = 1 << 20;

  private static final int MOST = Integer.MAX_VALUE;

  private static final String MAX_LENGTH = "model_max_length";

  private final Path folder;
  private final Path model;
  private final OptionalInt trailingPad;
  private final String source; // as files have it, with all tokens that they name
  private final String json; // as the class reads it
  private final JsonNode config;
  private final JsonNode modelConfig;
  private final SpecialTokens specialTokens;
  private final boolean typeIds;
  private final boolean truncatesLeft;
  private final SplitWords splitWords;
  private final long handle;
  private final TokenVocabulary vocabulary;
  private final SavedFiles files;
  private final EncodingReader reader;
  private final TokenDecoder decoder;
  private final Pieces pieces;
  private final AtomicInteger inUse = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();

  private TextTokenizer(
      Path folder,
      Path model,
      OptionalInt trailingPad,
      String json,
      List<String> added,
      boolean isWritten) {
    this.folder = folder;
    this.model = model;
    this.trailingPad = trailingPad;
    this.modelConfig = JsonFile.read(model.resolve("config.json"));
    this.config = TokenizerClass.padded(TokenizerConfig.read(folder), json, modelConfig);
    String merged = AddedTokens.merged(json, config, folder, isWritten);
    this.source = added.isEmpty() ? merged : AddedTokens.extended(merged, added);
    this.json = TokenizerClass.applied(source, config, modelConfig, isWritten);
    this.specialTokens = SpecialTokens.of(config, folder);
    TokenizerSwitches.check(folder, config, modelConfig, this.json);
    this.typeIds = TokenizerSwitches.typeIds(modelConfig, config);
    this.truncatesLeft = TokenizerSwitches.truncatesLeft(config, this.json);
    this.splitWords = SplitWords.of(this.json);
    TokenizerCheck.check(folder.resolve("tokenizer.json"), this.json);
    NativeTokenizers.load();
    long created;
    try {
      created = TokenizersLibrary.LIB.createTokenizerFromString(this.json);
    } catch (RuntimeException e) {
      throw new InputException(
          folder.resolve("tokenizer.json")
              + " is not a tokenizer that Hugging Face tokenizers can read: "
              + e.getMessage()
              + ". Save it again with tokenizer.save_pretrained(...).",
          e);
    }
    TokenizersLibrary.LIB.disablePadding(created);
    TokenizersLibrary.LIB.disableTruncation(created);
    this.handle = created;
    this.pieces = new Pieces(this.json, this::encodePlain, this::frame, truncatesLeft);
    this.vocabulary =
        new TokenVocabulary(
            this.json,
            modelConfig,
            specialTokens,
            SpecialTokens.usual(TokenizerClass.name(config, modelConfig)));
    this.files =
        new SavedFiles(
            folder,
            source,
            this.json,
            isWritten,
            !added.isEmpty(),
            config,
            modelConfig,
            vocabulary);
    this.reader = new EncodingReader(this.json, vocabulary, typeIds, truncatesLeft);
    this.decoder = new TokenDecoder(created, this.json);
  }

  /** Whether a folder has a tokenizer of its own, be it one that has to be built. */
  public static boolean isIn(Path folder) {
    return VOCABULARIES.stream().map(folder::resolve).anyMatch(Files::exists);
  }

  /**
   * Opens the tokenizer of a model folder. Where {@code tokenizer.json} is missing, one is built in
   * memory from vocab.txt (BERT family), vocab.json and merges.txt (RoBERTa, GPT-2), or a
   * sentencepiece file.
   */
  public static TextTokenizer open(Path folder) {
    return open(folder, folder);
  }

  /**
   * As {@link #open(Path)}, for a folder that lacks config.json, as an adapter's does.
   *
   * @param model the folder whose config.json counts
   */
  public static TextTokenizer open(Path folder, Path model) {
    return open(folder, model, OptionalInt.empty());
  }

  /**
   * The same for a model whose head reads the last row of a sequence.
   *
   * @param trailingPad a token that counts for nothing at the end of a text to be judged, as
   *     Transformers' decoders with such heads have it: see {@link #encodeJudged}
   */
  public static TextTokenizer open(Path folder, Path model, OptionalInt trailingPad) {
    Check.input(
        Files.isDirectory(folder),
        "%s is not a folder. A model is a Hugging Face folder with config.json, model.safetensors"
            + " and tokenizer.json.",
        folder);
    Path file = folder.resolve("tokenizer.json");
    if (Files.exists(file)) {
      try {
        return new TextTokenizer(
            folder, model, trailingPad, Files.readString(file), List.of(), false);
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
    return new TextTokenizer(
        folder,
        model,
        trailingPad,
        VocabularyFiles.tokenizerJson(folder, JsonFile.read(model.resolve("config.json"))),
        List.of(),
        true);
  }

  /**
   * A second tokenizer that has more tokens, numbered on from those there are; the caller closes
   * both.
   *
   * @param words none of which is a token yet
   */
  public TextTokenizer withTokens(List<String> words) {
    boolean isBuilt = !Files.exists(folder.resolve("tokenizer.json"));
    return new TextTokenizer(folder, model, trailingPad, source, words, isBuilt);
  }

  /** The folder it was opened from. */
  public Path folder() {
    return folder;
  }

  /** Whether the model reads type ids (BERT does; RoBERTa, DistilBERT and decoders do not). */
  public boolean usesTypeIds() {
    return typeIds;
  }

  /**
   * {@code model_max_length} of the tokenizer, where it states a real one that leaves room for a
   * token beside the special ones: tokens after which texts end where nobody says otherwise.
   */
  public OptionalInt modelMaxLength() {
    double stated = maxLength().asDouble(Double.NaN);
    return stated < 1 << 30 && !isTooShort(stated)
        ? OptionalInt.of((int) stated)
        : OptionalInt.empty();
  }

  /** {@code model_max_length} as the file has it, where no token of a text fits into it. */
  public Optional<String> tooShortMaxLength() {
    return isTooShort(maxLength().asDouble(Double.NaN))
        ? Optional.of(maxLength().asText())
        : Optional.empty();
  }

  /** As the file has it, by the name that it has or had. */
  private JsonNode maxLength() {
    return config.has(MAX_LENGTH) ? config.get(MAX_LENGTH) : config.path("max_len");
  }

  private boolean isTooShort(double length) {
    return length < specialTokens(false) + 1;
  }

  /** How many special tokens the template adds to a text, or to a text pair. */
  public int specialTokens(boolean pair) {
    return encodeIds("", pair ? "" : null, Integer.MAX_VALUE).ids().length;
  }

  /** What its tokens are. */
  public TokenVocabulary vocabulary() {
    return vocabulary;
  }

  /**
   * Encodes a text, or a text pair where {@code pair} is not null, with everything there is to know
   * about each token. Nothing is truncated.
   */
  public Encoding encode(String text, String pair) {
    EncodingReader.Texts texts = new EncodingReader.Texts(text, pair);
    return reading(() -> encodeNative(text, pair), encoding -> reader.full(encoding, texts));
  }

  /**
   * Encodes a text that already holds its special tokens, as a rendered chat template does: the
   * tokenizer adds none. Nothing is truncated.
   */
  public Encoding encodeRendered(String text) {
    EncodingReader.Texts texts = new EncodingReader.Texts(text, null);
    return reading(
        () -> TokenizersLibrary.LIB.encode(handle, present(text), false),
        encoding -> reader.full(encoding, texts));
  }

  /** Encodes words that are already split; word ids then index {@code words}. */
  public Encoding encodeWords(List<String> words) {
    String[] prefixed = splitWords.spaced(words);
    Encoding full =
        reading(
            () -> TokenizersLibrary.LIB.encodeList(handle, prefixed, true),
            encoding -> reader.full(encoding, null));
    for (int i = 0; i < full.length(); i++) {
      int word = full.wordIds()[i];
      if (word >= 0 && prefixed[word].length() > words.get(word).length()) {
        full.offsets()[2 * i] = Math.max(0, full.offsets()[2 * i] - 1);
        full.offsets()[2 * i + 1] = Math.max(0, full.offsets()[2 * i + 1] - 1);
      }
    }
    return full;
  }

  /** The ids of a text or text pair, truncated to {@code maxLength}: the fast path of training. */
  public TokenIds encodeIds(String text, String pair, int maxLength) {
    if (pair == null && text.length() > LONG) {
      TokenIds ids = longTexts().encode(text, maxLength);
      if (ids != null) {
        return ids;
      }
    }
    if (pair == null && pieces.areWorthIt()) {
      enter();
      try {
        TokenIds ids = pieces.encode(text, maxLength);
        if (ids != null) {
          return ids;
        }
      } finally {
        inUse.decrementAndGet();
      }
    }
    EncodingReader.Texts texts = new EncodingReader.Texts(text, pair);
    return reading(
        () -> encodeNative(text, pair), encoding -> reader.lean(encoding, texts, maxLength, false));
  }

  /**
   * The same of a text that a head judges as a whole. A decoder's head reads the last token that is
   * no padding, which in a text may be one of its own; what comes after it is cut off, and not
   * counted as dropped. Of padding alone the first token is left.
   */
  public TokenIds encodeJudged(String text, String pair, int maxLength) {
    TokenIds whole = encodeIds(text, pair, maxLength);
    int[] ids = whole.ids();
    int end = ids.length;
    while (trailingPad.isPresent() && end > 1 && ids[end - 1] == trailingPad.getAsInt()) {
      end--;
    }
    return end == ids.length
        ? whole
        : new TokenIds(
            Arrays.copyOf(ids, end),
            whole.typeIds() == null ? null : Arrays.copyOf(whole.typeIds(), end),
            null,
            whole.droppedTokens());
  }

  /**
   * Encodes a part of a text that is too long to be encoded as one. The template's special tokens
   * stand before the first part and behind the last one.
   *
   * @param before some text that precedes the part; empty where it is the first
   * @param isLast whether nothing follows
   */
  public TextPart encodePart(String before, String text, boolean isLast) {
    return longTexts().part(before, text, isLast);
  }

  /** A word as it is encoded between special tokens. */
  private Frame frame() {
    TokenIds around =
        reading(() -> encodeNative("a", null), e -> reader.lean(e, null, MOST, false));
    return new Frame(around, encodePlain("a"));
  }

  private LongTexts longTexts() {
    return new LongTexts(pieces.plain(), pieces.frame(), truncatesLeft);
  }

  /** Whether two texts have the same tokens one after the other as joined. */
  public boolean partsAt(String before, String after) {
    return longTexts().partsAt(before, after);
  }

  /**
   * All that encodings depend on, as texts: of two tokenizers that encode otherwise they differ.
   */
  public List<String> content() {
    List<String> content = new ArrayList<>();
    content.add(json);
    content.add(config.toString());
    content.add(modelConfig.toString());
    content.add(specialTokens.spellings().toString());
    content.add(trailingPad.toString());
    for (String name : List.of(ChatTemplate.FILE, ChatTemplate.FOR_TOOLS, "chat_template.json")) {
      try {
        Path file = folder.resolve(name);
        content.add(Files.isRegularFile(file) ? Files.readString(file) : "");
      } catch (IOException e) {
        throw new InputException(folder.resolve(name) + " cannot be read: " + e.getMessage(), e);
      }
    }
    if (content.stream().anyMatch(text -> text.contains(ChatTemplate.DATE_FUNCTION))) {
      content.add(LocalDate.now().toString()); // a chat template writes it
    }
    return content;
  }

  /** The ids of words that are already split, with word ids, truncated to {@code maxLength}. */
  public TokenIds encodeWordIds(List<String> words, int maxLength) {
    return reading(
        () -> TokenizersLibrary.LIB.encodeList(handle, splitWords.spaced(words), true),
        encoding -> reader.lean(encoding, null, maxLength, true));
  }

  /** The ids of a text alone, without the template's special tokens. */
  public int[] encodePlain(String text) {
    return reading(
        () -> TokenizersLibrary.LIB.encode(handle, present(text), false),
        encoding -> EncodingReader.ints(TokenizersLibrary.LIB.getTokenIds(encoding)));
  }

  /** The text of ids. */
  public String decode(int[] ids, boolean skipSpecialTokens) {
    enter();
    try {
      return decoder.decode(ids, skipSpecialTokens);
    } finally {
      inUse.decrementAndGet();
    }
  }

  /**
   * The text of ids without spaces before punctuation, where tokenizer_config.json asks for that
   * ({@code clean_up_tokenization_spaces}) and the model is of words or unigrams: Transformers does
   * not heed it where pieces are merged, which hold their own spaces.
   */
  public String decodeClean(int[] ids, boolean skipSpecialTokens) {
    String text = decode(ids, skipSpecialTokens);
    boolean cleans = config.path("clean_up_tokenization_spaces").asBoolean(false);
    return cleans && !vocabulary.isMerged() ? TokenDecoder.cleaned(text) : text;
  }

  /**
   * Copies the tokenizer's files into a folder that is being made, unchanged, so that Transformers
   * reads the same tokenizer there; a {@code tokenizer.json} that was built or extended in memory
   * is written too, and tokens that were added stand in tokenizer_config.json. So is one that its
   * class in Transformers 5 would not read as the model was trained: see {@link KeptFile}.
   */
  public void saveTo(Path target) throws IOException {
    files.writeTo(target);
  }

  /** Whether a folder has this tokenizer's files, as they were opened or as they are saved. */
  public boolean isSavedIn(Path other) throws IOException {
    return files.areIn(other);
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      if (inUse.get() > 0) {
        closed.set(false);
        throw new IllegalStateException("tokenizer closed while another thread encodes with it");
      }
      decoder.close();
      TokenizersLibrary.LIB.deleteTokenizer(handle);
    }
  }

  /** A null that reached the library would end the process. */
  private static String present(String text) {
    return Objects.requireNonNull(text, "text");
  }

  private long encodeNative(String text, String pair) {
    return pair == null
        ? TokenizersLibrary.LIB.encode(handle, present(text), true)
        : TokenizersLibrary.LIB.encodeDual(handle, present(text), pair, true);
  }

  /** Makes a native encoding, reads it and frees it. */
  private <T> T reading(LongSupplier make, LongFunction<T> read) {
    enter();
    try {
      long encoding = make.getAsLong();
      try {
        return read.apply(encoding);
      } finally {
        TokenizersLibrary.LIB.deleteEncoding(encoding);
      }
    } finally {
      inUse.decrementAndGet();
    }
  }

  /** Counts a running call, so that close cannot free what a thread still reads. */
  private void enter() {
    inUse.incrementAndGet();
    if (closed.get()) {
      inUse.decrementAndGet();
      throw new IllegalStateException("tokenizer of " + folder + " is closed");
    }
  }
}
