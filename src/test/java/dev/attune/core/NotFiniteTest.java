package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NotFiniteTest {
  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void theFirstIsFoundWhereverItIs(float bad) {
    for (int size : new int[] {1, 2, 4096, 4097, 10_000}) {
      for (int at : new int[] {0, 1, 4095, 4096, 9_999}) {
        float[] values = new float[size];
        Arrays.fill(values, at % 2 == 0 ? Float.MAX_VALUE : -Float.MIN_VALUE);
        assertEquals(-1, NotFinite.first(FloatBuffer.wrap(values), 0, size));
        if (at < size) {
          values[at] = bad;
          values[size - 1] = bad;
          FloatBuffer buffer = FloatBuffer.wrap(values).position(size);
          assertEquals(at, NotFinite.first(buffer, 0, size));
          assertEquals(at, NotFinite.first(buffer, at, size));
          assertEquals(-1, NotFinite.first(buffer, 0, at));
        }
      }
    }
    assertEquals(-1, NotFinite.first(FloatBuffer.allocate(3), 2, 2));
  }
}
