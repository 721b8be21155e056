package dev.attune.kernels;

/**
 * Where the parts of a weight {@code (F,C)} for products of integers lie: strips of {@value
 * #STRIP_ROWS} rows, one after the other; see {@code attune_linear_int8_pack}.
 *
 * @param steps groups of four elements of a row
 * @param scales first byte of a strip's f32 scales
 * @param sums first byte of its i32 sums of codes
 * @param stripBytes from one strip to the next
 */
public record ChannelInt8Layout(long steps, long scales, long sums, long stripBytes) {
  /** Rows of a strip: a weight can be cut between strips. */
  public static final int STRIP_ROWS = 16;

  /** Elements of a row that lie together. */
  public static final int STEP = 4;

  /** The widest row whose products have exact sums. */
  public static final int MAX_COLUMNS = 65_536;

  /** The layout of rows of {@code C} elements. */
  public static ChannelInt8Layout of(long C) {
    if (C < 1 || C > MAX_COLUMNS) {
      throw new IllegalArgumentException("C is " + C + ", must be 1.." + MAX_COLUMNS);
    }
    long steps = (C + STEP - 1) / STEP;
    long scales = steps * STEP * STRIP_ROWS;
    long sums = scales + (long) STRIP_ROWS * Float.BYTES;
    return new ChannelInt8Layout(steps, scales, sums, sums + (long) STRIP_ROWS * Integer.BYTES);
  }

  /** How many strips {@code F} rows take. */
  public static long strips(long F) {
    return (F + STRIP_ROWS - 1) / STRIP_ROWS;
  }

  /** Bytes of a weight of {@code F} rows. */
  public long sizeBytes(long F) {
    return Math.multiplyExact(strips(F), stripBytes);
  }

  /** Where the strip of a row begins. */
  public long strip(long row) {
    return row / STRIP_ROWS * stripBytes;
  }
}
