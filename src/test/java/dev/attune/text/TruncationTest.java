package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where long texts and pairs are cut, as Hugging Face has it. */
class TruncationTest {
  @TempDir Path temp;

  /** Which text of a pair is the longer one depends on words, where both are longer than may be. */
  @Test
  void bothTextsOfAPairAreCutAsTransformersCutsThem() {
    int uneven = 0;
    Path goldens = Path.of("src/test/resources/tokenizers/classes/truncations.json");
    for (JsonNode row : Goldens.json(goldens)) {
      List<Integer> words = new ArrayList<>(List.of(-1));
      List<Integer> sequences = new ArrayList<>(List.of(-1));
      for (int sequence = 0; sequence < 2; sequence++) {
        int word = 0;
        for (JsonNode tokens : row.get(sequence == 0 ? "first" : "second")) {
          words.addAll(Collections.nCopies(tokens.asInt(), word++));
          sequences.addAll(Collections.nCopies(tokens.asInt(), sequence));
        }
        words.add(-1);
        sequences.add(-1);
      }
      int[] wordIds = words.stream().mapToInt(Integer::intValue).toArray();
      int[] sequenceIds = sequences.stream().mapToInt(Integer::intValue).toArray();
      int[] none = new int[wordIds.length];
      Encoding whole =
          new Encoding(
              none, none, null, wordIds, sequenceIds, new BitSet(), 0, row.get("left").asBoolean());
      Encoding cut = whole.truncate(row.get("most").asInt());
      int[] kept = {count(cut, 0), count(cut, 1)};
      assertArrayEquals(ints(row.get("kept")), kept, row.toString());
      uneven += kept[0] < kept[1] && count(whole, 0) > count(whole, 1) ? 1 : 0;
    }
    assertTrue(uneven > 5, "pairs of which the longer text loses more: " + uneven);
  }

