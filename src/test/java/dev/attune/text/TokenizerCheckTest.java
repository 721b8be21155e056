package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that Hugging Face's library reads, and over which it would end the process later. */
class TokenizerCheckTest {
  private static final String SEP =
      "\"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [1], \"tokens\": [\"[SEP]\"]}";
  private static final String AROUND = "{\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}";
  private static final String FIRST = "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}";
  private static final String SECOND = "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}";

  @TempDir Path folder;

  private static String template(String single, String specialTokens) {
    return "{\"type\": \"TemplateProcessing\", \"single\": [%s], \"pair\": [%s, %s, %s], \"special_tokens\": {%s}}"
        .formatted(single, FIRST, AROUND, SECOND, specialTokens);
  }

  private TextTokenizer open(String postProcessor) throws Exception {
    Files.writeString(
        folder.resolve("tokenizer.json"),
"""
{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
 "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": %s,
 "decoder": null,
 "model": {"type": "WordLevel", "vocab": {"a": 0, "[SEP]": 1, "[UNK]": 2}, "unk_token": "[UNK]"}}
"""
            .formatted(postProcessor));
    return TextTokenizer.open(folder);
  }

  @Test
  void aTemplateWithItsTokensIsRead() throws Exception {
    try (TextTokenizer tokenizer = open(template(FIRST + ", " + AROUND, SEP))) {
      assertEquals(2, tokenizer.encode("a", null).length());
      assertEquals(3, tokenizer.encode("a", "a").length());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '^',
      quoteCharacter = '`',
      value = {
        "lost ^ special token '[SEP]' around texts, and does not say which that is",
        "uneven ^ not as many ids as tokens",
        "second ^ wants a second text where there is one",
        "two ^ has 2 templates one after the other"
      })
  void whatWouldEndTheProcessIsRefused(String fault, String reason) {
    String sound = template(FIRST + ", " + AROUND, SEP);
    String processor =
        switch (fault) {
          case "lost" -> template(FIRST + ", " + AROUND, "");
          case "uneven" -> template(FIRST + ", " + AROUND, SEP.replace("[1]", "[1, 2]"));
          case "second" -> template(FIRST + ", " + SECOND, SEP);
          default -> "{\"type\": \"Sequence\", \"processors\": [%s, %s]}".formatted(sound, sound);
        };
    String message = assertThrows(InputException.class, () -> open(processor)).getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void piecesThatAreLeftUnmergedAtRandomAreRefused() throws Exception {
    String json =
        "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"dropout\": %s, \"vocab\":"
            + " {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [[\"a\", \"b\"]]}}";
    Path file = folder.resolve("tokenizer.json");
    for (String none : new String[] {"null", "0.0"}) {
      TokenizerCheck.check(file, json.formatted(none));
    }
    String message =
        assertThrows(InputException.class, () -> TokenizerCheck.check(file, json.formatted("0.1")))
            .getMessage();
    assertTrue(message.contains("its model has a 'dropout' of 0.1"), message);
  }

  /** Of these the native parser of a decoder does not say that it cannot read them: it panics. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '^',
      quoteCharacter = '`',
      value = {
        "{\"type\": \"ByteLevel\", \"a\": 1e999} ^ has a number that is out of range",
        "{\"type\": \"ByteLevel\", \"a\": \"\\ud800\"} ^ has half of a character",
        "{\"type\": \"ByteLevel\" \"a\": true} ^ is not a tokenizer that",
      })
  void aDecoderThatCannotBeParsedIsRefused(String decoder, String reason) throws Exception {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        "{\"version\": \"1.0\", \"decoder\": "
            + decoder
            + ", \"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}, \"unk_token\":"
            + " \"a\"}}");
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void aFileThatIsNoJsonIsRefused() throws Exception {
    Files.writeString(folder.resolve("tokenizer.json"), "{\"version\": \"1.0\", ");
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains("tokenizer.json is not a tokenizer that"), message);
  }

  /** As an int it would be negative, and below every vocabulary. */
  @Test
  void anIdBeyondAllVocabulariesIsRefused() throws Exception {
    String json =
        """
        {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
         "model": {"type": "WordLevel", "unk_token": "[UNK]",
           "vocab": {"[UNK]": 0, "hello": 4000000000}}}
        """;
    Files.writeString(folder.resolve("tokenizer.json"), json);
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      String message =
          assertThrows(InputException.class, () -> tokenizer.encode("hello", null)).getMessage();
      assertTrue(message.contains("token id 4000000000"), message);
    }
  }
}
