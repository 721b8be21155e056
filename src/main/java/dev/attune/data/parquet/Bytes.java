package dev.attune.data.parquet;

import java.util.Arrays;

/** Bytes that are read from front to back; reading beyond their end is damage. */
final class Bytes {
  private final byte[] array;
  private final int end;
  private int at;

  Bytes(byte[] array) {
    this(array, 0, array.length);
  }

  private Bytes(byte[] array, int at, int end) {
    this.array = array;
    this.at = at;
    this.end = end;
  }

  int left() {
    return end - at;
  }

  int position() {
    return at;
  }

  private void check(int count) {
    if (count < 0 || count > left()) {
      throw new DamagedException("a length beyond the end");
    }
  }

  int unsignedByte() {
    check(1);
    return array[at++] & 0xFF;
  }

  byte[] take(int count) {
    check(count);
    at += count;
    return Arrays.copyOfRange(array, at - count, at);
  }

  /** The next bytes, on their own. */
  Bytes part(int count) {
    check(count);
    at += count;
    return new Bytes(array, at - count, at);
  }

  long littleEndian(int count) {
    check(count);
    long value = 0;
    for (int i = 0; i < count; i++) {
      value |= (array[at++] & 0xFFL) << 8 * i;
    }
    return value;
  }

  long varint() {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      int b = unsignedByte();
      value |= (b & 0x7FL) << shift;
      if (b < 0x80) {
        return value;
      }
    }
    throw new DamagedException("a number without end");
  }

  /** A count or a length. */
  int varint32() {
    long value = varint();
    if (value < 0 || value > Integer.MAX_VALUE) {
      throw new DamagedException("a count of " + value);
    }
    return (int) value;
  }

  long zigzag() {
    long value = varint();
    return value >>> 1 ^ -(value & 1);
  }
}
