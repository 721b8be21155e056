package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.attune.core.InputException;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class BatchStreamTest {
  private static final long SEED = Long.getLong("attune.seed", 20261123L);

  /** A batch as a string of everything it holds. */
  private static String image(Batch b) {
    int values = b.layout().values(b.sequences(), b.rows());
    return String.join(
        " ",
        "epoch " + b.epoch(),
        "B " + b.sequences(),
        "N " + b.rows(),
        "longest " + b.maxSequenceLength(),
        "supervised " + b.supervisedTargets(),
        Arrays.toString(Arrays.copyOf(b.inputIds(), b.rows())),
        Arrays.toString(Arrays.copyOf(b.positions(), b.rows())),
        b.typeIds() == null ? "-" : Arrays.toString(Arrays.copyOf(b.typeIds(), b.rows())),
        Arrays.toString(Arrays.copyOf(b.cuSeqlens(), b.sequences() + 1)),
        Arrays.toString(Arrays.copyOf(b.firstRows(), b.sequences())),
        Arrays.toString(Arrays.copyOf(b.exampleIndex(), b.sequences())),
        b.layout().isReal()
            ? Arrays.toString(Arrays.copyOf(b.targets(), values))
            : Arrays.toString(Arrays.copyOf(b.labels(), values)),
        Arrays.toString(Arrays.copyOf(b.uniqueIds(), b.uniqueCount())),
        b.after().toString());
  }

  static EncodedDataset random(TargetLayout kind, int size, boolean types, long seed) {
    Random random = new Random(seed);
    EncodedDataset.Builder builder = EncodedDataset.builder(kind, types);
    for (int i = 0; i < size; i++) {
      int length = 1 + random.nextInt(40);
      int[] ids = random.ints(length, 2, 500).toArray();
      int[] typeIds = types ? random.ints(length, 0, 2).toArray() : null;
      switch (kind.per()) {
        case SEQUENCE -> {
          if (kind.isReal()) {
            float[] numbers = new float[kind.width()];
            for (int k = 0; k < numbers.length; k++) {
              numbers[k] = random.nextFloat();
            }
            builder.add(ids, typeIds, numbers);
          } else {
            builder.add(ids, typeIds, random.ints(kind.width(), 0, 5).toArray());
          }
        }
        case ROW ->
            builder.add(
                ids,
                typeIds,
                random.ints(length, 0, 4).map(l -> l == 0 ? EncodedDataset.IGNORED : l).toArray());
        case LEARNED_ROW -> {
          boolean[] supervised = new boolean[length];
          for (int t = 0; t < length; t++) {
            supervised[t] = random.nextInt(3) > 0;
          }
          builder.addNextTokens(ids, supervised, 0, length);
        }
        case NOTHING -> builder.add(ids, typeIds);
      }
    }
    return builder.build();
  }

  private static List<String> images(
      EncodedDataset data, Order order, int batchSize, int epochs, Cursor from) {
    List<String> out = new ArrayList<>();
    try (BatchStream stream = BatchStream.training(data, order, batchSize, epochs, from, 2)) {
      while (stream.hasNext()) {
        out.add(image(stream.next()));
      }
    }
    return out;
  }

  static List<TargetLayout> layouts() {
    return List.of(
        TargetLayout.NONE,
        TargetLayout.LABEL,
        TargetLayout.NUMBER,
        TargetLayout.ROWS,
        TargetLayout.LEARNED_ROWS,
        TargetLayout.labels(2),
        TargetLayout.numbers(3));
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void everyBatchIsExactlyItsExamplesWithoutPadding(TargetLayout kind) {
    EncodedDataset data = random(kind, 57, kind != TargetLayout.NUMBER, SEED);
    Set<Integer> visited = new HashSet<>();
    try (BatchStream stream =
        BatchStream.training(data, Order.shuffled(SEED), 8, 1, Cursor.START, 2)) {
      while (stream.hasNext()) {
        Batch b = stream.next();
        assertEquals(kind, b.layout());
        assertEquals(0, b.cuSeqlens()[0]);
        assertEquals(b.rows(), b.cuSeqlens()[b.sequences()]);
        int longest = 0;
        int supervised = 0;
        Set<Integer> ids = new HashSet<>();
        for (int s = 0; s < b.sequences(); s++) {
          int example = b.exampleIndex()[s];
          assertTrue(visited.add(example), "an example comes once an epoch");
          int begin = b.cuSeqlens()[s];
          int length = b.cuSeqlens()[s + 1] - begin;
          assertEquals(data.length(example), length);
          assertEquals(begin, b.firstRows()[s]);
          longest = Math.max(longest, length);
          supervised += data.supervised(example);
          for (int t = 0; t < length; t++) {
            int at = data.offsets().get(example) + t;
            ids.add(data.ids().get(at));
            assertEquals(data.ids().get(at), b.inputIds()[begin + t]);
            assertEquals(t + 2, b.positions()[begin + t]);
            if (data.typeIds() == null) {
              assertNull(b.typeIds());
            } else {
              assertEquals(data.typeIds().get(at), b.typeIds()[begin + t]);
            }
            if (kind.isPerRow()) {
              assertEquals(data.labels().get(at), b.labels()[begin + t]);
            }
          }
          for (int k = 0; k < kind.width() && kind.per() == TargetLayout.Per.SEQUENCE; k++) {
            int from = example * kind.width() + k;
            int to = s * kind.width() + k;
            if (kind.isReal()) {
              assertEquals(data.targets()[from], b.targets()[to]);
            } else {
              assertEquals(data.labels().get(from), b.labels()[to]);
            }
          }
        }
        assertEquals(longest, b.maxSequenceLength());
        assertEquals(supervised, b.supervisedTargets());
        assertArrayEquals(
            ids.stream().mapToInt(i -> i).sorted().toArray(),
            Arrays.copyOf(b.uniqueIds(), b.uniqueCount()));
      }
    }
    assertEquals(57, visited.size());
  }

  @ParameterizedTest
  @CsvSource({
    "57, 8, 3, true",
    "64, 8, 2, true",
    "57, 8, 3, false",
    "5, 64, 4, true",
    "9, 1, 2, true"
  })
  void resumingFromAnyCursorGivesTheBatchesThatWouldHaveFollowed(
      int size, int batchSize, int epochs, boolean shuffle) {
    EncodedDataset data = random(TargetLayout.LABEL, size, true, SEED);
    Order order = new Order(SEED, shuffle);
    List<String> whole = new ArrayList<>();
    List<Cursor> cursors = new ArrayList<>(List.of(Cursor.START));
    try (BatchStream stream =
        BatchStream.training(data, order, batchSize, epochs, Cursor.START, 2)) {
      while (stream.hasNext()) {
        Batch batch = stream.next();
        whole.add(image(batch));
        cursors.add(Cursor.fromJson(batch.after().toJson()));
      }
    }
    assertEquals(epochs * BatchStream.batchesPerEpoch(size, batchSize), whole.size());
    for (int k = 0; k < cursors.size(); k++) {
      assertEquals(
          whole.subList(k, whole.size()),
          images(data, order, batchSize, epochs, cursors.get(k)),
          "resumed at " + cursors.get(k));
    }
  }

  @Test
  void paddingTokensInATextAreNotCountedWherePositionsBeginBehindThem() {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, false);
    builder.add(new int[] {0, 5, 1, 6, 1, 7}, null, 0);
    builder.add(new int[] {1, 9}, null, 0);
    EncodedDataset data = builder.build();
    Batch batch = new Packer(data, 2).pack(new int[] {0, 1}, new Batch());
    assertArrayEquals(
        new int[] {2, 3, 1, 4, 1, 5, 1, 2}, Arrays.copyOf(batch.positions(), batch.rows()));
    batch = new Packer(data, 0).pack(new int[] {0, 1}, new Batch());
    assertArrayEquals(
        new int[] {0, 1, 2, 3, 4, 5, 0, 1}, Arrays.copyOf(batch.positions(), batch.rows()));
  }

  @Test
  void theSameSeedGivesTheSameBatchesAndAnotherSeedOthers() {
    EncodedDataset data = random(TargetLayout.LABEL, 50, false, SEED);
    List<String> once = images(data, Order.shuffled(1), 8, 2, Cursor.START);
    assertEquals(once, images(data, Order.shuffled(1), 8, 2, Cursor.START));
    assertFalse(once.equals(images(data, Order.shuffled(2), 8, 2, Cursor.START)));
  }

  @Test
  void endsEpochMarksTheLastBatchOfEach() {
    EncodedDataset data = random(TargetLayout.NONE, 10, false, SEED);
    List<Boolean> ends = new ArrayList<>();
    try (BatchStream stream = BatchStream.training(data, Order.file(), 4, 2, Cursor.START, 0)) {
      stream.forEachRemaining(b -> ends.add(b.endsEpoch()));
    }
    assertEquals(List.of(false, false, true, false, false, true), ends);
  }

  @Test
  void threeContainersGoRoundAndTheirArraysStay() {
    EncodedDataset data = random(TargetLayout.ROWS, 300, true, SEED);
    IdentityHashMap<Object, Object> batches = new IdentityHashMap<>();
    IdentityHashMap<Object, Object> arrays = new IdentityHashMap<>();
    int seen = 0;
    try (BatchStream stream =
        BatchStream.training(data, Order.shuffled(3), 16, 20, Cursor.START, 0)) {
      while (stream.hasNext()) {
        Batch b = stream.next();
        batches.put(b, b);
        if (++seen > 3) {
          arrays.put(b.inputIds(), b);
          arrays.put(b.labels(), b);
          arrays.put(b.typeIds(), b);
        }
      }
    }
    assertEquals(3, batches.size());
    assertEquals(9, arrays.size(), "no array is replaced after the first round");
  }

  @Test
  void aBatchAllocatesNextToNothingOnEitherThread() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    EncodedDataset data = random(TargetLayout.LABEL, 640, true, SEED);
    try (BatchStream stream =
        BatchStream.training(data, Order.shuffled(3), 16, 1000, Cursor.START, 0)) {
      long packer =
          Thread.getAllStackTraces().keySet().stream()
              .filter(t -> t.getName().equals("attune-batches"))
              .mapToLong(Thread::getId)
              .max()
              .orElseThrow();
      long before = 0;
      for (int i = 0; i < 4000; i++) {
        if (i == 1000) {
          before =
              threads.getThreadAllocatedBytes(packer)
                  + threads.getThreadAllocatedBytes(Thread.currentThread().getId());
        }
        stream.next();
      }
      long after =
          threads.getThreadAllocatedBytes(packer)
              + threads.getThreadAllocatedBytes(Thread.currentThread().getId());
      double bytesPerBatch = (after - before) / 3000.0;
      assertTrue(bytesPerBatch < 512, bytesPerBatch + " bytes a batch of about 320 tokens");
    }
  }

  @Test
  void aFailureOfThePackingThreadReachesTheConsumerAfterTheGoodBatches() {
    IllegalArgumentException cause = new IllegalArgumentException("boom");
    try (BatchStream stream = failingAt(4, cause)) {
      for (int i = 0; i < 4; i++) {
        stream.next();
      }
      IllegalStateException e = assertThrows(IllegalStateException.class, stream::hasNext);
      assertSame(cause, e.getCause());
      assertTrue(e.getMessage().contains("boom"), e::getMessage);
      assertThrows(IllegalStateException.class, stream::next, "it keeps failing");
    }
  }

  @Test
  void inputErrorsAndErrorsKeepTheirType() {
    try (BatchStream stream = failingAt(0, new InputException("row 7 is bad"))) {
      assertEquals("row 7 is bad", assertThrows(InputException.class, stream::next).getMessage());
    }
    OutOfMemoryError error = new OutOfMemoryError("no heap");
    try (BatchStream stream = failingAt(0, error)) {
      assertSame(error, assertThrows(OutOfMemoryError.class, stream::next));
    }
  }

  private static BatchStream failingAt(int batch, Throwable failure) {
    int[] count = {0};
    return new BatchStream(
        b -> {
          if (count[0]++ == batch) {
            if (failure instanceof Error error) {
              throw error;
            }
            throw (RuntimeException) failure;
          }
          return true;
        },
        1,
        1);
  }

  @Test
  void closingStopsTheThreadPromptlyWhileItWaitsOrSleeps() throws InterruptedException {
    EncodedDataset data = random(TargetLayout.LABEL, 100, false, SEED);
    BatchStream stream = BatchStream.training(data, Order.shuffled(1), 4, 1000, Cursor.START, 0);
    stream.next();
    assertTimeoutPreemptively(Duration.ofSeconds(2), stream::close);
    assertFalse(stream.isPacking());
    stream.close();
    assertThrows(IllegalStateException.class, stream::hasNext);
    assertThrows(IllegalStateException.class, stream::next);

    CountDownLatch begun = new CountDownLatch(1);
    BatchStream slow =
        new BatchStream(
            b -> {
              begun.countDown();
              try {
                Thread.sleep(60_000);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              return true;
            },
            1,
            1);
    begun.await();
    assertTimeoutPreemptively(Duration.ofSeconds(2), slow::close);
    assertFalse(slow.isPacking());
  }

  @Test
  void afterTheLastBatchThereIsNone() {
    EncodedDataset data = random(TargetLayout.LABEL, 3, false, SEED);
    try (BatchStream stream = BatchStream.training(data, Order.file(), 4, 1, Cursor.START, 0)) {
      stream.next();
      assertFalse(stream.hasNext());
      assertThrows(NoSuchElementException.class, stream::next);
    }
    assertEquals(List.of(), images(data, Order.file(), 4, 1, new Cursor(1, 0)));
  }

  @Test
  void badSettingsAndAForeignCursorAreRefused() {
    EncodedDataset data = random(TargetLayout.LABEL, 3, false, SEED);
    assertEquals(
        "batch size 0: it must be at least 1",
        assertThrows(
                InputException.class,
                () -> BatchStream.training(data, Order.file(), 0, 1, Cursor.START, 0))
            .getMessage());
    assertEquals(
        "0 epochs: there must be at least 1",
        assertThrows(
                InputException.class,
                () -> BatchStream.training(data, Order.file(), 1, 0, Cursor.START, 0))
            .getMessage());
    assertEquals(
        "the checkpoint stopped before example 3 of its epoch, but the training data has 3"
            + " examples. Resume with the data that the run began with.",
        assertThrows(
                InputException.class,
                () -> BatchStream.training(data, Order.file(), 1, 1, new Cursor(0, 3), 0))
            .getMessage());
    assertEquals(
        "token budget 0: it must be at least 1",
        assertThrows(InputException.class, () -> BatchStream.evaluationBatches(data, 0, 1, 0))
            .getMessage());
    assertThrows(
        InputException.class, () -> Cursor.fromJson(new Cursor(1, 2).toJson().put("next", "x")));
    assertThrows(IllegalArgumentException.class, () -> new Cursor(-1, 0));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 40, 100, 1000})
  void evaluationVisitsEveryExampleInFileOrderWithinBothBounds(int maxTokens) {
    EncodedDataset data = random(TargetLayout.LABEL, 83, false, SEED);
    int next = 0;
    try (BatchStream stream = BatchStream.evaluationBatches(data, maxTokens, 7, 0)) {
      while (stream.hasNext()) {
        Batch b = stream.next();
        assertTrue(b.sequences() <= 7);
        assertTrue(b.rows() <= maxTokens || b.sequences() == 1);
        for (int s = 0; s < b.sequences(); s++) {
          assertEquals(next++, b.exampleIndex()[s]);
        }
        if (next < data.size() && b.sequences() < 7) {
          assertTrue(b.rows() + data.length(next) > maxTokens, "batches are as full as allowed");
        }
      }
    }
    assertEquals(83, next);
  }

  @Test
  void evaluatingNothingGivesNoBatch() {
    EncodedDataset none = EncodedDataset.builder(TargetLayout.NONE, false).build();
    try (BatchStream stream = BatchStream.evaluationBatches(none, 100, 10, 0)) {
      assertFalse(stream.hasNext());
    }
  }

  @Test
  void packerFillsChosenExamples() {
    EncodedDataset data = random(TargetLayout.LABEL, 10, false, SEED);
    Batch batch = new Packer(data, 0).pack(new int[] {7, 7, 2}, new Batch());
    assertEquals(2 * data.length(7) + data.length(2), batch.rows());
    assertArrayEquals(new int[] {7, 7, 2}, Arrays.copyOf(batch.exampleIndex(), 3));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new Packer(data, 0).pack(new int[] {10}, new Batch()));
    assertEquals("example 10 of a dataset of 10", e.getMessage());
  }

  @Test
  void fingerprintChangesWithTokensAndTargets() {
    String one = random(TargetLayout.LABEL, 20, true, 1).fingerprint();
    assertEquals(one, random(TargetLayout.LABEL, 20, true, 1).fingerprint());
    assertFalse(one.equals(random(TargetLayout.LABEL, 20, true, 2).fingerprint()));
    EncodedDataset a =
        EncodedDataset.builder(TargetLayout.LABEL, false).add(new int[] {5}, null, 0).build();
    EncodedDataset b =
        EncodedDataset.builder(TargetLayout.LABEL, false).add(new int[] {5}, null, 1).build();
    assertFalse(a.fingerprint().equals(b.fingerprint()));
  }

  @Test
  void builderRefusesTheWrongTargetAndEmptyExamples() {
    EncodedDataset.Builder tags = EncodedDataset.builder(TargetLayout.ROWS, false);
    assertThrows(IllegalArgumentException.class, () -> tags.add(new int[] {1}, null, 3));
    assertThrows(IllegalArgumentException.class, () -> tags.add(new int[] {1}, null));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> tags.add(new int[] {1, 2}, null, new int[] {1}));
    assertEquals("1 labels for a target of 2", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> tags.add(new int[0], null, new int[0]));
    assertInstanceOf(EncodedDataset.class, tags.build());
  }
}
