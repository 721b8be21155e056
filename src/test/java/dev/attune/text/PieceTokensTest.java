package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.testkit.ByteTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tokens that are kept of pieces are those of the text as the library encodes it. */
class PieceTokensTest {
  private static final List<String> NASTY =
      List.of(
          "a",
          "B",
          "word",
          "don't",
          "'s",
          "9",
          "12",
          ".",
          ",",
          "...",
          "(",
          " ",
          " ",
          " ",
          "  ",
          "\n",
          "\n",
          "\n\n",
          "\t",
          "\r\n",
          "é",
          "e\u0301",
          "\u0301",
          "ß",
          "İ",
          "Σ",
          "ς",
          "你",
          "好",
          "한",
          "\uAC00\u11A8",
          "😀",
          "\u200B",
          "\u200D",
          "\u00A0",
          "\u3000",
          "\u0085",
          "\u2028",
          "\uFEFF",
          "\uFFFD",
          "\u0000",
          "\u007F",
          "\u1680",
          "[MASK]",
          "[SEP]",
          "<mask>",
          "<s>",
          "</s>",
          "<|endoftext|>",
          "##a",
          "supercalifragilisticexpialidocious".repeat(4));

  @TempDir Path temp;

  private static List<String> texts() {
    Random random = new Random(7);
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < 4000; i++) {
      StringBuilder text = new StringBuilder();
      int count = random.nextInt(i % 50 == 0 ? 400 : 12);
      for (int j = 0; j < count; j++) {
        // Spaces often, so that there are pieces, and often the same ones.
        text.append(random.nextInt(3) == 0 ? " " : NASTY.get(random.nextInt(NASTY.size())));
      }
      texts.add(text.toString());
    }
    return texts;
  }

  private static void same(TextTokenizer tokenizer, List<String> texts) {
    for (int i = 0; i < 300; i++) {
      tokenizer.encodeIds("the first few are not kept", null, 16);
    }
    for (int i = 0; i < texts.size(); i++) {
      String text = texts.get(i);
      int most = i % 3 == 0 ? 7 : Integer.MAX_VALUE;
      Encoding whole = tokenizer.encode(text, null);
      Encoding expected = whole.truncate(most);
      TokenIds actual = tokenizer.encodeIds(text, null, most);
      assertArrayEquals(expected.ids(), actual.ids(), text);
      assertEquals(whole.length() - expected.length(), actual.droppedTokens(), text);
      if (actual.typeIds() != null) {
        assertArrayEquals(expected.typeIds(), actual.typeIds(), text);
      }
    }
  }

  @Test
  void anyTextHasTheTokensOfTheLibrary() {
    List<String> texts = texts();
    for (String token : List.of("<mask>", "[MASK]", "<s>", "</s>", "<|endoftext|>")) {
      for (String gap : List.of(" ", "\n", "\n\n", " \n", "\n ", "\t", "")) {
        texts.add("a" + gap + token + gap + "b");
        texts.add("a b" + gap + token + " " + token + gap + "b c");
      }
    }
    for (String name : new String[] {"bert-base-uncased", "gpt2", "roberta-base", "llama2"}) {
      try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
        same(tokenizer, texts);
      }
    }
  }

  @Test
  void soHasAnyTextOfBytesAndOfBuiltTokenizers() throws IOException {
    Path bytes = ByteTokenizer.write(temp.resolve("bytes"), "<end>", "Ġ c", "Ġc a", "a t", "w o");
    Path words = Files.createDirectory(temp.resolve("words"));
    Files.writeString(
        words.resolve("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nword\n##s\n.\n你\n");
    for (Path folder : List.of(bytes, words)) {
      try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
        same(tokenizer, texts());
      }
    }
  }

  @Test
  void proseHasTheTokensOfTheLibrary() throws IOException {
    Path prose = SharedFolders.data("datasets/tiny_shakespeare/tiny_shakespeare.txt");
    String text = Files.readString(prose).substring(0, 200_000);
    for (String name : new String[] {"bert-base-uncased", "gpt2", "roberta-base"}) {
      try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
        same(tokenizer, List.of(text, text.substring(50_000), text));
      }
    }
  }

  @Test
  void onlyTokenizersThatPartAtSpacesAreTakenApart() throws IOException {
    for (String name : new String[] {"bert-base-uncased", "gpt2", "roberta-base", "llama2"}) {
      String json = Files.readString(SharedFolders.tokenizer(name).resolve("tokenizer.json"));
      PieceRules.Cuts cuts =
          switch (name) {
            case "llama2" -> PieceRules.Cuts.NONE;
            case "roberta-base" -> PieceRules.Cuts.AT_SPACES; // its mask takes what is before it
            default -> PieceRules.Cuts.AT_SPACES_AND_BREAKS;
          };
      assertEquals(cuts, PieceRules.of(json), name);
    }
  }

  private static final String BYTES =
      """
      {"added_tokens": [{"content": "<end>", "rstrip": false}], "normalizer": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "post_processor": null,
       "model": {"type": "BPE", "dropout": null, "vocab": {"type": 1}, "merges": []}}""";

  @Test
  void whatReachesAcrossASpaceKeepsATokenizerWhole() {
    assertEquals(PieceRules.Cuts.AT_SPACES_AND_BREAKS, PieceRules.of(BYTES));
    for (String[] change :
        new String[][] {
          {"\"<end>\"", "\"the end\""},
          {"\"<end>\"", "\"終\""},
          {"\"rstrip\": false", "\"rstrip\": true"},
          {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}"},
          {"\"add_prefix_space\": false", "\"add_prefix_space\": true"},
          {"\"add_prefix_space\": false", "\"add_prefix_space\": false, \"use_regex\": false"},
          {"\"dropout\": null", "\"dropout\": 0.1"},
          {"\"dropout\": null", "\"end_of_word_suffix\": \"</w>\""},
          {"\"type\": \"BPE\"", "\"type\": \"Unigram\""},
          {"\"post_processor\": null", "\"post_processor\": {\"type\": \"Other\"}"},
          {"{\"type\": \"ByteLevel\"", "{\"type\": \"Metaspace\""},
        }) {
      String changed = BYTES.replace(change[0], change[1]);
      assertFalse(changed.equals(BYTES), change[0]);
      assertEquals(PieceRules.Cuts.NONE, PieceRules.of(changed), change[1]);
    }
    assertEquals(PieceRules.Cuts.NONE, PieceRules.of("[]"));
    assertEquals(PieceRules.Cuts.NONE, PieceRules.of("{"));
  }

  @Test
  void aClosedTokenizerIsClosedForWhatIsKeptToo() throws IOException {
    TextTokenizer tokenizer =
        TextTokenizer.open(ByteTokenizer.write(temp.resolve("bytes"), "<end>", "Ġ c"));
    for (int i = 0; i < 300; i++) {
      tokenizer.encodeIds("a cat came", null, 16);
    }
    tokenizer.close();
    assertThrows(IllegalStateException.class, () -> tokenizer.encodeIds("a cat came", null, 16));
  }
}