  /** Each of them is looked up in the text, which is gone through but once. */
  @Test
  void aLongTextOfUnknownWordsIsReadInGoodTime() throws IOException {
    Files.writeString(
        temp.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [
           {"id": 0, "content": "<u>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
         "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
         "decoder": null, "model": {"type": "WordLevel", "vocab": {"<u>": 0}, "unk_token": "<u>"}}
        """);
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      Encoding read =
          assertTimeoutPreemptively(
              Duration.ofSeconds(20), () -> tokenizer.encode("日 ".repeat(250_000) + "<u>", null));
      assertEquals(250_001, read.length());
      assertEquals("{250000}", read.added().toString());
    }
  }

  /**
   * The library reads on behind an added token, so that it calls a text longer that has one where
   * it would stop. What the vocabulary lacks is the unknown token too, and there it stops.
   */
  @ParameterizedTest
  @CsvSource({
    "<x> <x> <x> <x> <x> a b c, a b c a b c a b, 3",
    "a b c a b c a b, <x> <x> <x> <x> <x> a b c, 2",
    "<u> <u> <u> <u> <u> a b c, a b c a b c a b, 3",
    "zz zz zz zz zz a b c, a b c a b c a b, 2",
    "a b c a b c a b, zz zz zz zz zz a b c, 2",
    "a b c a <x> a b c, a b c a b c a b, 3",
    "a b c a <x> <x> <x> c, a b c a <x> b c b, 3"
  })
  void addedTokensOfAPairAreReadOn(String first, String second, int kept) throws IOException {
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"llama\"}");
    Files.writeString(
        temp.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
         "added_tokens": [
           {"id": 0, "content": "<u>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true},
           {"id": 4, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": false}],
         "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
         "model": {"type": "WordLevel", "vocab": {"<u>": 0, "a": 1, "b": 2, "c": 3, "<x>": 4},
                   "unk_token": "<u>"}}
        """);
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      Encoding cut = tokenizer.encode(first, second).truncate(5);
      assertEquals(kept, count(cut, 0), first + " / " + second);
      assertArrayEquals(cut.ids(), tokenizer.encodeIds(first, second, 5).ids());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"all-minilm-l6-v2", "roberta-base", "gpt2", "llama2"})
  void truncationEqualsHuggingFacesLongestFirst(String name) throws IOException {
    Path folder = SharedFolders.tokenizer(name);
    Random random = new Random(7);
    long oracle;
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      oracle =
          TokenizersLibrary.LIB.createTokenizerFromString(
              Files.readString(folder.resolve("tokenizer.json")));
      try {
        TokenizersLibrary.LIB.disablePadding(oracle);
        int truncated = 0;
        for (int round = 0; round < 400; round++) {
          String text = words(random, random.nextInt(24));
          String pair = random.nextInt(3) == 0 ? null : words(random, random.nextInt(24));
          int maxLength = tokenizer.specialTokens(pair != null) + 1 + random.nextInt(30);
          TokenizersLibrary.LIB.setTruncation(oracle, maxLength, "LONGEST_FIRST", 0);
          long expected =
              pair == null
                  ? TokenizersLibrary.LIB.encode(oracle, text, true)
                  : TokenizersLibrary.LIB.encodeDual(oracle, text, pair, true);
          int[] ids = narrow(TokenizersLibrary.LIB.getTokenIds(expected));
          int[] types = narrow(TokenizersLibrary.LIB.getTypeIds(expected));
          int[] specials = narrow(TokenizersLibrary.LIB.getSpecialTokenMask(expected));
          TokenizersLibrary.LIB.deleteEncoding(expected);

          Encoding whole = tokenizer.encode(text, pair);
          if (pair != null && Math.min(count(whole, 0), count(whole, 1)) >= maxLength) {
            continue; // the library in the JAR is older here than the one of truncations.json
          }
          Encoding cut = whole.truncate(maxLength);
          TokenIds lean = tokenizer.encodeIds(text, pair, maxLength);
          String message = "max " + maxLength + " of '" + text + "' + '" + pair + "'";
          assertArrayEquals(ids, cut.ids(), message);
          assertArrayEquals(types, cut.typeIds(), message);
          assertArrayEquals(specials, cut.specialTokensMask(), message);
          assertArrayEquals(ids, lean.ids(), message);
          assertEquals(whole.length() - ids.length, cut.droppedTokens(), message);
          assertEquals(cut.droppedTokens(), lean.droppedTokens(), message);
          assertEquals(2 * ids.length, cut.offsets().length, message);
          truncated += cut.droppedTokens() > 0 ? 1 : 0;
        }
        assertTrue(truncated > 100, "cases that truncate: " + truncated);
      } finally {
        TokenizersLibrary.LIB.deleteTokenizer(oracle);
      }
    }
  }

  @Test
  void truncationSideLeftKeepsTheEnd() throws IOException {
    Files.copy(
        SharedFolders.tokenizer("bert-base-uncased").resolve("tokenizer.json"),
        temp.resolve("tokenizer.json"));
    Files.writeString(
        temp.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"truncation_side\": \"left\"}");
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      int[] all = tokenizer.encodeIds("one two three four", null, 512).ids();
      assertArrayEquals(
          new int[] {all[0], all[3], all[4], all[5]},
          tokenizer.encodeIds("one two three four", null, 4).ids());
    }
  }

  @Test
  void maxLengthWithoutRoomForTextIsRefusedWithTheSmallestThatWorks() {
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer("roberta-base"))) {
      InputException e =
          assertThrows(InputException.class, () -> tokenizer.encodeIds("some text", "more", 4));
      assertEquals(
          "max length 4 leaves no room for text: the tokenizer adds 4 special tokens. Give"
              + " --max-length at least 5.",
          RunOption.worded(e.getMessage()));
    }
  }

  @Test
  void shortEncodingsAreReturnedAsTheyAre() {
    Encoding one =
        new Encoding(
            new int[2],
            new int[2],
            new int[4],
            new int[2],
            new int[] {-1, 0},
            new BitSet(),
            0,
            false);
    assertSame(one, one.truncate(2));
  }

  static String words(Random random, int count) {
    String[] some = {"a", "film", "unbelievable", "naïve", "2,000", "don't", "😀", "transporting"};
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      text.append(i == 0 ? "" : " ").append(some[random.nextInt(some.length)]);
    }
    return text.toString();
  }

  private static int count(Encoding encoding, int sequence) {
    return (int) Arrays.stream(encoding.sequenceIds()).filter(s -> s == sequence).count();
  }

  private static int[] narrow(long[] values) {
    return Arrays.stream(values).mapToInt(v -> (int) v).toArray();
  }

  private static int[] ints(JsonNode array) {
    int[] out = new int[array.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = array.get(i).asInt();
    }
    return out;
  }
}
