package dev.attune.data.parquet;

import dev.attune.data.parquet.ValueType.Physical;
import java.util.Arrays;

/** The encodings of values and levels within pages. */
final class Encodings {
  static final int PLAIN = 0;
  static final int PLAIN_DICTIONARY = 2;
  static final int RLE = 3;
  static final int DELTA_BINARY_PACKED = 5;
  static final int DELTA_LENGTH_BYTE_ARRAY = 6;
  static final int DELTA_BYTE_ARRAY = 7;
  static final int RLE_DICTIONARY = 8;
  static final int BYTE_STREAM_SPLIT = 9;

  private Encodings() {}

  /** Values as they are stored: Boolean, Integer, Long, Float, Double or byte[]. */
  static Object[] values(Bytes in, int encoding, ValueType type, int count, Object[] dictionary) {
    return switch (encoding) {
      case PLAIN -> plain(in, type, count);
      case PLAIN_DICTIONARY, RLE_DICTIONARY -> indexed(in, count, dictionary);
      case RLE -> flags(in, type, count);
      case DELTA_BINARY_PACKED -> deltas(in, type, count);
      case DELTA_LENGTH_BYTE_ARRAY -> byLength(in, type, count);
      case DELTA_BYTE_ARRAY -> byPrefix(in, type, count);
      case BYTE_STREAM_SPLIT -> split(in, type, count);
      default -> throw new DamagedException("an encoding of number " + encoding);
    };
  }

  static Object[] plain(Bytes in, ValueType type, int count) {
    Object[] out = allocate(in, type, count);
    int bits = 0;
    for (int i = 0; i < count; i++) {
      if (type.physical() == Physical.BOOLEAN) {
        bits = i % 8 == 0 ? in.unsignedByte() : bits >> 1;
        out[i] = (bits & 1) == 1;
      } else {
        out[i] = one(in, type);
      }
    }
    return out;
  }

  /** Room for values, of which the page must hold at least a bit each. */
  private static Object[] allocate(Bytes in, ValueType type, int count) {
    long bits = 8L * in.left();
    int least = type.physical() == Physical.BOOLEAN ? 1 : 8;
    if (count < 0 || count * (long) least > bits) {
      throw new DamagedException("more values than a page can hold");
    }
    return new Object[count];
  }

  private static Object one(Bytes in, ValueType type) {
    return switch (type.physical()) {
      case BOOLEAN -> in.unsignedByte() == 1;
      case INT32 -> (int) in.littleEndian(4);
      case INT64 -> in.littleEndian(8);
      case INT96 -> in.take(12);
      case FLOAT -> Float.intBitsToFloat((int) in.littleEndian(4));
      case DOUBLE -> Double.longBitsToDouble(in.littleEndian(8));
      case BYTE_ARRAY -> in.take((int) in.littleEndian(4));
      case FIXED -> in.take(type.length());
    };
  }

  private static Object[] indexed(Bytes in, int count, Object[] dictionary) {
    if (dictionary == null) {
      throw new DamagedException("a dictionary is missing");
    }
    Object[] out = new Object[count];
    if (count == 0) {
      return out;
    }
    int[] indices = hybrid(in, in.unsignedByte(), count);
    for (int i = 0; i < count; i++) {
      if (indices[i] < 0 || indices[i] >= dictionary.length) {
        throw new DamagedException("a value beyond its dictionary");
      }
      out[i] = dictionary[indices[i]];
    }
    return out;
  }

  private static Object[] flags(Bytes in, ValueType type, int count) {
    require(type, Physical.BOOLEAN);
    int[] bits = hybrid(in.part((int) in.littleEndian(4)), 1, count);
    Object[] out = new Object[count];
    Arrays.setAll(out, i -> bits[i] == 1);
    return out;
  }

  /** Runs of one number and groups of eight packed ones, in turn. */
  static int[] hybrid(Bytes in, int width, int count) {
    if (width > 32) {
      throw new DamagedException("numbers of " + width + " bits");
    }
    int[] out = new int[count];
    int at = 0;
    while (at < count) {
      int head = in.varint32();
      int length = head >>> 1;
      if ((head & 1) == 0) {
        int value = (int) in.littleEndian((width + 7) / 8);
        int stop = (int) Math.min(count, at + (long) length);
        if (length == 0) {
          throw new DamagedException("a run of no values");
        }
        Arrays.fill(out, at, stop, value);
        at = stop;
      } else {
        long values = 8L * length;
        int taken = (int) Math.min(values, count - at);
        // The last group may be cut off where the page ends.
        Bytes packed = in.part((int) Math.min((long) length * width, in.left()));
        long buffer = 0;
        int bits = 0;
        for (int i = 0; i < taken; i++) {
          while (bits < width) {
            buffer |= (long) packed.unsignedByte() << bits;
            bits += 8;
          }
          out[at++] = (int) (buffer & (1L << width) - 1);
          buffer >>>= width;
          bits -= width;
        }
        if (length == 0) {
          throw new DamagedException("a group of no values");
        }
      }
    }
    return out;
  }

