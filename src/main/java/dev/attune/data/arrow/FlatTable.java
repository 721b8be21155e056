package dev.attune.data.arrow;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A table of a FlatBuffer: fields by their number, of which any may be absent. What is out of the
 * buffer throws an IndexOutOfBoundsException.
 *
 * @param bytes the buffer, little-endian
 * @param at where the table is
 */
record FlatTable(ByteBuffer bytes, int at) {
  /** The table that a buffer is of. */
  static FlatTable root(ByteBuffer bytes) {
    return new FlatTable(bytes, bytes.getInt(0));
  }

  /** Where a field's value is; 0: it is absent. */
  private int place(int field) {
    int vtable = at - bytes.getInt(at);
    int slot = 4 + 2 * field;
    boolean isThere = slot + 2 <= Short.toUnsignedInt(bytes.getShort(vtable));
    int offset = isThere ? Short.toUnsignedInt(bytes.getShort(vtable + slot)) : 0;
    return offset == 0 ? 0 : at + offset;
  }

  int u8(int field) {
    int place = place(field);
    return place == 0 ? 0 : Byte.toUnsignedInt(bytes.get(place));
  }

  int i16(int field) {
    int place = place(field);
    return place == 0 ? 0 : bytes.getShort(place);
  }

  int i32(int field) {
    int place = place(field);
    return place == 0 ? 0 : bytes.getInt(place);
  }

  long i64(int field) {
    int place = place(field);
    return place == 0 ? 0 : bytes.getLong(place);
  }

  boolean has(int field) {
    return place(field) != 0;
  }

  /** Null where it is absent. */
  FlatTable table(int field) {
    int place = place(field);
    return place == 0 ? null : new FlatTable(bytes, place + bytes.getInt(place));
  }

  /** One that has to be there. */
  FlatTable required(int field) {
    FlatTable table = table(field);
    if (table == null) {
      throw new IllegalArgumentException("something that has to be there is not");
    }
    return table;
  }

  /** Empty where it is absent. */
  String text(int field) {
    int place = place(field);
    if (place == 0) {
      return "";
    }
    int begin = place + bytes.getInt(place);
    byte[] text = new byte[Math.min(bytes.getInt(begin), bytes.capacity())];
    bytes.get(begin + Integer.BYTES, text);
    return new String(text, StandardCharsets.UTF_8);
  }

  /** Elements of a vector. */
  int count(int field) {
    int place = place(field);
    int count = place == 0 ? 0 : bytes.getInt(place + bytes.getInt(place));
    if (count < 0 || count > bytes.capacity()) {
      throw new IndexOutOfBoundsException("a vector of " + count + " elements");
    }
    return count;
  }

  /** A table of a vector of tables. */
  FlatTable element(int field, int index) {
    int place = struct(field, index, Integer.BYTES);
    return new FlatTable(bytes, place + bytes.getInt(place));
  }

  /** Where a structure of a vector of such begins. */
  int struct(int field, int index, int sizeBytes) {
    int place = place(field);
    return Math.toIntExact(
        (long) place + bytes.getInt(place) + Integer.BYTES + (long) index * sizeBytes);
  }
}
