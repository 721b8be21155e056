package dev.attune.weights;

import dev.attune.core.InputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A cursor over one message of the protobuf wire format (protobuf.dev, Encoding). Every step is
 * checked against the message's end.
 */
final class ProtobufMessage {
  // Against files that are small on disk and huge in memory.
  private static final int MAX_DIMS = 64;

  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private final Path origin; // the name used in messages
  private final ByteBuffer in;
  private int field;
  private int wireType;

  ProtobufMessage(ByteBuffer in, Path origin) {
    this.origin = origin;
    this.in = in.order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Moves to the next field; false at the end of the message. */
  boolean next() {
    if (!in.hasRemaining()) {
      return false;
    }
    long tag = rawVarint();
    wireType = (int) (tag & 7);
    field = (int) (tag >>> 3);
    if (tag >>> 32 != 0 || field == 0) {
      throw broken("an impossible field number");
    }
    return true;
  }

  /** The number of the field that {@link #next} moved to. */
  int field() {
    return field;
  }

  long varint() {
    require(VARINT);
    return rawVarint();
  }

  ByteBuffer bytes() {
    require(BYTES);
    long length = rawVarint();
    if (length < 0 || length > in.remaining()) {
      throw broken("a length of " + Long.toUnsignedString(length));
    }
    ByteBuffer out = in.slice(in.position(), (int) length);
    in.position(in.position() + (int) length);
    return out;
  }

  ProtobufMessage message() {
    return new ProtobufMessage(bytes(), origin);
  }

  String string() {
    try {
      return Messages.utf8(bytes());
    } catch (CharacterCodingException e) {
      throw broken("a name that is not UTF-8");
    }
  }

  /** Repeated integers, packed or one by one. */
  void varints(Longs out) {
    boolean fits;
    if (wireType == VARINT) {
      fits = out.add(rawVarint());
    } else {
      ProtobufMessage packed = message();
      fits = true;
      while (fits && packed.in.hasRemaining()) {
        fits = out.add(packed.rawVarint());
      }
    }
    if (!fits) {
      throw broken("a tensor of more than " + MAX_DIMS + " dimensions");
    }
  }

  /** Repeated floats, packed or one by one. */
  void floats(Floats out) {
    if (wireType == FIXED32) {
      out.add(take(4));
      return;
    }
    ByteBuffer packed = bytes();
    if (packed.remaining() % 4 != 0) {
      throw broken("packed floats of " + packed.remaining() + " bytes");
    }
    out.add(packed);
  }

  void skip() {
    switch (wireType) {
      case VARINT -> rawVarint();
      case FIXED64 -> take(8);
      case BYTES -> bytes();
      case FIXED32 -> take(4);
      default -> throw broken("wire type " + wireType);
    }
  }

  private void require(int expected) {
    if (wireType != expected) {
      throw broken("wire type " + wireType + " for field " + field);
    }
  }

  private ByteBuffer take(int length) {
    if (in.remaining() < length) {
      throw broken("a field cut short");
    }
    ByteBuffer out = in.slice(in.position(), length);
    in.position(in.position() + length);
    return out;
  }

  private long rawVarint() {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (!in.hasRemaining()) {
        throw broken("a number cut short");
      }
      byte b = in.get();
      value |= (b & 0x7FL) << shift;
      if (b >= 0) {
        return value;
      }
    }
    throw broken("a number of more than 64 bits");
  }

  private InputException broken(String what) {
    return Messages.bad(
        origin, "not an ONNX model, or damaged: %s before byte %d", what, in.position());
  }

  /** A short list of integers. */
  static final class Longs {
    private long[] values = new long[4];
    private int count;

    boolean add(long value) {
      if (count == MAX_DIMS) {
        return false;
      }
      if (count == values.length) {
        values = Arrays.copyOf(values, 2 * count);
      }
      values[count++] = value;
      return true;
    }

    long[] toArray() {
      return Arrays.copyOf(values, count);
    }
  }

  /** A growing list of little-endian floats. */
  static final class Floats {
    private ByteBuffer bytes = ByteBuffer.allocate(0);

    /** Appends whole floats; the total is bounded by the size of the file. */
    void add(ByteBuffer more) {
      if (bytes.remaining() < more.remaining()) {
        int grown = (int) Math.min(Integer.MAX_VALUE - 8, 2L * (bytes.position() + more.limit()));
        bytes = ByteBuffer.allocate(Math.max(grown, 64)).put(bytes.flip());
      }
      bytes.put(more);
    }

    ByteBuffer toBytes() {
      return bytes.flip();
    }
  }
}
