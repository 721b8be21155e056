package dev.attune.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.FloatBuffer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Where elements of a folder's tensors lie in the store. */
class LayoutTest {
  private static float[] numbers(int count) {
    float[] values = new float[count];
    IntStream.range(0, count).forEach(i -> values[i] = i);
    return values;
  }

  private static float[] toStore(Layout layout, int count) {
    FloatBuffer store = FloatBuffer.allocate(count);
    layout.toStore(FloatBuffer.wrap(numbers(count)), store);
    return store.array();
  }

  private static void assertThereAndBack(Layout layout, int count) {
    FloatBuffer folder = FloatBuffer.allocate(count);
    layout.toFolder(FloatBuffer.wrap(toStore(layout, count)), folder);
    assertArrayEquals(numbers(count), folder.array());
    assertEquals(count, folder.position());
  }

  @Test
  void plainIsAsInTheFolder() {
    assertArrayEquals(numbers(6), toStore(Layout.PLAIN, 6));
    assertArrayEquals(new long[] {2, 3}, Layout.PLAIN.folderShape(2, 3));
  }

  @Test
  void transposedExchangesRowsAndColumns() {
    Layout layout = new Layout.Transposed(2, 3); // the folder holds (3, 2)
    assertArrayEquals(new float[] {0, 2, 4, 1, 3, 5}, toStore(layout, 6));
    assertArrayEquals(new long[] {3, 2}, layout.folderShape(2, 3));
    assertThereAndBack(layout, 6);
  }

  @Test
  void interleavedGathersThePartsOfTheHeads() {
    // Two heads, three parts of one row each: q0 k0 v0 q1 k1 v1 becomes q0 q1 k0 k1 v0 v1.
    Layout.Interleaved layout = new Layout.Interleaved(2, 3, 1, 2);
    assertArrayEquals(new float[] {0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}, toStore(layout, 12));
    assertThereAndBack(layout, 12);
    assertArrayEquals(new float[] {0, 3, 1, 4, 2, 5}, toStore(layout.withCols(1), 6));
    assertThereAndBack(new Layout.Interleaved(3, 3, 4, 5), 180);
  }
}
