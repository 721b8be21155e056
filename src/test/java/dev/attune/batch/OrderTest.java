package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The order of an epoch is a value: of seed and epoch alone, the same for all time. */
class OrderTest {
  private static final long SEED = Long.getLong("attune.seed", 20261123L);

  @Test
  void shuffledOrderIsAPermutationThatDependsOnSeedAndEpochAlone() {
    Random random = new Random(SEED);
    for (int round = 0; round < 50; round++) {
      int size = random.nextInt(300);
      long seed = random.nextLong();
      int[] p = Order.shuffled(seed).permutation(round, size, null);
      assertArrayEquals(p, Order.shuffled(seed).permutation(round, size, new int[size]));
      int[] sorted = p.clone();
      Arrays.sort(sorted);
      for (int i = 0; i < size; i++) {
        assertEquals(i, sorted[i]);
      }
      if (size > 20) {
        assertFalse(Arrays.equals(p, Order.shuffled(seed).permutation(round + 1, size, null)));
        assertFalse(Arrays.equals(p, Order.shuffled(seed + 1).permutation(round, size, null)));
      }
    }
    assertArrayEquals(new int[] {0, 1, 2}, Order.file().permutation(5, 3, null));
  }

  /** Draws that several threads make are those of one, and the order that they give. */
  @Test
  void theOrderOfManyIsThatOfItsDefinition() {
    int size = (1 << 21) + 12_345;
    Order order = Order.shuffled(SEED);
    int[] words = new int[4];
    int[] expected = new int[size];
    Arrays.setAll(expected, i -> i);
    for (int i = size - 1; i > 0; i--) {
      int j = order.draw(3, i, i + 1, words);
      int kept = expected[i];
      expected[i] = expected[j];
      expected[j] = kept;
    }
    assertArrayEquals(expected, order.permutation(3, size, null));
  }

  @Test
  void shuffledOrderIsUniform() {
    // 24 permutations of 4, 24,000 draws: each about 1000 times; chi-square of 23 degrees < 50.
    int[] counts = new int[256];
    for (int epoch = 0; epoch < 24_000; epoch++) {
      int[] p = Order.shuffled(SEED).permutation(epoch, 4, null);
      counts[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    double chi = 0;
    int kinds = 0;
    for (int count : counts) {
      if (count > 0) {
        kinds++;
        chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
      }
    }
    assertEquals(24, kinds);
    assertTrue(chi < 50, "chi-square " + chi);
  }

  @Test
  void theOrderOfAKnownSeedNeverChanges() {
    // Computed by a separate program. A change here would change every run that is resumed.
    assertArrayEquals(
        new int[] {5, 1, 6, 4, 2, 0, 3, 7}, Order.shuffled(42).permutation(0, 8, null));
    assertArrayEquals(
        new int[] {4, 1, 0, 2, 7, 6, 3, 5}, Order.shuffled(42).permutation(1, 8, null));
  }
}