  private static Object[] deltas(Bytes in, ValueType type, int count) {
    long[] numbers = deltas(in, count);
    Object[] out = new Object[count];
    if (type.physical() == Physical.INT32) {
      Arrays.setAll(out, i -> (int) numbers[i]);
    } else {
      require(type, Physical.INT64);
      Arrays.setAll(out, i -> numbers[i]);
    }
    return out;
  }

  /** Blocks of differences, each less the least of its block, packed in miniblocks. */
  private static long[] deltas(Bytes in, int count) {
    int block = in.varint32();
    int miniblocks = in.varint32();
    int total = in.varint32();
    long value = in.zigzag();
    if (total != count
        || miniblocks == 0
        || block % miniblocks != 0
        || block / miniblocks % 32 != 0) {
      throw new DamagedException("differences that do not fit their page");
    }
    long[] out = new long[count];
    int at = 0;
    if (count > 0) {
      out[at++] = value;
    }
    while (at < count) {
      long least = in.zigzag();
      byte[] widths = in.take(miniblocks);
      for (int m = 0; m < miniblocks && at < count; m++) {
        int width = widths[m] & 0xFF;
        if (width > 64) {
          throw new DamagedException("numbers of " + width + " bits");
        }
        int size = block / miniblocks;
        Bytes packed = in.part(Math.multiplyExact(size / 8, width));
        BitReader bits = new BitReader(packed);
        for (int i = 0; i < size && at < count; i++) {
          value += least + bits.take(width);
          out[at++] = value;
        }
      }
    }
    return out;
  }

  /** Numbers of up to 64 bits, the lowest bits first. */
  private static final class BitReader {
    private final Bytes in;
    private int current;
    private int left;

    BitReader(Bytes in) {
      this.in = in;
    }

    long take(int width) {
      long value = 0;
      int got = 0;
      while (got < width) {
        if (left == 0) {
          current = in.unsignedByte();
          left = 8;
        }
        int taken = Math.min(left, width - got);
        value |= (long) (current & (1 << taken) - 1) << got;
        current >>= taken;
        left -= taken;
        got += taken;
      }
      return value;
    }
  }

  private static Object[] byLength(Bytes in, ValueType type, int count) {
    require(type, Physical.BYTE_ARRAY);
    long[] lengths = deltas(in, count);
    Object[] out = new Object[count];
    for (int i = 0; i < count; i++) {
      out[i] = in.take(Math.toIntExact(lengths[i]));
    }
    return out;
  }

  private static Object[] byPrefix(Bytes in, ValueType type, int count) {
    if (type.physical() != Physical.FIXED) {
      require(type, Physical.BYTE_ARRAY);
    }
    long[] prefixes = deltas(in, count);
    long[] lengths = deltas(in, count);
    Object[] out = new Object[count];
    byte[] before = new byte[0];
    for (int i = 0; i < count; i++) {
      int prefix = Math.toIntExact(prefixes[i]);
      int length = Math.toIntExact(lengths[i]);
      if (prefix < 0 || prefix > before.length) {
        throw new DamagedException("a beginning longer than the value before");
      }
      byte[] rest = in.take(length);
      byte[] whole = Arrays.copyOf(before, prefix + length);
      System.arraycopy(rest, 0, whole, prefix, length);
      out[i] = before = whole;
    }
    return out;
  }

  /** The first bytes of all values, then the second ones, and so on. */
  private static Object[] split(Bytes in, ValueType type, int count) {
    int width =
        switch (type.physical()) {
          case INT32, FLOAT -> 4;
          case INT64, DOUBLE -> 8;
          case FIXED -> type.length();
          default -> throw new DamagedException("split values of no fixed size");
        };
    byte[] bytes = in.take(Math.multiplyExact(width, count));
    byte[] whole = new byte[bytes.length];
    for (int i = 0; i < count; i++) {
      for (int b = 0; b < width; b++) {
        whole[i * width + b] = bytes[b * count + i];
      }
    }
    return plain(new Bytes(whole), type, count);
  }

  private static void require(ValueType type, Physical wanted) {
    if (type.physical() != wanted) {
      throw new DamagedException("an encoding for other values");
    }
  }
}
