package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Examples of several sequences: how they lie in batches, and how equal ones are parted. */
class ApartTest {
  /** Pairs of one-token texts. */
  private static EncodedDataset pairs(boolean apart, int... texts) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.NONE, false).columns(2).apart(apart);
    for (int text : texts) {
      builder.add(new int[] {text}, null);
    }
    return builder.build();
  }

  @Test
  void aBatchHoldsItsExamplesColumnByColumn() {
    EncodedDataset data = pairs(false, 10, 20, 11, 21, 12, 22);
    assertEquals(3, data.examples());
    Batch batch = new Packer(data, 0).pack(new int[] {2, 0}, new Batch());
    assertEquals(4, batch.sequences());
    assertEquals(2, batch.examples());
    assertEquals(2, batch.supervisedTargets());
    assertArrayEquals(new int[] {12, 10, 22, 20}, Arrays.copyOf(batch.inputIds(), 4));
    assertArrayEquals(new int[] {4, 0, 5, 1}, Arrays.copyOf(batch.exampleIndex(), 4));
  }

  @Test
  void evaluationKeepsExamplesWhole() {
    EncodedDataset data = pairs(false, 10, 20, 11, 21, 12, 22);
    try (BatchStream batches = BatchStream.evaluationBatches(data, 5, 100, 0)) {
      assertEquals(4, batches.next().sequences());
      Batch last = batches.next();
      assertEquals(2, last.sequences());
      assertTrue(last.endsEpoch());
    }
    try (BatchStream batches = BatchStream.evaluationBatches(data, 1, 1, 0)) {
      assertEquals(2, batches.next().sequences());
    }
  }

  @Test
  void noBatchHasATextTwice() {
    Random random = new Random(5);
    int[] texts = new int[2 * 103];
    for (int i = 0; i < texts.length; i += 2) {
      texts[i] = 100 + i;
      texts[i + 1] = random.nextInt(23); // each in about five rows
    }
    EncodedDataset data = pairs(true, texts);
    int batchSize = 10;
    for (Order order : new Order[] {Order.shuffled(3), Order.file()}) {
      Set<Integer> seen = new HashSet<>();
      try (BatchStream batches = BatchStream.training(data, order, batchSize, 1, Cursor.START, 0)) {
        int count = 0;
        while (batches.hasNext()) {
          Batch batch = batches.next();
          assertEquals(count++ < 10 ? batchSize : 3, batch.examples());
          assertEquals(batch.rows(), batch.uniqueCount(), "texts are single tokens here");
          for (int i = 0; i < batch.examples(); i++) {
            assertTrue(seen.add(batch.exampleIndex()[i] / 2));
          }
        }
        assertEquals(11, count);
      }
      assertEquals(103, seen.size());
    }
  }

  @Test
  void whatCannotBePartedIsRefused() {
    EncodedDataset data = pairs(true, 10, 1, 11, 1, 12, 1, 13, 2);
    try (BatchStream batches = BatchStream.training(data, Order.file(), 2, 1, Cursor.START, 0)) {
      InputException e = assertThrows(InputException.class, batches::hasNext);
      assertTrue(e.getMessage().contains("in so many rows"), e.getMessage());
    }
    try (BatchStream batches = BatchStream.training(data, Order.file(), 1, 1, Cursor.START, 0)) {
      assertEquals(2, batches.next().sequences());
    }
  }
}
