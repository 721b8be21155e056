package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What tokenizer_config.json says beside tokenizer.json counts, or is refused. */
class TokenizerConfigTest {
  @TempDir Path temp;

  /** Transformers adds the tokens that tokenizer_config.json alone knows of. */
  @Test
  void addedTokensOfTheConfigCount() throws IOException {
    Files.copy(
        SharedFolders.tokenizer("bert-base-uncased").resolve("tokenizer.json"),
        temp.resolve("tokenizer.json"));
    Files.writeString(
        temp.resolve("tokenizer_config.json"),
        """
        {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {
          "0": {"content": "[PAD]", "special": true},
          "30523": {"content": "[E2]", "special": true},
          "30522": {"content": "[E1]", "lstrip": false, "rstrip": false, "single_word": false,
                    "normalized": false, "special": true}}}
        """);
    try (TextTokenizer plain = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
        TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      int[] expected = plain.encodeIds("one two three", null, 512).ids();
      assertArrayEquals(
          new int[] {expected[0], expected[1], 30522, expected[2], 30523, expected[3], expected[4]},
          tokenizer.encodeIds("one [E1] two [E2] three", null, 512).ids());
      assertEquals("one", tokenizer.decode(new int[] {expected[1], 30522}, true));
    }
  }

  /** As {@code decode} of Transformers 5.18 has it. */
  @Test
  void spacesBeforePunctuationAreCleanedWhereTheConfigurationAsks() throws IOException {
    Files.copy(
        SharedFolders.tokenizer("bert-base-uncased").resolve("tokenizer.json"),
        temp.resolve("tokenizer.json"));
    String text = "don't say it's 'so' , they're !";
    try (TextTokenizer plain = TextTokenizer.open(temp)) {
      assertEquals(
          "don ' t say it ' s ' so ', they ' re!",
          plain.decodeClean(plain.encodePlain(text), true));
    }
    Files.writeString(
        temp.resolve("tokenizer_config.json"), "{\"clean_up_tokenization_spaces\": true}");
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      assertEquals(
          "don't say it's'so ', they're!",
          tokenizer.decodeClean(tokenizer.encodePlain(text), true));
    }
  }

  /**
   * Transformers puts other cuts in the place of those that some Mistrals were saved with, and of
   * no others, whatever the key says.
   */
  @ParameterizedTest
  @CsvSource({
    "100001, mistral, 4.57.1, true",
    "100001, ministral, 5.0.0rc1, true",
    "100001, llama, , true",
    "100000, mistral, 4.57.1, false",
    "100001, mistral, 5.0.0, false",
    "100001, llama, 4.57.1, false",
  })
  void otherCutsThanTheFileHasAreRefused(
      int pieces, String type, String version, boolean isRefused, @TempDir Path folder)
      throws IOException {
    String pattern =
        "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*"
            + "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+|\\\\p{N}";
    String vocabulary =
        IntStream.range(0, pieces)
            .mapToObj(i -> "\"a%d\": %d".formatted(i, i))
            .collect(Collectors.joining(", "));
    String tokenizer =
        """
        {"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
         "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "%s"}, "behavior": "Isolated",
                           "invert": false},
         "decoder": null, "model": {"type": "WordLevel", "vocab": {%s}, "unk_token": "a0"}}
        """;
    Path file = folder.resolve("tokenizer.json");
    Files.writeString(file, tokenizer.formatted("\\\\s+", vocabulary));
    String saved = version == null ? "" : ", \"transformers_version\": \"" + version + "\"";
    Files.writeString(
        folder.resolve("config.json"), "{\"model_type\": \"" + type + "\"" + saved + "}");
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"fix_mistral_regex\": false}");
    TextTokenizer.open(folder).close();
    Files.writeString(config, "{\"fix_mistral_regex\": true}");
    if (isRefused) {
      String message =
          assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
      assertTrue(message.contains("fix_mistral_regex is true"), message);
      Files.writeString(file, tokenizer.formatted(pattern, vocabulary));
    }
    TextTokenizer.open(folder).close();
  }

  /** As types of BERT's tokens, which GPT-2 takes for tokens. */
  @Test
  void tokenTypesOfGpt2AreRefused(@TempDir Path folder) throws IOException {
    Path own = Path.of("src/test/resources/tokenizers/modernbert");
    Files.copy(own.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"gpt2\"}");
    Path config = folder.resolve("tokenizer_config.json");
    for (String given :
        List.of(
            "\"model_input_names\": [\"input_ids\", \"token_type_ids\"]",
            "\"tokenizer_class\": \"BertTokenizer\"")) {
      Files.writeString(config, "{" + given + "}");
      String message =
          assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
      assertTrue(message.contains("Set 'model_input_names' to [\"input_ids\", "), message);
      Files.writeString(config, "{\"model_input_names\": [\"input_ids\"], \"x\": {" + given + "}}");
      TextTokenizer.open(folder).close();
    }
  }

  @Test
  void theOlderNameOfTheMaximumLengthCounts(@TempDir Path folder) throws IOException {
    Path own = Path.of("src/test/resources/tokenizers/modernbert");
    Files.copy(own.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"max_len\": 40}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals(OptionalInt.of(40), tokenizer.modelMaxLength());
    }
    Files.writeString(config, "{\"max_len\": 40, \"model_max_length\": 50}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals(OptionalInt.of(50), tokenizer.modelMaxLength());
    }
  }

  @Test
  void splittingSpecialTokensIsRefused(@TempDir Path folder) throws IOException {
    Path own = Path.of("src/test/resources/tokenizers/modernbert");
    Files.copy(own.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"split_special_tokens\": false}");
    TextTokenizer.open(folder).close();
    Files.writeString(config, "{\"split_special_tokens\": true}");
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains("split_special_tokens is true"), message);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "do_lower_case, \"false\"",
        "strip_accents, 1",
        "add_prefix_space, \"yes\"",
        "split_special_tokens, \"true\"",
        "truncation_side, \"Left\"",
        "truncation_side, null"
      })
  void switchesThatAreNoneAreRefusedByName(String key, String value, @TempDir Path folder)
      throws IOException {
    Path own = Path.of("src/test/resources/tokenizers/modernbert");
    Files.copy(own.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    String json = "{\"" + key + "\": " + value + "}";
    Files.writeString(folder.resolve("tokenizer_config.json"), json);
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains("tokenizer_config.json: '" + key + "' is "), message);
  }

  /** The classes of Transformers take them from one file, all other programs from the other. */
  @ParameterizedTest
  @CsvSource({"cls_token,[UNK]", "sep_token,[MASK]", "unk_token,[PAD]"})
  void specialTokensOfWhichTwoFilesDisagreeAreRefused(
      String role, String spelling, @TempDir Path folder) throws IOException {
    Files.copy(
        Path.of("src/test/resources/tokenizers/modernbert/tokenizer.json"),
        folder.resolve("tokenizer.json"));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"bert\"}");
    Files.writeString(
        config, "{\"cls_token\": \"[CLS]\", \"sep_token\": {\"content\": \"[SEP]\"}}");
    TextTokenizer.open(folder).close();
    String json = "{\"tokenizer_class\": \"BertTokenizer\", \"%s\": \"%s\"}";
    Files.writeString(config, json.formatted(role, spelling));
    if (role.equals("unk_token")) {
      Path file = folder.resolve("tokenizer.json");
      String tokenizer =
          Files.readString(file).replaceFirst("\"unk_token\": *null", "\"unk_token\": \"[UNK]\"");
      Files.writeString(file, tokenizer);
    }
    String message =
        assertThrows(InputException.class, () -> TextTokenizer.open(folder)).getMessage();
    assertTrue(message.contains("'" + role + "' is \"" + spelling + "\", and"), message);
  }

  /** Encodings of a template that writes the date are those of that day. */
  @Test
  void theDayIsPartOfTheContentWhereATemplateWritesIt(@TempDir Path folder) throws IOException {
    Files.copy(
        Path.of("src/test/resources/tokenizers/modernbert/tokenizer.json"),
        folder.resolve("tokenizer.json"));
    Path template = folder.resolve("chat_template.jinja");
    Files.writeString(template, "{{ messages[0].content }}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      List<String> plain = tokenizer.content();
      Files.writeString(template, "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}");
      List<String> dated = tokenizer.content();
      assertEquals(plain.size() + 1, dated.size());
      LocalDate day = LocalDate.parse(dated.get(dated.size() - 1));
      assertTrue(!day.isAfter(LocalDate.now()) && day.isAfter(LocalDate.now().minusDays(2)));
    }
  }
}
