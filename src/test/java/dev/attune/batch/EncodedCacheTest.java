package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.data.ReadOptions;
import dev.attune.data.RowCache;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.IntSink;
import dev.attune.data.mapped.Ints;
import dev.attune.data.mapped.Stores;
import dev.attune.task.CausalLm;
import dev.attune.task.Classification;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TestTasks;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Columns from a store are those that are made in memory. */
class EncodedCacheTest {
  @TempDir Path temp;
  private final List<String> notes = new ArrayList<>();
  private TextTokenizer bytes;

  @BeforeEach
  void open() {
    bytes = TextTokenizer.open(ByteTokenizer.write(temp.resolve("tokenizer"), "<end>", "Ġ c"));
  }

  @AfterEach
  void close() {
    bytes.close();
  }

  private Stores stores() {
    return new Stores(() -> temp.resolve("stores"), FileOps.SYSTEM, notes::add);
  }

  private Dataset stored(Path file) {
    return new RowCache(stores(), 1, 2)
        .read(List.of(file.toString()), ReadOptions.of(Columns.parse(null)));
  }

  private EncodedDataset cached(Task task, Dataset rows, int maxLength, int threads) {
    Encoder encoder = new Encoder(task.encoder(bytes, maxLength, Purpose.TRAINING), threads);
    return new EncodedCache(stores()).encode(encoder, rows, bytes.content(), (done, total) -> {});
  }

  private EncodedDataset inMemory(Task task, Dataset rows, int maxLength) {
    return new Encoder(task.encoder(bytes, maxLength, Purpose.TRAINING), 1).encode(rows);
  }

  private long tokenStores() throws IOException {
    try (Stream<Path> entries = Files.list(temp.resolve("stores"))) {
      return entries.filter(path -> path.getFileName().toString().startsWith("tokens-")).count();
    }
  }

  private Path rows(int count) throws IOException {
    StringBuilder csv = new StringBuilder("text,label\n");
    for (int i = 0; i < count; i++) {
      csv.append("row ")
          .append(i)
          .append(" abc".repeat(i % 9))
          .append(i % 3 == 0 ? ",x\n" : ",y\n");
    }
    return Files.writeString(temp.resolve("rows.csv"), csv);
  }

  private static void assertSame(EncodedDataset expected, EncodedDataset actual) {
    assertEquals(expected.size(), actual.size());
    assertArrayEquals(expected.offsets().toArray(), actual.offsets().toArray());
    assertArrayEquals(expected.ids().toArray(), actual.ids().toArray());
    assertArrayEquals(expected.labels().toArray(), actual.labels().toArray());
    assertEquals(expected.fingerprint(), actual.fingerprint());
    assertEquals(expected.maxId(), actual.maxId());
    assertEquals(expected.maxSequenceLength(), actual.maxSequenceLength());
    assertEquals(expected.droppedTokens(), actual.droppedTokens());
    assertArrayEquals(
        expected.lengths().supervised().toArray(), actual.lengths().supervised().toArray());
    assertArrayEquals(expected.lengths().dropped().toArray(), actual.lengths().dropped().toArray());
    assertArrayEquals(expected.lengths().lengths().toArray(), actual.lengths().lengths().toArray());
    for (int i = 0; i < expected.size(); i += 17) {
      assertEquals(expected.source(i), actual.source(i));
      assertEquals(expected.supervised(i), actual.supervised(i));
    }
  }

  @Test
  void classesAreEncodedOnceAndReadFromThenOn() throws IOException {
    Path file = rows(2000);
    Dataset inMemory = DataReader.read(file);
    Task task = new Classification(LabelMap.ofNames(List.of("x", "y")));
    EncodedDataset expected = inMemory(task, inMemory, 24);
    assertTrue(expected.droppedTokens() > 0);
    assertSame(expected, cached(task, stored(file), 24, 3));
    assertEquals(1, tokenStores());
    assertSame(expected, cached(task, stored(file), 24, 1));
    assertEquals(1, tokenStores());
    DataReport report = report(task, inMemory, expected);
    DataReport ofStore = report(task, stored(file), cached(task, stored(file), 24, 2));
    assertEquals(report.findings(), ofStore.findings());
    assertEquals(report.toJson(m -> m), ofStore.toJson(m -> m));
  }

  private static DataReport report(Task task, Dataset rows, EncodedDataset encoded) {
    return DataReport.builder(task).maxLength(24).train(rows, encoded.lengths()).build();
  }

  @Test
  void whateverTokensDependOnMakesAnotherStore() throws IOException {
    Dataset rows = stored(rows(300));
    Task task = new Classification(LabelMap.ofNames(List.of("x", "y")));
    cached(task, rows, 24, 2);
    cached(task, rows, 23, 2);
    cached(new Classification(LabelMap.ofNames(List.of("y", "x"))), rows, 24, 2);
    cached(task, rows.first(200), 24, 2);
    cached(TestTasks.CAUSAL_LM, rows, 24, 2);
    cached(new CausalLm(true), rows, 24, 2);
    assertEquals(6, tokenStores());
    try (TextTokenizer other =
        TextTokenizer.open(ByteTokenizer.write(temp.resolve("other"), "<end>", "Ġ a"))) {
      Encoder encoder = new Encoder(task.encoder(other, 24, Purpose.TRAINING), 2);
      new EncodedCache(stores()).encode(encoder, rows, other.content(), (done, total) -> {});
    }
    assertEquals(7, tokenStores());
  }

