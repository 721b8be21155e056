package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.Chunk;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import java.util.HashMap;
import java.util.Map;

/** The element types of safetensors files, and how those we can use become f32 or integers. */
enum ElementType {
  BOOL(8),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  U8(8),
  I8(8),
  F8_E5M2(8),
  F8_E4M3(8),
  F8_E8M0(8),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8),
  I16(16),
  U16(16),
  F16(16),
  BF16(16),
  I32(32),
  U32(32),
  F32(32),
  C64(64),
  F64(64),
  I64(64),
  U64(64);

  private static final Map<String, ElementType> BY_NAME = new HashMap<>();
  private static final int CHUNK = 4096;

  static {
    for (ElementType type : values()) {
      BY_NAME.put(type.name(), type);
    }
  }

  private final int bits;

  ElementType(int bits) {
    this.bits = bits;
  }

  int bits() {
    return bits;
  }

  /** Whole bytes of an element; only asked of types that are read, none of which is packed. */
  int bytes() {
    return bits / 8;
  }

  /** The type of that name, or null. */
  static ElementType of(String name) {
    return BY_NAME.get(name);
  }

  boolean isFloat() {
    return this == F32 || this == F16 || this == BF16 || this == F64;
  }

  boolean isInteger() {
    return switch (this) {
      case BOOL, U8, I8, I16, U16, I32, U32, I64 -> true;
      default -> false;
    };
  }

  /** Widens {@code out.remaining()} little-endian elements of {@code in} to f32. */
  void toFloats(ByteBuffer in, FloatBuffer out, String name) {
    ByteBuffer source = in.slice().order(ByteOrder.LITTLE_ENDIAN);
    switch (this) {
      case F32 -> {
        FloatBuffer floats = source.asFloatBuffer();
        out.put(floats.limit(out.remaining()));
      }
      case BF16, F16 -> halvesToFloats(source.asShortBuffer(), out);
      case F64 -> doublesToFloats(source.asDoubleBuffer(), out, name);
      default -> throw new IllegalStateException(this + " is not a float type");
    }
  }

  // Through int[]: C2 vectorises shifts of ints but not Float.intBitsToFloat.
  private void halvesToFloats(ShortBuffer in, FloatBuffer out) {
    short[] halves = new short[CHUNK];
    int[] words = new int[CHUNK];
    int[] table = this == F16 ? F16Table.WORDS : null;
    try (Chunk lent = Chunk.borrow()) {
      ByteBuffer staging = lent.bytes().order(ByteOrder.nativeOrder());
      IntBuffer ints = staging.asIntBuffer();
      FloatBuffer floats = staging.asFloatBuffer();
      while (out.hasRemaining()) {
        int count = Math.min(CHUNK, out.remaining());
        in.get(halves, 0, count);
        if (table == null) {
          for (int i = 0; i < count; i++) {
            words[i] = halves[i] << 16;
          }
        } else {
          for (int i = 0; i < count; i++) {
            words[i] = table[halves[i] & 0xFFFF];
          }
        }
        ints.clear().put(words, 0, count);
        out.put(floats.clear().limit(count));
      }
    }
  }

  private static void doublesToFloats(DoubleBuffer in, FloatBuffer out, String name) {
    double[] doubles = new double[CHUNK];
    float[] floats = new float[CHUNK];
    while (out.hasRemaining()) {
      int count = Math.min(CHUNK, out.remaining());
      in.get(doubles, 0, count);
      for (int i = 0; i < count; i++) {
        floats[i] = (float) doubles[i];
        if (Float.isInfinite(floats[i]) && !Double.isInfinite(doubles[i])) {
          throw new InputException(
              String.format(
                  "tensor %s holds the F64 value %s, beyond the f32 range of ±3.4e38",
                  Messages.shown(name), doubles[i]));
        }
      }
      out.put(floats, 0, count);
    }
  }

  /** Element {@code index} of {@code in} as a long. */
  long toLong(ByteBuffer in, int index) {
    return switch (this) {
      case BOOL, U8 -> in.get(index) & 0xFF;
      case I8 -> in.get(index);
      case I16 -> in.getShort(2 * index);
      case U16 -> in.getShort(2 * index) & 0xFFFF;
      case I32 -> in.getInt(4 * index);
      case U32 -> in.getInt(4 * index) & 0xFFFFFFFFL;
      case I64 -> in.getLong(8 * index);
      default -> throw new IllegalStateException(this + " is not an integer type");
    };
  }

  /** Narrows all of {@code in} to this type, F32, BF16 or F16, as little-endian bytes. */
  void fromFloats(FloatBuffer in, ByteBuffer out, String name) {
    Check.argument(out.order() == ByteOrder.LITTLE_ENDIAN, "buffer must be little-endian");
    int count = in.remaining();
    switch (this) {
      case F32 -> {
        out.asFloatBuffer().put(in);
        out.position(out.position() + 4 * count);
      }
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          float value = in.get();
          short half = DType.toBf16(value);
          refuseOverflow(value, (half & 0x7FFF) == 0x7F80, name);
          out.putShort(half);
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          float value = in.get();
          short half = toF16(value);
          refuseOverflow(value, (half & 0x7FFF) == 0x7C00, name);
          out.putShort(half);
        }
      }
      default -> throw new IllegalStateException("cannot write " + this);
    }
  }

  private void refuseOverflow(float value, boolean becameInfinite, String name) {
    if (becameInfinite && !Float.isInfinite(value)) {
      throw new InputException(
          String.format(
              "tensor %s holds %s, which %s cannot hold (largest %s); write it as F32",
              Messages.shown(name), value, this, this == F16 ? "65504" : "3.39e38"));
    }
  }

  /** Rounds to the nearest IEEE half, ties to even; NaN stays NaN. */
  static short toF16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 16 & 0x8000;
    int magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
      return (short) (sign | 0x7E00 | (magnitude >>> 13 & 0x3FF));
    }
    if (magnitude >= 0x38800000) { // 2^-14, the smallest normal half
      int rounded = magnitude + 0xFFF + (magnitude >>> 13 & 1);
      return (short) (sign | Math.min((rounded - 0x38000000) >>> 13, 0x7C00));
    }
    // Subnormal: adding 0.5 leaves the rounded half in the low mantissa bits.
    float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
    return (short) (sign | (Float.floatToRawIntBits(shifted) - 0x3F000000));
  }

  /** All 65536 halves as f32 bits: 256 KiB, made at first use. */
  private static final class F16Table {
    static final int[] WORDS = new int[1 << 16];

    static {
      for (int half = 0; half < WORDS.length; half++) {
        int exponent = half >>> 10 & 31;
        int mantissa = half & 0x3FF;
        int magnitude =
            exponent == 31
                ? 0x7F800000 | mantissa << 13
                : exponent == 0
                    ? Float.floatToRawIntBits(mantissa * 0x1p-24f)
                    : (exponent + 112) << 23 | mantissa << 13;
        WORDS[half] = (half & 0x8000) << 16 | magnitude;
      }
    }
  }
}
