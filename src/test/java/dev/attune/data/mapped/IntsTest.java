package dev.attune.data.mapped;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Columns that are looked at by pieces say what they say one by one. */
class IntsTest {
  private static final int[] SIZES = {
    0, 1, Ints.PIECE - 1, Ints.PIECE, Ints.PIECE + 1, 3 * Ints.PIECE + 7
  };

  private static void same(int[] expected, Ints column) {
    assertEquals(expected.length, column.size());
    assertArrayEquals(expected, column.stream().toArray());
    assertArrayEquals(expected, column.toArray());
    assertEquals(IntStream.of(expected).asLongStream().sum(), column.sum());
    for (int i = 0; i < expected.length; i += 997) {
      assertEquals(expected[i], column.get(i));
    }
    if (expected.length > 5) {
      int[] part = new int[expected.length];
      column.copy(2, part, 3, expected.length - 4);
      for (int i = 0; i < part.length; i++) {
        boolean isCopied = i >= 3 && i < expected.length - 1;
        assertEquals(isCopied ? expected[i - 1] : 0, part[i]);
      }
    }
  }

  @Test
  void whatLiesBetweenBordersIsTheirDifference() {
    Random random = new Random(5);
    for (int size : SIZES) {
      int[] lengths = random.ints(size, 0, 500).toArray();
      int[] borders = new int[size + 1];
      for (int i = 0; i < size; i++) {
        borders[i + 1] = borders[i] + lengths[i];
      }
      same(lengths, Ints.between(Ints.of(borders)));
      same(lengths, Ints.between(Ints.computed(size + 1, i -> borders[i])));
    }
  }

  /** Three hundred labels of each of ten million rows are as many. */
  @Test
  void moreThanAColumnHoldsIsRefusedInWords() {
    assertEquals(IntSink.MOST, IntSink.grown(IntSink.MOST - 7, 7));
    for (int[] sizes : new int[][] {{IntSink.MOST, 1}, {IntSink.MOST - 7, 8}, {1, IntSink.MOST}}) {
      InputException e =
          assertThrows(InputException.class, () -> IntSink.grown(sizes[0], sizes[1]));
      assertTrue(e.getMessage().contains("rows, tokens or labels"), e.getMessage());
    }
  }

  @Test
  void computedNumbersAreThoseOfTheirFunction() {
    for (int size : SIZES) {
      same(IntStream.range(0, size).map(i -> 3 * i).toArray(), Ints.computed(size, i -> 3 * i));
      same(new int[size], Ints.zeros(size));
      int[] column = IntStream.range(0, size).map(i -> i % 5).toArray();
      same(
          IntStream.of(column).map(n -> n == 0 ? 7 : 1).toArray(),
          Ints.mapped(Ints.of(column), n -> n == 0 ? 7 : 1));
    }
  }
}