  @Test
  void aDamagedStoreIsSaidAndEncodedAnew() throws IOException {
    Dataset rows = stored(rows(300));
    Task task = new Classification(LabelMap.ofNames(List.of("x", "y")));
    EncodedDataset before = cached(task, rows, 24, 2);
    Path ids;
    try (Stream<Path> files = Files.walk(temp.resolve("stores"))) {
      ids = files.filter(path -> path.endsWith("ids.i32")).findFirst().orElseThrow();
    }
    byte[] content = Files.readAllBytes(ids);
    content[100] ^= 1;
    Files.delete(ids); // which the columns above have mapped
    Files.write(ids, content);
    assertSame(before, cached(task, rows, 24, 2));
    assertEquals(1, notes.size());
    assertTrue(notes.get(0).contains("ids.i32 is damaged"), notes.get(0));
  }

  private Path verse() throws IOException {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 30_000; i++) {
      text.append(i % 11 == 0 ? "\n" : "cat number " + i + " came, or can it be\n");
    }
    return Files.writeString(temp.resolve("verse.txt"), text.append("end").toString());
  }

  @Test
  void aRunningTextInPartsIsCutAsTheWholeIs() throws IOException {
    Path file = verse();
    Dataset inMemory = DataReader.read(file);
    Dataset parts = stored(file);
    assertTrue(parts.size() > 2, "only " + parts.size() + " parts");
    EncodedDataset expected = inMemory(TestTasks.CAUSAL_LM, inMemory, 100);
    for (int time = 0; time < 2; time++) {
      EncodedDataset actual = cached(TestTasks.CAUSAL_LM, parts, 100, 2);
      assertArrayEquals(expected.offsets().toArray(), actual.offsets().toArray());
      assertArrayEquals(expected.ids().toArray(), actual.ids().toArray());
      assertArrayEquals(expected.labels().toArray(), actual.labels().toArray());
      assertEquals(expected.fingerprint(), actual.fingerprint());
      assertEquals(expected.droppedTokens(), actual.droppedTokens());
      assertEquals(expected.lengths().supervised().sum(), actual.lengths().supervised().sum());
    }
    DataReport report =
        DataReport.builder(TestTasks.CAUSAL_LM)
            .maxLength(100)
            .train(parts, cached(TestTasks.CAUSAL_LM, parts, 100, 2).lengths())
            .validation(inMemory, expected.lengths())
            .build();
    assertEquals(
        List.of("leakage"), report.findings().stream().map(finding -> finding.code()).toList());
    assertEquals(1, report.toJson(m -> m).path("splits").path("train").path("rows").asInt());
  }

  @Test
  void anEncodingThatFailsOrIsInterruptedLeavesNothing() throws IOException {
    Dataset rows = stored(rows(3000));
    Task unknown = new Classification(LabelMap.ofNames(List.of("x", "z")));
    InputException e = assertThrows(InputException.class, () -> cached(unknown, rows, 24, 3));
    assertTrue(e.getMessage().contains("row 3"), e.getMessage());
    Task task = new Classification(LabelMap.ofNames(List.of("x", "y")));
    Thread.currentThread().interrupt();
    assertThrows(InterruptedCallException.class, () -> cached(task, rows, 24, 3));
    assertTrue(Thread.interrupted());
    assertEquals(0, tokenStores());
    assertNotNull(cached(task, rows, 24, 3));
    assertEquals(1, tokenStores());
  }

  /** Columns that count and keep nothing. */
  private static IntSink counting(String name) {
    return new IntSink() {
      private int size;

      @Override
      public void add(int value) {
        size++;
      }

      @Override
      public void addAll(int[] values, int from, int count) {
        size += count;
      }

      @Override
      public int size() {
        return size;
      }

      @Override
      public Ints done() {
        return Ints.zeros(size);
      }
    };
  }

  @Test
  void moreTokensThanADatasetHoldsAreRefusedInWords() {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.NONE, false, EncodedCacheTest::counting);
    int[] many = new int[1 << 26];
    InputException e =
        assertThrows(
            InputException.class,
            () -> {
              for (int i = 0; i < 32; i++) {
                builder.add(many, null);
              }
            });
    assertTrue(e.getMessage().startsWith("there are more than 2,147,418,111 rows"), e.getMessage());
  }

  @Test
  void rowsThatAreInNoColumnKeepADatasetOutOfStores() {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.NONE, false);
    builder.add(new int[] {1, 2}, null).add(new int[] {3}, null);
    assertNotNull(builder.build().facts());
    EncodedDataset.Builder given = EncodedDataset.builder(TargetLayout.NONE, false);
    given.add(new int[] {1, 2}, null).add(new int[] {3}, null);
    given.rows(new int[] {0, 0}, new TokenLengths(new int[] {3}, new int[] {0}, new int[] {1}));
    assertNull(given.build().facts());
  }

  /** Two threads meet in the rows, each of which is a chunk of its own. */
  @Test
  void fewLargeRowsAreTokenisedOnSeveralThreads() throws IOException {
    String large = "abc ".repeat(1 << 17);
    Dataset rows =
        stored(
            Files.writeString(
                temp.resolve("large.csv"),
                "text,label\n" + (large + ",x\n").repeat(3) + large + ",y\n"));
    CyclicBarrier both = new CyclicBarrier(2);
    RowEncoder<Integer> meeting =
        new RowEncoder<>() {
          @Override
          public Integer encode(Dataset dataset, Example example) {
            try {
              both.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
              throw new IllegalStateException("one thread alone tokenises", e);
            }
            return example.row();
          }

          @Override
          public EncodedDataset pack(Dataset dataset, List<Integer> numbers) {
            EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.NONE, false);
            numbers.forEach(number -> builder.add(new int[] {number}, null));
            return builder.build();
          }
        };
    assertEquals(4, new Encoder(meeting, 2).encode(rows).size());
  }
}
