package dev.attune.core;

import java.nio.FloatBuffer;

/** Looks for values that are infinite or NaN, among many millions in the time that memory takes. */
public final class NotFinite {
  private static final int CHUNK = 4096;
  private static final int INFINITE = 0x7F80_0000; // the bits of a magnitude from here on

  private NotFinite() {}

  /**
   * The place of the first such value.
   *
   * @param begin where to begin; the buffer's position makes no difference
   * @param end where to end
   * @return its index in the buffer; -1: all are finite
   */
  public static int first(FloatBuffer values, int begin, int end) {
    float[] chunk = new float[Math.min(CHUNK, Math.max(0, end - begin))];
    int count;
    for (int at = begin; at < end; at += count) { // by CHUNK it would pass the largest int
      count = Math.min(CHUNK, end - at);
      values.get(at, chunk, 0, count);
      if (largest(chunk, count) >= INFINITE) {
        int i = 0;
        while (Float.isFinite(chunk[i])) {
          i++;
        }
        return at + i;
      }
    }
    return -1;
  }

  /** The bits of the largest magnitude, NaN above all: integers, which vector units compare. */
  private static int largest(float[] values, int count) {
    int largest = 0;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, Float.floatToRawIntBits(values[i]) & 0x7FFF_FFFF);
    }
    return largest;
  }
}
