package dev.attune.kernels;

import dev.attune.core.DType;

/**
 * Where the parts of a weight {@code (F,C)} in 4 or 8 bits lie, in bytes; the Java side of {@code
 * native/include/quantized_layout.h}.
 *
 * @param blocks how many blocks of {@value #BLOCK} elements share a scale each
 * @param scales INT8: f32; NF4: u8 codes
 * @param outerScales NF4 only: f32, one for {@value #SCALE_BLOCK} scales
 * @param offset NF4 only: f32
 * @param sizeBytes of everything
 */
public record QuantizedLayout(
    long blocks, long scales, long outerScales, long offset, long sizeBytes) {
  /** Elements that share a scale. C is a multiple of it. */
  public static final int BLOCK = 64;

  /** Scales that share an outer scale. */
  public static final int SCALE_BLOCK = 256;

  private static final long ALIGNMENT = 64;

  /**
   * The layout of a weight.
   *
   * @throws IllegalArgumentException unless dtype is NF4 or INT8 and C a multiple of {@value
   *     #BLOCK}
   */
  public static QuantizedLayout of(long F, long C, DType dtype) {
    if (F < 1 || C < 1 || C % BLOCK != 0) {
      throw new IllegalArgumentException(
          "a weight of "
              + F
              + " x "
              + C
              + " cannot be quantized: C must be a multiple of "
              + BLOCK);
    }
    long elements = Math.multiplyExact(F, C);
    long blocks = elements / BLOCK;
    return switch (dtype) {
      case INT8 -> {
        long scales = align(elements);
        yield new QuantizedLayout(blocks, scales, 0, 0, scales + align(4 * blocks));
      }
      case NF4 -> {
        long scales = align(elements / 2);
        long outer = scales + align(blocks);
        long offset = outer + align(4 * ((blocks + SCALE_BLOCK - 1) / SCALE_BLOCK));
        yield new QuantizedLayout(blocks, scales, outer, offset, offset + align(4));
      }
      default ->
          throw new IllegalArgumentException(
              dtype + " is no quantized type; it must be NF4 or INT8");
    };
  }

  private static long align(long bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
}
