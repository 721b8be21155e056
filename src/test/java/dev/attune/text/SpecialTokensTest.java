package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Files beside tokenizer.json that say otherwise than it does, or than each other. The numbers are
 * those of Transformers 5.18.
 */
class SpecialTokensTest {
  private static final String TOKENIZER =
      """
      {"version": "1.0", "truncation": TRUNCATION, "padding": null, "added_tokens": [
        {"id": 8, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
         "normalized": false, "special": false}],
       "normalizer": null, "pre_tokenizer": null, "post_processor": null,
       "decoder": {"type": "Fuse"},
       "model": {"type": "BPE", "dropout": null, "unk_token": null,
         "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
         "byte_fallback": false,
         "vocab": {"a": 0, "b": 1, " ": 2, "<": 3, ">": 4, "x": 5, "y": 6, "/": 7}, "merges": []}}
      """;

  @TempDir private Path folder;

  @BeforeEach
  void write() throws IOException {
    write("tokenizer.json", TOKENIZER.replace("TRUNCATION", "null"));
    write("config.json", "{\"model_type\": \"llama\"}");
  }

  private void write(String name, String content) throws IOException {
    Files.createDirectories(folder.resolve(name).getParent());
    Files.writeString(folder.resolve(name), content);
  }

  private int[] ids(String text) {
    return ids(text, Integer.MAX_VALUE);
  }

