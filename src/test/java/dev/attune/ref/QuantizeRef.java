package dev.attune.ref;

/**
 * Weights in 4 or 8 bits: blocks of 64 elements with a scale each. Everything is a chain of f32
 * operations, so that the codes have one answer.
 */
public final class QuantizeRef {
  private static final int BLOCK = 64;
  private static final int SCALE_BLOCK = 256;

  private static final float[] NF4 = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f
  };

  private QuantizeRef() {}

  /** Codes of all elements in order, scales of all blocks; NF4 also what the scales are made of. */
  public record Int8(int[] codes, float[] scales) {
    /** The value of element i. */
    public double value(int i) {
      return (float) (codes[i] * scales[i / BLOCK]);
    }
  }

  /** The same in 4 bits, with scales in 8. */
  public record Nf4(int[] codes, int[] scaleCodes, float[] outerScales, float offset) {
    /** The scale of a block. */
    public float scale(int block) {
      float share = (scaleCodes[block] - 127) / 127.0f;
      return offset + share * outerScales[block / SCALE_BLOCK];
    }

    /** The value of element i. */
    public double value(int i) {
      return NF4[codes[i]] * scale(i / BLOCK);
    }
  }

  public static Int8 int8(double[] values) {
    int[] codes = new int[values.length];
    float[] scales = magnitudes(values);
    for (int block = 0; block < scales.length; block++) {
      scales[block] /= 127;
      for (int i = block * BLOCK; i < (block + 1) * BLOCK && scales[block] != 0; i++) {
        codes[i] = (int) Math.rint((float) values[i] / scales[block]);
      }
    }
    return new Int8(codes, scales);
  }

  public static Nf4 nf4(double[] values) {
    float[] scales = magnitudes(values);
    int[] codes = new int[values.length];
    for (int i = 0; i < values.length; i++) {
      float scale = scales[i / BLOCK];
      float normal = scale == 0 ? 0 : (float) values[i] / scale;
      while (codes[i] < 15 && normal > (NF4[codes[i]] + NF4[codes[i] + 1]) * 0.5f) {
        codes[i]++;
      }
    }
    // The sums of the groups are added up, as a parallel program would.
    double total = 0;
    for (int first = 0; first < scales.length; first += SCALE_BLOCK) {
      double sum = 0;
      for (int i = first; i < Math.min(first + SCALE_BLOCK, scales.length); i++) {
        sum += scales[i];
      }
      total += sum;
    }
    float offset = (float) (total / scales.length);
    int[] scaleCodes = new int[scales.length];
    float[] outer = new float[(scales.length + SCALE_BLOCK - 1) / SCALE_BLOCK];
    for (int i = 0; i < scales.length; i++) {
      int group = i / SCALE_BLOCK;
      outer[group] = Math.max(outer[group], Math.abs(scales[i] - offset));
    }
    for (int i = 0; i < scales.length; i++) {
      float largest = outer[i / SCALE_BLOCK];
      float share = largest == 0 ? 0 : (scales[i] - offset) / largest;
      scaleCodes[i] = 127 + (int) Math.rint(share * 127);
    }
    return new Nf4(codes, scaleCodes, outer, offset);
  }

  /** The largest magnitude of each block. */
  private static float[] magnitudes(double[] values) {
    float[] largest = new float[values.length / BLOCK];
    for (int i = 0; i < values.length; i++) {
      largest[i / BLOCK] = Math.max(largest[i / BLOCK], (float) Math.abs(values[i]));
    }
    return largest;
  }
}
