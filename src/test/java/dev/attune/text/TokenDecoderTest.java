package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Texts of ids among which are added tokens that a normalizer changes. */
class TokenDecoderTest {
  private static final String ADDED =
      """
      {"id": %d, "content": "%s", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": %b, "special": %b}""";

  @TempDir Path temp;

  @BeforeEach
  void config() throws IOException {
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"llama\"}");
  }

  private void write(String normalizer, String decoder, String vocabulary, String... added)
      throws IOException {
    Files.writeString(
        temp.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [%s],
         "normalizer": %s, "pre_tokenizer": null, "post_processor": null, "decoder": %s,
         "model": {"type": "WordLevel", "vocab": %s, "unk_token": "<u>"}}
        """
            .formatted(String.join(", ", added), normalizer, decoder, vocabulary));
  }

  private static String added(int id, String content, boolean normalized, boolean special) {
    return ADDED.formatted(id, content, normalized, special);
  }

  private String decoded(boolean skips, int... ids) {
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      return tokenizer.decode(ids, skips);
    }
  }

  /** As a word is, which has its space: so the two come back as they were read. */
  @Test
  void aTokenUnderANormalizerThatAddsASpaceIsDecodedWithIt() throws IOException {
    write(
        "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"▁\"},"
            + " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"▁\"}]}",
        "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\":"
            + " \"▁\"}, \"content\": \" \"}, {\"type\": \"Fuse\"}]}",
        "{\"<u>\": 0, \"▁a\": 1}",
        added(2, "<x>", true, false),
        added(3, "<y>", false, false));
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      assertEquals(2, tokenizer.encodePlain("a <x>")[1]);
    }
    assertEquals(" a <x> a<y>", decoded(false, 1, 2, 1, 3));
  }

  @Test
  void aTokenThatIsFoundInSmallLettersIsWrittenSo() throws IOException {
    write(
        "{\"type\": \"Lowercase\"}",
        "null",
        "{\"<u>\": 0, \"a\": 1, \"acme\": 2}",
        added(3, "NewTok", true, false),
        added(4, "ACME", true, false),
        added(5, "Kept", false, false));
    assertEquals("a newtok acme Kept", decoded(false, 1, 3, 4, 5));
  }

  /** Pieces of the model that are never split are added tokens too. */
  @Test
  void aPieceOfTheModelIsDecodedAsItIsFound() throws IOException {
    write(
        "{\"type\": \"Lowercase\"}",
        "null",
        "{\"<u>\": 0, \"a\": 1, \"Own\": 2}",
        added(2, "Own", true, false));
    assertEquals("a own", decoded(false, 1, 2));
    Files.writeString(
        temp.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [%s, %s],
         "normalizer": {"type": "Lowercase"}, "pre_tokenizer": null, "post_processor": null,
         "decoder": {"type": "Fuse"},
         "model": {"type": "BPE", "vocab": {"<U>": 0, "a": 1, "B": 2, "aB": 3},
                   "merges": [["a", "B"]], "unk_token": "<U>"}}
        """
            .formatted(added(0, "<U>", true, true), added(3, "aB", true, false)));
    assertEquals("<u>aab", decoded(false, 0, 1, 3));
    Files.writeString(
        temp.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [%s],
         "normalizer": {"type": "Lowercase"}, "pre_tokenizer": null, "post_processor": null,
         "decoder": {"type": "Fuse"},
         "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0], ["a", -1], ["Aa", -2]]}}
        """
            .formatted(added(2, "Aa", true, false)));
    assertEquals("aaa", decoded(false, 1, 2));
  }

  @Test
  void specialTokensAreLeftOutHoweverTheyAreWritten() throws IOException {
    write(
        "{\"type\": \"Lowercase\"}",
        "null",
        "{\"<u>\": 0, \"a\": 1, \"end\": 2}",
        added(3, "<END>", true, true),
        added(4, "END", true, true));
    assertEquals("a <end> end end", decoded(false, 1, 3, 4, 2));
    assertEquals("a end", decoded(true, 1, 3, 4, 2));
  }

  /** Rather than that a text is lost that is made already. */
  @Test
  void spellingsThatTheLibraryDoesNotTakeAreThoseOfTheFile() throws IOException {
    write("{\"type\": \"Lowercase\"}", "null", "{\"<u>\": 0}", added(1, "ACME", true, false));
    String json = Files.readString(temp.resolve("tokenizer.json"));
    long handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
    try {
      TokenDecoder decoder = new TokenDecoder(handle, json.replace("WordLevel", "None"));
      assertEquals("ACME", decoder.decode(new int[] {1}, false));
      decoder.close();
    } finally {
      TokenizersLibrary.LIB.deleteTokenizer(handle);
    }
  }
}