  private int[] ids(String text, int maxLength) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      return tokenizer.encodeIds(text, null, maxLength).ids();
    }
  }

  @Test
  void howATokenMeetsTheTextIsAsTheConfigurationSays() throws IOException {
    String text = "a <x> b<x>";
    assertArrayEquals(new int[] {0, 2, 8, 2, 1, 8}, ids(text));
    write(
        "tokenizer_config.json",
        """
        {"added_tokens_decoder": {"8": {"content": "<x>", "lstrip": true, "rstrip": false,
          "normalized": false, "single_word": false, "special": true}}}
        """);
    assertArrayEquals(new int[] {0, 8, 2, 1, 8}, ids(text));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals("a b", tokenizer.decode(ids(text), true));
    }
    write(
        "tokenizer_config.json",
        """
        {"added_tokens_decoder": {"8": {"content": "<x>", "lstrip": false, "rstrip": true,
          "normalized": false, "single_word": true, "special": false}}}
        """);
    assertArrayEquals(new int[] {0, 2, 8, 1, 3, 5, 4}, ids(text));
  }

  @Test
  void theMapOfSpecialTokensIsTheLastWordWhereTheConfigurationListsNone() throws IOException {
    write("special_tokens_map.json", "{\"eos_token\": \"<y>\"}");
    write("tokenizer_config.json", "{\"eos_token\": \"<x>\"}");
    assertArrayEquals(new int[] {0, 9, 8}, ids("a<y><x>"));
    assertEnd(9, "<y>");
    write("tokenizer_config.json", "{\"eos_token\": \"<x>\", \"added_tokens_decoder\": {}}");
    assertArrayEquals(new int[] {0, 3, 6, 4, 8}, ids("a<y><x>"));
    assertEnd(8, "<x>");
  }

  private void assertEnd(int id, String spelling) throws IOException {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals(OptionalInt.of(id), tokenizer.vocabulary().eosId());
    }
    write("chat_template.jinja", "{{ eos_token }}");
    assertEquals(spelling, rendered(null));
  }

  @Test
  void tokensOfAModelsOwnAreSpecialAndKnownToTemplates() throws IOException {
    write("tokenizer_config.json", "{\"eos_token\": \"<x>\", \"image_token\": \"<y>\"}");
    write("chat_template.jinja", "{{ eos_token }}{{ image_token }}");
    assertArrayEquals(new int[] {0, 9, 8}, ids("a<y><x>"));
    assertEquals("<x><y>", rendered(null));
  }

  @Test
  void templatesKnowTheTokensOfTheClassWhereNoFileNamesThem() throws IOException {
    write("chat_template.jinja", "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}");
    assertEquals("||", rendered(null));
    write("tokenizer_config.json", "{\"tokenizer_class\": \"LlamaTokenizer\"}");
    assertEquals("<s>|</s>|", rendered(null));
    write("tokenizer_config.json", "{\"tokenizer_class\": \"GPT2Tokenizer\"}");
    assertEquals("<|endoftext|>|<|endoftext|>|", rendered(null));
    write(
        "tokenizer_config.json",
        "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"eos_token\": \"<x>\", \"pad_token\": null}");
    assertEquals("|<x>|", rendered(null));
    write("tokenizer_config.json", "{}");
    write("config.json", "{\"model_type\": \"gpt_neox\"}");
    assertEquals("<|endoftext|>|<|endoftext|>|<|padding|>", rendered(null));
  }

  @Test
  void addedTokensAreSpecialWhereTheConfigurationSaysSo() throws IOException {
    write("added_tokens.json", "{\"<y>\": 9, \"<z>\": 10}");
    write("tokenizer_config.json", "{\"additional_special_tokens\": [\"<y>\"]}");
    write("special_tokens_map.json", "{\"additional_special_tokens\": [\"<z>\"]}");
    assertArrayEquals(new int[] {0, 9, 10}, ids("a<y><z>"));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals("a<z>", tokenizer.decode(new int[] {0, 9, 10}, true));
    }
  }

  @Test
  void tokensOfAModelsOwnAreNumberedInTheOrderOfTheFile() throws IOException {
    write("tokenizer_config.json", "{\"z_token\": \"<z>\", \"a_token\": \"<a>\"}");
    assertTokens(Map.of("<z>", 9, "<a>", 10));
    write(
        "tokenizer_config.json",
        """
        {"extra_special_tokens": {"boi": "<b>", "pad_token": "<p>"}, "z_token": "<z>",
         "y_token": {"__type": "AddedToken", "content": "<y>"}, "eos_token": "<e>"}
        """);
    write("special_tokens_map.json", "{\"a_token\": \"<a>\", \"z_token\": \"<q>\"}");
    assertTokens(Map.of("<e>", 9, "<p>", 10, "<y>", 11, "<a>", 12, "<z>", 13, "<b>", 14));
    write("tokenizer_config.json", "{\"model_specific_special_tokens\": {\"boi\": \"<b>\"}}");
    write("special_tokens_map.json", "{\"extra_special_tokens\": [\"<e>\"]}");
    assertTokens(Map.of("<b>", 9, "<e>", 10));
  }

  @Test
  void anObjectThatDoesNotSayItIsATokenIsNoneOfAModelsOwn() throws IOException {
    write("tokenizer_config.json", "{\"img_token\": {\"content\": \"<y>\", \"lstrip\": true}}");
    assertTokens(Map.of());
    write("tokenizer_config.json", "{}");
    write("special_tokens_map.json", "{\"img_token\": {\"content\": \"<y>\", \"lstrip\": true}}");
    assertTokens(Map.of("<y>", 9));
    assertArrayEquals(new int[] {0, 9, 1}, ids("a <y>b"));
  }

  @Test
  void aListOfTheConfigurationCountsMoreThanTheOlderOneOfTheMap() throws IOException {
    write("special_tokens_map.json", "{\"additional_special_tokens\": [\"<m>\"]}");
    assertTokens(Map.of("<m>", 9));
    write("tokenizer_config.json", "{\"additional_special_tokens\": []}");
    assertTokens(Map.of());
    write("tokenizer_config.json", "{\"additional_special_tokens\": [\"<c>\"]}");
    assertTokens(Map.of("<c>", 9));
    write("tokenizer_config.json", "{\"extra_special_tokens\": {\"boi\": \"<b>\"}}");
    assertTokens(Map.of("<b>", 9, "<m>", 10));
    write("tokenizer_config.json", "{\"extra_special_tokens\": [\"<c>\"]}");
    write("special_tokens_map.json", "{\"extra_special_tokens\": [\"<m>\", \"<c>\"]}");
    assertTokens(Map.of("<c>", 9, "<m>", 10));
  }

  @Test
  void aTokenWithARoleIsSpecialThoughTheConfigurationSaysItIsNot() throws IOException {
    String decoder =
        """
        {"pad_token": "<p>", "img_token": "<x>", "added_tokens_decoder": {
          "8": {"content": "<x>", "normalized": false, "special": false},
          "11": {"content": "<p>", "lstrip": true, "special": false},
          "12": {"content": "<q>", "special": false}}}
        """;
    write("tokenizer_config.json", decoder);
    assertTokens(Map.of("<p>", 9, "<q>", 10));
    assertArrayEquals(new int[] {0, 9, 8, 1}, ids("a <p><x>b"));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals("a<q>", tokenizer.decode(new int[] {0, 8, 9, 10}, true));
      assertEquals(OptionalInt.of(9), tokenizer.vocabulary().specialId("pad_token"));
    }
  }

  @Test
  void aTokenWithoutANameIsSpecialUnlessItSaysItIsNot() throws IOException {
    write(
        "tokenizer_config.json",
        """
        {"extra_special_tokens": ["<y>", {"__type": "AddedToken", "content": "<z>"}]}
        """);
    assertTokens(Map.of("<y>", 9, "<z>", 10));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals("a<z>", tokenizer.decode(new int[] {0, 9, 10}, true));
    }
  }

  /** The tokens that the folder has beyond those of its tokenizer.json. */
  private void assertTokens(Map<String, Integer> added) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      Map<String, Integer> found = new HashMap<>();
      added.keySet().forEach(t -> found.put(t, tokenizer.vocabulary().tokenId(t).orElse(-1)));
      assertEquals(added, found);
      assertEquals(9 + added.size(), tokenizer.vocabulary().size());
    }
  }

  @Test
  void aTokenizerOfOldFilesPutsTheTokensAroundTextsThatItIsToldTo() throws IOException {
    Files.delete(folder.resolve("tokenizer.json"));
    write("vocab.json", "{\"a\": 0, \"b\": 1, \"<|endoftext|>\": 2, \"<x>\": 3}");
    write("merges.txt", "#version: 0.2\n");
    write("config.json", "{\"model_type\": \"gpt2\"}");
    assertArrayEquals(new int[] {0, 1}, ids("ab"));
    write("tokenizer_config.json", "{\"add_bos_token\": true}");
    assertArrayEquals(new int[] {2, 0, 1}, ids("ab"));
    write("tokenizer_config.json", "{\"add_eos_token\": true, \"eos_token\": \"<x>\"}");
    assertArrayEquals(new int[] {0, 2, 1, 3}, ids("a<|endoftext|>b"));
    write("tokenizer_config.json", "{\"add_bos_token\": true, \"add_eos_token\": true}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertArrayEquals(
          new int[] {2, 0, 2, 2, 1, 2}, tokenizer.encodeIds("a", "b", Integer.MAX_VALUE).ids());
    }
  }

  @Test
  void theSideOfTruncationMayStandInTheTokenizerItself() throws IOException {
    write(
        "tokenizer.json",
        TOKENIZER.replace(
            "TRUNCATION",
            "{\"direction\": \"Left\", \"max_length\": 512, \"strategy\": \"LongestFirst\","
                + " \"stride\": 0}"));
    assertArrayEquals(new int[] {2, 1, 8}, ids("a <x> b<x>", 3));
    write("tokenizer_config.json", "{\"truncation_side\": \"right\"}");
    assertArrayEquals(new int[] {0, 2, 8}, ids("a <x> b<x>", 3));
  }

  @Test
  void conversationsWithToolsMayHaveATemplateInAFileOfItsOwn() throws IOException {
    write("chat_template.jinja", "plain {{ messages[0].content }}");
    write("additional_chat_templates/tool_use.jinja", "tools {{ messages[0].content }}");
    assertEquals("plain Hi", rendered(null));
    assertEquals("tools Hi", rendered(List.of(Map.of("name", "f"))));
    Path copy = Files.createDirectory(folder.resolve("copy"));
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      tokenizer.saveTo(copy);
    }
    assertEquals(
        "tools Hi",
        ChatTemplate.open(copy)
            .render(List.of(ChatMessage.of("user", "Hi")), List.of(Map.of("name", "f")), false));
  }

  private String rendered(List<?> tools) {
    return ChatTemplate.open(folder).render(List.of(ChatMessage.of("user", "Hi")), tools, false);
  }
}
