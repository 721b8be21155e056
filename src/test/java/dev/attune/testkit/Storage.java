package dev.attune.testkit;

import dev.attune.core.DType;
import java.nio.ByteBuffer;

/** Element types in memory, read and written as double. */
public enum Storage {
  F32(4),
  BF16(2),
  I32(4),
  U8(1),
  F64(8);

  private final int sizeBytes;

  Storage(int sizeBytes) {
    this.sizeBytes = sizeBytes;
  }

  public static Storage of(DType dtype) {
    return valueOf(dtype.name());
  }

  public int sizeBytes() {
    return sizeBytes;
  }

  /** The nearest value that can be stored. */
  public double round(double value) {
    return switch (this) {
      case F32 -> (float) value;
      case BF16 -> DType.fromBf16(DType.toBf16((float) value));
      case I32, U8 -> Math.rint(value);
      case F64 -> value;
    };
  }

  void put(ByteBuffer bytes, int index, double value) {
    int at = index * sizeBytes;
    switch (this) {
      case F32 -> bytes.putFloat(at, (float) value);
      case BF16 -> bytes.putShort(at, DType.toBf16((float) value));
      case I32 -> bytes.putInt(at, (int) value);
      case U8 -> bytes.put(at, (byte) value);
      case F64 -> bytes.putDouble(at, value);
    }
  }

  double get(ByteBuffer bytes, int index) {
    int at = index * sizeBytes;
    return switch (this) {
      case F32 -> bytes.getFloat(at);
      case BF16 -> DType.fromBf16(bytes.getShort(at));
      case I32 -> bytes.getInt(at);
      case U8 -> bytes.get(at) & 0xFF;
      case F64 -> bytes.getDouble(at);
    };
  }
}
