package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TextTokenizerTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "all-minilm-l6-v2",
        "bert-base-uncased",
        "gpt2",
        "llama2",
        "roberta-base",
        "stories260k"
      })
  void idsOffsetsAndTypeIdsEqualTransformers(String name) throws IOException {
    compare(name, SharedFolders.tokenizer(name));
  }

  /** Its class splits otherwise: these are the ids of the file alone. */
  @Test
  void aFileWithoutClassCountsAsItIs() throws IOException {
    String name = "tinystories-656k";
    Files.copy(
        SharedFolders.tokenizer(name).resolve("tokenizer.json"), temp.resolve("tokenizer.json"));
    compare(name, temp);
  }

  private static void compare(String name, Path folder) throws IOException {
    List<String> lines = Files.readAllLines(SharedFolders.golden("tokenizers/" + name + ".jsonl"));
    int pairs = 0;
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      for (String line : lines) {
        JsonNode row = JSON.readTree(line);
        String text = row.get("text").asText();
        String pair = row.has("text_pair") ? row.get("text_pair").asText() : null;
        Encoding encoding = tokenizer.encode(text, pair);
        assertArrayEquals(ints(row.get("ids")), encoding.ids(), line);
        assertArrayEquals(
            encoding.ids(), tokenizer.encodeIds(text, pair, Integer.MAX_VALUE).ids(), line);
        if (row.has("offsets")) {
          assertArrayEquals(flat(row.get("offsets")), encoding.offsets(), line);
        }
        if (row.has("type_ids")) {
          pairs++;
          assertArrayEquals(ints(row.get("type_ids")), encoding.typeIds(), line);
        }
      }
    }
    assertEquals(310, lines.size());
    assertEquals(10, pairs);
  }

  @ParameterizedTest
  @CsvSource({
    "bert-base-uncased, tokenizer_config.json vocab.txt",
    "all-minilm-l6-v2, vocab.txt",
    "roberta-base, tokenizer_config.json vocab.json merges.txt",
    "gpt2, tokenizer_config.json vocab.json merges.txt"
  })
  void vocabularyFilesAloneGiveTheSameIdsAndOffsets(String name, String files) throws IOException {
    Path source = SharedFolders.tokenizer(name);
    for (String file : files.split(" ")) {
      Files.copy(source.resolve(file), temp.resolve(file));
    }
    List<String> lines = Files.readAllLines(SharedFolders.golden("tokenizers/" + name + ".jsonl"));
    Path saved = temp.resolve("saved");
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      for (String line : lines) {
        JsonNode row = JSON.readTree(line);
        String pair = row.has("text_pair") ? row.get("text_pair").asText() : null;
        Encoding encoding = tokenizer.encode(row.get("text").asText(), pair);
        assertArrayEquals(ints(row.get("ids")), encoding.ids(), line);
        if (row.has("offsets")) {
          assertArrayEquals(flat(row.get("offsets")), encoding.offsets(), line);
        }
      }
      tokenizer.saveTo(saved);
    }
    assertTrue(Files.exists(saved.resolve("tokenizer.json")), "the built file is saved");
    try (TextTokenizer again = TextTokenizer.open(saved)) {
      JsonNode row = JSON.readTree(lines.get(lines.size() - 20));
      assertArrayEquals(
          ints(row.get("ids")), again.encodeIds(row.get("text").asText(), null, 512).ids());
    }
  }

  @Test
  void savedFilesAreCopiesAndOpenTheSame() throws IOException {
    Path source = SharedFolders.tokenizer("all-minilm-l6-v2");
    try (TextTokenizer tokenizer = TextTokenizer.open(source)) {
      tokenizer.saveTo(temp);
    }
    assertEquals(
        -1, Files.mismatch(source.resolve("tokenizer.json"), temp.resolve("tokenizer.json")));
    assertTrue(Files.exists(temp.resolve("special_tokens_map.json")));
  }

  @Test
  void paddingAndTruncationOfTheFileAreOff() {
    try (TextTokenizer tokenizer =
        TextTokenizer.open(SharedFolders.tokenizer("all-minilm-l6-v2"))) {
      assertArrayEquals(
          new int[] {101, 7592, 2088, 102}, tokenizer.encodeIds("hello world", null, 512).ids());
      assertEquals(302, tokenizer.encode("word ".repeat(300), null).length());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "all-minilm-l6-v2",
        "bert-base-uncased",
        "gpt2",
        "llama2",
        "roberta-base",
        "stories260k",
        "tinystories-656k"
      })
  void splitWordsGetTheIdsOfRunningTextWithWordIdsInOrder(String name) {
    List<String> words = List.of("Identification", "of", "APC2", ",", "a", "homologue", "naïve");
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
      Encoding encoding = tokenizer.encodeWords(words);
      TokenIds lean = tokenizer.encodeWordIds(words, 512);
      assertArrayEquals(encoding.ids(), lean.ids());
      assertArrayEquals(encoding.wordIds(), lean.wordIds());
      assertArrayEquals(
          IntStream.range(0, words.size()).toArray(),
          Arrays.stream(encoding.wordIds()).filter(w -> w >= 0).distinct().toArray());
      for (int i = 0; i < encoding.length(); i++) {
        assertEquals(encoding.isSpecial(i), encoding.wordIds()[i] < 0);
        if (!encoding.isSpecial(i)) {
          int wordLength = words.get(encoding.wordIds()[i]).length();
          assertTrue(encoding.offsetEnd(i) <= wordLength, "offsets stay inside the word");
        }
      }
      if (name.equals("roberta-base") || name.equals("gpt2")) {
        // Transformers' add_prefix_space=True: as running text that starts with a space.
        assertArrayEquals(
            tokenizer.encodePlain(" " + String.join(" ", words)),
            Arrays.stream(
                    IntStream.range(0, encoding.length())
                        .filter(i -> !encoding.isSpecial(i))
                        .toArray())
                .map(i -> encoding.ids()[i])
                .toArray());
      }
    }
  }

  @Test
  void onlyModelsThatReadTypeIdsGetThem() throws IOException {
    try (TextTokenizer bert = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
        TextTokenizer roberta = TextTokenizer.open(SharedFolders.tokenizer("roberta-base"));
        TextTokenizer gpt2 = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      assertArrayEquals(new int[] {0, 0, 0, 1, 1}, bert.encodeIds("a", "b", 512).typeIds());
      assertNull(roberta.encodeIds("a", "b", 512).typeIds());
      assertFalse(gpt2.usesTypeIds());
    }
    Files.copy(
        SharedFolders.tokenizer("bert-base-uncased").resolve("tokenizer.json"),
        temp.resolve("tokenizer.json"));
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"distilbert\"}");
    try (TextTokenizer distil = TextTokenizer.open(temp)) {
      assertFalse(distil.usesTypeIds(), "the model decides, not the tokenizer");
    }
    Files.writeString(
        temp.resolve("config.json"), "{\"model_type\": \"bert\", \"type_vocab_size\": 2}");
    try (TextTokenizer bert = TextTokenizer.open(temp)) {
      assertTrue(bert.usesTypeIds());
    }
  }

  @Test
  void aFolderWithoutConfigReadsThatOfItsModel() throws IOException {
    Path model = Files.createDirectory(temp.resolve("model"));
    Files.writeString(
        model.resolve("config.json"), "{\"model_type\": \"bert\", \"eos_token_id\": [5, 6]}");
    Path adapter = Files.createDirectory(temp.resolve("adapter"));
    Files.copy(
        SharedFolders.tokenizer("bert-base-uncased").resolve("tokenizer.json"),
        adapter.resolve("tokenizer.json"));
    try (TextTokenizer alone = TextTokenizer.open(adapter);
        TextTokenizer beside = TextTokenizer.open(adapter, model)) {
      assertFalse(alone.usesTypeIds());
      assertEquals(OptionalInt.empty(), alone.vocabulary().eosId());
      assertTrue(beside.usesTypeIds());
      assertEquals(OptionalInt.of(5), beside.vocabulary().eosId());
    }
  }

  @Test
  void specialTokensAreFoundByRoleAndSpelling() {
    try (TextTokenizer bert = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
        TextTokenizer llama = TextTokenizer.open(SharedFolders.tokenizer("llama2"))) {
      assertEquals(OptionalInt.of(103), bert.vocabulary().specialId("mask_token"));
      assertEquals(OptionalInt.empty(), bert.vocabulary().specialId("eos_token"));
      assertEquals(OptionalInt.of(2), llama.vocabulary().specialId("eos_token"));
      assertEquals(OptionalInt.of(7592), bert.vocabulary().tokenId("hello"));
      assertEquals(OptionalInt.empty(), bert.vocabulary().tokenId("nosuchtoken"));
      assertEquals(2, bert.specialTokens(false));
      assertEquals(3, bert.specialTokens(true));
      assertEquals(OptionalInt.empty(), bert.modelMaxLength());
      assertEquals(OptionalInt.of(4096), llama.modelMaxLength());
    }
  }

  @Test
  void decodingReturnsTheText() {
    try (TextTokenizer gpt2 = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      String text = "Hello world, naïve 日本語 😀";
      assertEquals(text, gpt2.decode(gpt2.encodePlain(text), true));
    }
  }

  @Test
  void concurrentEncodingEqualsSequentialEncoding() {
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      Random random = new Random(3);
      List<String> texts = new ArrayList<>();
      for (int i = 0; i < 2000; i++) {
        texts.add(TruncationTest.words(random, 1 + random.nextInt(20)));
      }
      List<int[]> sequential = texts.stream().map(tokenizer::encodePlain).toList();
      List<int[]> parallel = texts.parallelStream().map(tokenizer::encodePlain).toList();
      for (int i = 0; i < texts.size(); i++) {
        assertArrayEquals(sequential.get(i), parallel.get(i));
      }
    }
  }

  @Test
  void closingTwiceIsFineAndUseAfterCloseThrows() {
    TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
    tokenizer.close();
    tokenizer.close();
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> tokenizer.encode("x", null));
    assertTrue(e.getMessage().endsWith("is closed"), e.getMessage());
  }

  @Test
  void closingWhileAnotherThreadEncodesThrowsAndHarmsNothing() throws InterruptedException {
    TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
    String text = "word ".repeat(300_000);
    CountDownLatch begun = new CountDownLatch(1);
    int[] length = new int[1];
    Thread encoding =
        new Thread(
            () -> {
              begun.countDown();
              length[0] = tokenizer.encodePlain(text).length;
            });
    encoding.start();
    begun.await();
    Thread.sleep(20);
    IllegalStateException e = assertThrows(IllegalStateException.class, tokenizer::close);
    assertEquals("tokenizer closed while another thread encodes with it", e.getMessage());
    encoding.join();
    assertEquals(300_000, length[0]);
    tokenizer.close();
  }

  @Test
  void nothingIsPrintedWhileLoadingAndEncoding() {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream captured = new ByteArrayOutputStream();
    try (PrintStream capture = new PrintStream(captured, true, StandardCharsets.UTF_8)) {
      System.setOut(capture);
      System.setErr(capture);
      try (TextTokenizer t = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"))) {
        t.encode("hello", null);
      }
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
    assertEquals("", captured.toString(StandardCharsets.UTF_8));
  }

  @Test
  void missingFilesAreNamed() throws IOException {
    InputException none = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertTrue(
        none.getMessage().contains("has no tokenizer.json. Copy tokenizer.json"), none::getMessage);

    Files.writeString(temp.resolve("vocab.json"), "{}");
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"roberta\"}");
    InputException half = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertTrue(half.getMessage().contains("merges.txt is missing. Copy"), half::getMessage);

    Files.writeString(temp.resolve("merges.txt"), "#version: 0.2\n");
    Files.writeString(temp.resolve("config.json"), "{\"model_type\": \"albert\"}");
    InputException pieces = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertTrue(
        pieces.getMessage().contains("nor spiece.model, from which its class AlbertTokenizer can"),
        pieces::getMessage);
    Files.writeString(
        temp.resolve("tokenizer_config.json"), "{\"tokenizer_class\": \"PhobertTokenizer\"}");
    InputException other = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertTrue(
        other.getMessage().contains("its class PhobertTokenizer cannot be built from other files"),
        other::getMessage);
    Files.delete(temp.resolve("tokenizer_config.json"));

    InputException folder =
        assertThrows(InputException.class, () -> TextTokenizer.open(temp.resolve("nowhere")));
    assertTrue(folder.getMessage().contains("is not a folder"), folder::getMessage);
  }

  @Test
  void vocabularyWithoutBertsSpecialTokensIsRefused() throws IOException {
    Files.writeString(temp.resolve("vocab.txt"), "<s>\n</s>\nhello\n");
    InputException e = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertTrue(e.getMessage().contains("has no [CLS]"), e::getMessage);
  }

  @Test
  void brokenTokenizerJsonIsAnInputError() throws IOException {
    Files.writeString(temp.resolve("tokenizer.json"), "{\"version\": ");
    InputException e = assertThrows(InputException.class, () -> TextTokenizer.open(temp));
    assertAll(
        () ->
            assertTrue(e.getMessage().contains("tokenizer.json is not a tokenizer"), e::getMessage),
        () -> assertTrue(e.getMessage().contains("it ends too early"), e::getMessage));
  }

  private static int[] ints(JsonNode array) {
    int[] out = new int[array.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = array.get(i).asInt();
    }
    return out;
  }

  private static int[] flat(JsonNode pairs) {
    int[] out = new int[2 * pairs.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = pairs.get(i / 2).get(i % 2).asInt();
    }
    return out;
  }

  /**
   * A token that the normalizer keeps from being encoded by its spelling, in a folder without
   * config.json, as an adapter's is.
   */
  @Test
  void theEndOfSequenceIsFoundInTheTokenizersOwnFiles(@TempDir Path folder) throws IOException {
    Path model = Goldens.data().resolve("models").resolve("tinystories-656k");
    for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(model.resolve(name), folder.resolve(name));
    }
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      assertEquals(OptionalInt.of(2), tokenizer.vocabulary().eosId());
    }
  }

  /** A no-break space is one, a separator of files is none. */
  @Test
  void wordsThatBeginWithASpaceGetNoFurtherOne() {
    Path own = Goldens.unpacked("tokenizers/roberta_files");
    try (TextTokenizer tokenizer = TextTokenizer.open(own)) {
      for (String word : List.of("\u00a0b", "\u3000b", "\tb", "\u0085b")) {
        assertArrayEquals(
            tokenizer.encodeIds(word, null, 100).ids(),
            tokenizer.encodeWordIds(List.of(word), 100).ids());
      }
      for (String word : List.of("b", "\u001cb", "\u200bb")) {
        assertArrayEquals(
            tokenizer.encodeIds(" " + word, null, 100).ids(),
            tokenizer.encodeWordIds(List.of(word), 100).ids());
      }
    }
  }

  /** A decoder's head reads the last token that is no padding. */
  @Test
  void paddingAtTheEndOfAJudgedTextIsCutOff() {
    Path folder = Path.of("src/test/resources/tokenizers/modernbert");
    int sep;
    int[] whole;
    try (TextTokenizer plain = TextTokenizer.open(folder)) {
      whole = plain.encodeIds("the dog", null, 100).ids();
      sep = whole[whole.length - 1];
      assertArrayEquals(whole, plain.encodeJudged("the dog", null, 100).ids());
    }
    try (TextTokenizer cut = TextTokenizer.open(folder, folder, OptionalInt.of(sep))) {
      TokenIds judged = cut.encodeJudged("the dog", null, 100);
      assertArrayEquals(Arrays.copyOf(whole, whole.length - 1), judged.ids());
      assertEquals(0, judged.droppedTokens());
      assertArrayEquals(whole, cut.encodeIds("the dog", null, 100).ids());
    }
    try (TextTokenizer cut = TextTokenizer.open(folder, folder, OptionalInt.of(whole[0]))) {
      assertArrayEquals(whole, cut.encodeJudged("the dog", null, 100).ids());
    }
  }
}
