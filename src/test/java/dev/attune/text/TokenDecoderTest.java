package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
}
