package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.run.RunOption;
import dev.attune.task.Classification;
import dev.attune.task.Purpose;
import dev.attune.task.TokenClassification;
import dev.attune.testkit.TestTasks;
import dev.attune.text.SharedFolders;
import dev.attune.text.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class EncoderTest {
  private static TextTokenizer bert;

  @BeforeAll
  static void open() {
    bert = TextTokenizer.open(SharedFolders.tokenizer("bert-base-uncased"));
  }

  @AfterAll
  static void close() {
    if (bert != null) {
      bert.close();
    }
  }

  private static Dataset dataset(Example... examples) {
    return new Dataset(Path.of("train.csv"), List.of(examples));
  }

  private static int[] example(EncodedDataset data, int[] values, int index) {
    return Arrays.copyOfRange(values, data.offsets().get(index), data.offsets().get(index + 1));
  }

  @Test
  void aRealTrainingSetIsEncodedTheSameOnAnyNumberOfThreads() {
    Dataset train =
        DataReader.read(SharedFolders.data("datasets/sst2/train.tsv"), Columns.parse("text,label"));
    LabelMap labels = Classification.of(train).labels();
    List<Integer> heard = new ArrayList<>();
    Thread caller = Thread.currentThread();
    EncodedDataset one =
        new Encoder(new Classification(labels).encoder(bert, 64, Purpose.TRAINING), 1)
            .encode(
                train,
                (done, total) -> {
                  assertSame(caller, Thread.currentThread());
                  assertEquals(6920, total);
                  heard.add(done);
                });
    EncodedDataset three =
        new Encoder(new Classification(labels).encoder(bert, 64, Purpose.TRAINING), 3)
            .encode(train);
    assertArrayEquals(one.ids().toArray(), three.ids().toArray());
    assertArrayEquals(one.offsets().toArray(), three.offsets().toArray());
    assertArrayEquals(one.labels().toArray(), three.labels().toArray());
    assertEquals(one.fingerprint(), three.fingerprint());
    assertEquals(6920, one.size());
    assertEquals(6920, heard.get(heard.size() - 1));
    for (int i = 1; i < heard.size(); i++) {
      assertTrue(heard.get(i) >= heard.get(i - 1));
    }
    for (int i = 0; i < one.size(); i += 531) {
      Example e = train.get(i);
      assertArrayEquals(
          bert.encode(e.text(), null).truncate(64).ids(), example(one, one.ids().toArray(), i));
      assertEquals(Integer.parseInt(e.label()), one.labels().get(i));
    }
    assertEquals(one.tokens(), one.lengths().lengths().sum());
    assertEquals(one.droppedTokens(), one.lengths().dropped().sum());
  }

  @Test
  void pairsCarryTypeIds() {
    EncodedDataset data =
        new Encoder(TestTasks.REGRESSION.encoder(bert, 16, Purpose.TRAINING), 1)
            .encode(dataset(new Example(1, "hello", "world", "2.5", null, null, Map.of())));
    assertArrayEquals(new int[] {101, 7592, 102, 2088, 102}, data.ids().toArray());
    assertArrayEquals(new int[] {0, 0, 0, 1, 1}, data.typeIds().toArray());
    assertArrayEquals(new float[] {2.5f}, data.targets());
    assertNull(data.labels());
    assertEquals(7592, data.maxId());
  }

  @Test
  void aWordsTagGoesToItsFirstTokenAndTheOthersAreIgnored() {
    Dataset train =
        dataset(
            Example.ofTokens(
                1, List.of("the", "unbelievableness", "ended"), List.of("O", "B-X", "O")));
    LabelMap labels = TokenClassification.of(train).labels();
    EncodedDataset data =
        new Encoder(new TokenClassification(labels).encoder(bert, 16, Purpose.TRAINING), 1)
            .encode(train);
    int[] wordIds = bert.encodeWords(train.get(0).tokens()).wordIds();
    int previous = -1;
    for (int t = 0; t < wordIds.length; t++) {
      int expected =
          wordIds[t] < 0 || wordIds[t] == previous
              ? EncodedDataset.IGNORED
              : labels.idOrMinusOne(train.get(0).tags().get(wordIds[t]));
      assertEquals(expected, data.labels().get(t));
      previous = wordIds[t];
    }
    assertTrue(data.tokens() > 5, "the long word has several tokens");
    assertEquals(3, data.supervised(0));
  }

  @Test
  void truncationTakesTagsAlongAndIsCounted() {
    Dataset train =
        dataset(
            Example.ofTokens(1, List.of("a", "b", "c", "d"), List.of("O", "X", "O", "X")),
            Example.ofTokens(6, List.of("a"), List.of("X")));
    EncodedDataset data =
        new Encoder(
                new TokenClassification(TokenClassification.of(train).labels())
                    .encoder(bert, 4, Purpose.TRAINING),
                2)
            .encode(train);
    assertArrayEquals(new int[] {2, 1}, data.lengths().supervised().toArray());
    assertArrayEquals(new int[] {2, 0}, data.lengths().dropped().toArray());
    assertArrayEquals(new int[] {4, 3}, data.lengths().lengths().toArray());
  }

  @Test
  void problemsNameFileAndRow() {
    LabelMap labels = LabelMap.ofNames(List.of("a", "b"));
    Encoder encoder =
        new Encoder(new Classification(labels).encoder(bert, 16, Purpose.TRAINING), 2);
    assertTrue(
        assertThrows(InputException.class, () -> encoder.encode(dataset(Example.of(5, "x", "c"))))
            .getMessage()
            .startsWith("train.csv, row 5: unknown label \"c\". Known labels: \"a\", \"b\"."));
    assertEquals(
        "train.csv, row 5: the text is missing",
        assertThrows(InputException.class, () -> encoder.encode(dataset(Example.of(5, null, "a"))))
            .getMessage());
    Encoder tags =
        new Encoder(new TokenClassification(labels).encoder(bert, 16, Purpose.TRAINING), 1);
    assertTrue(
        assertThrows(
                InputException.class,
                () -> tags.encode(dataset(Example.ofTokens(8, List.of("x", "y"), List.of("a")))))
            .getMessage()
            .startsWith("train.csv, row 8: 1 tag for 2 tokens."));
    assertTrue(
        assertThrows(InputException.class, () -> tags.encode(dataset(Example.of(8, "x", "a"))))
            .getMessage()
            .startsWith("train.csv, row 8: no tokens."));
    Encoder number = new Encoder(TestTasks.REGRESSION.encoder(bert, 16, Purpose.TRAINING), 1);
    assertTrue(
        assertThrows(InputException.class, () -> number.encode(dataset(Example.of(3, "x", "NaN"))))
            .getMessage()
            .startsWith("train.csv, row 3: label \"NaN\" is not a number."));
  }

  @Test
  void aFailureOnAHelperThreadReachesTheCaller() {
    Example[] examples = new Example[1000];
    Arrays.setAll(examples, i -> Example.of(i + 1, i < 64 || i > 900 ? null : "x", "a"));
    Encoder encoder =
        new Encoder(
            new Classification(LabelMap.ofNames(List.of("a"))).encoder(bert, 16, Purpose.TRAINING),
            2);
    assertThrows(InputException.class, () -> encoder.encode(dataset(examples)));
  }

  @Test
  void aTextWithoutTokensIsRefused() {
    try (TextTokenizer gpt2 = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      Encoder encoder =
          new Encoder(TestTasks.CLASSIFICATION.encoder(gpt2, 16, Purpose.PREDICTION), 1);
      assertTrue(
          assertThrows(InputException.class, () -> encoder.encode(dataset(Example.of(2, "", null))))
              .getMessage()
              .startsWith("train.csv, row 2: the text has no tokens"));
      assertNull(encoder.encode(dataset(Example.of(2, "hi", null))).typeIds());
    }
  }

  @Test
  void settingsWithoutSenseAreRefused() {
    assertEquals(
        "max length 2 leaves no room for text: the tokenizer adds 2 special tokens. Give"
            + " --max-length at least 3.",
        RunOption.worded(
            assertThrows(
                    InputException.class,
                    () ->
                        new Encoder(
                            TestTasks.CLASSIFICATION.encoder(bert, 2, Purpose.PREDICTION), 1))
                .getMessage()));
    assertThrows(
        InputException.class,
        () -> new Encoder(TestTasks.CLASSIFICATION.encoder(bert, 16, Purpose.PREDICTION), 0));
  }

  @Test
  void nothingEncodesToNothing() {
    EncodedDataset none =
        new Encoder(TestTasks.CLASSIFICATION.encoder(bert, 16, Purpose.PREDICTION), 4)
            .encode(dataset());
    assertEquals(0, none.size());
    assertEquals(0, none.tokens());
  }
}
