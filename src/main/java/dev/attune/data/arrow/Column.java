package dev.attune.data.arrow;

import dev.attune.data.parquet.BinaryValue;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The values of a field in one batch. */
final class Column {
  private final Field field;
  private final int length;
  private final ByteBuffer validity; // a bit a value; null: all are there
  private final ByteBuffer offsets; // of texts and lists; else null
  private final ByteBuffer data; // null of lists, structures and nothing
  private final List<Column> children;
  private final Column dictionary; // null: values stand for themselves

  private Column(
      Field field,
      int length,
      ByteBuffer validity,
      ByteBuffer offsets,
      ByteBuffer data,
      List<Column> children,
      Column dictionary) {
    this.field = field;
    this.length = length;
    this.validity = validity;
    this.offsets = offsets;
    this.data = data;
    this.children = children;
    this.dictionary = dictionary;
  }

  /** Hands out the parts of a record batch, in the order in which its columns have them. */
  static final class Parts {
    private final FlatTable batch;
    private final ByteBuffer body;
    private final Map<Long, Column> dictionaries;
    private int node;
    private int buffer;

    /**
     * @param body little-endian
     * @param dictionaries by their number
     */
    Parts(FlatTable batch, ByteBuffer body, Map<Long, Column> dictionaries) {
      this.batch = batch;
      this.body = body;
      this.dictionaries = dictionaries;
    }

    /** The next column. */
    Column next(Field field) {
      if (node >= batch.count(1)) {
        throw new IllegalArgumentException("a batch lacks columns");
      }
      int at = batch.struct(1, node++, 16);
      int length = Math.toIntExact(batch.bytes().getLong(at));
      if (length < 0) {
        throw new IllegalArgumentException("a column of " + length + " values");
      }
      long nulls = batch.bytes().getLong(at + 8);
      Field.Kind kind = field.kind();
      if (kind == Field.Kind.NULL) {
        return new Column(field, length, null, null, null, List.of(), null);
      }
      ByteBuffer bits = take();
      ByteBuffer validity = nulls == 0 ? null : bits;
      checkHolds(validity, length);
      boolean isBytes = kind == Field.Kind.TEXT || kind == Field.Kind.BINARY;
      ByteBuffer offsets = isBytes || kind == Field.Kind.LIST ? take() : null;
      checkHolds(offsets, length == 0 ? 0 : (length + 1L) * field.bits());
      boolean isNested =
          kind == Field.Kind.LIST || kind == Field.Kind.FIXED_LIST || kind == Field.Kind.STRUCT;
      ByteBuffer data = isNested ? null : take();
      checkHolds(data, isBytes ? 0 : (long) length * field.bits());
      List<Column> children = new ArrayList<>();
      for (Field child : field.children()) {
        children.add(next(child));
      }
      if ((kind == Field.Kind.LIST || kind == Field.Kind.FIXED_LIST) && children.size() != 1) {
        throw new IllegalArgumentException("a list of " + children.size() + " kinds of values");
      }
      Column dictionary = null;
      if (field.dictionary() >= 0) {
        dictionary = dictionaries.get(field.dictionary());
        if (dictionary == null) {
          throw new IllegalArgumentException("there is no dictionary " + field.dictionary());
        }
      }
      return new Column(field, length, validity, offsets, data, children, dictionary);
    }

    /** So that an index within the column is one within its values. */
    private static void checkHolds(ByteBuffer values, long bits) {
      if (values != null && (bits + 7) / 8 > values.capacity()) {
        throw new IllegalArgumentException(
            "a column of " + bits + " bits in " + values.capacity() + " bytes");
      }
    }

    private ByteBuffer take() {
      if (buffer >= batch.count(2)) {
        throw new IllegalArgumentException("a batch lacks values");
      }
      int at = batch.struct(2, buffer++, 16);
      int from = Math.toIntExact(batch.bytes().getLong(at));
      int size = Math.toIntExact(batch.bytes().getLong(at + 8));
      return body.slice(from, size).order(body.order());
    }
  }

  int length() {
    return length;
  }

  /** A value as JSON and Parquet have it; null where there is none. */
  Object get(int index) {
    if (index < 0 || index >= length) {
      throw new IndexOutOfBoundsException("value " + index + " of " + length);
    }
    if (field.kind() == Field.Kind.NULL
        || validity != null && (validity.get(index >> 3) >> (index & 7) & 1) == 0) {
      return null;
    }
    if (dictionary != null) {
      return dictionary.get(Math.toIntExact(whole(index)));
    }
    return switch (field.kind()) {
      case NULL -> null;
      case INTEGER -> number(index);
      case FLOAT ->
          field.bits() == 32
              ? (Object) data.getFloat(index * Float.BYTES)
              : (Object) data.getDouble(index * Double.BYTES);
      case BOOLEAN -> (data.get(index >> 3) >> (index & 7) & 1) == 1;
      case TEXT -> text(bytes(index));
      case BINARY -> new BinaryValue(bytes(index));
      case LIST -> list(offset(index), offset(index + 1));
      case FIXED_LIST -> {
        int size = Math.toIntExact(field.unit());
        yield list(Math.multiplyExact(index, size), Math.multiplyExact(index + 1, size));
      }
      case STRUCT -> {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (Column child : children) {
          fields.put(child.field.name(), child.get(index));
        }
        yield fields;
      }
      case DAYS -> LocalDate.ofEpochDay(data.getInt(index * Integer.BYTES)).toString();
      case DATE_MILLIS ->
          LocalDate.ofEpochDay(Math.floorDiv(whole(index), field.unit())).toString();
      case TIMESTAMP -> instant(index).toString();
      case LOCAL_TIMESTAMP -> instant(index).atOffset(ZoneOffset.UTC).toLocalDateTime().toString();
    };
  }

  private long whole(int index) {
    return switch (field.bits()) {
      case 8 -> field.isSigned() ? data.get(index) : Byte.toUnsignedLong(data.get(index));
      case 16 -> {
        short value = data.getShort(index * Short.BYTES);
        yield field.isSigned() ? value : Short.toUnsignedLong(value);
      }
      case 32 -> {
        int value = data.getInt(index * Integer.BYTES);
        yield field.isSigned() ? value : Integer.toUnsignedLong(value);
      }
      default -> data.getLong(index * Long.BYTES);
    };
  }

  /** Of 32 bits where it fits. */
  private Number number(int index) {
    long value = whole(index);
    if (value < 0 && !field.isSigned()) {
      return new BigInteger(Long.toUnsignedString(value));
    }
    if (value == (int) value) {
      return (int) value;
    }
    return value;
  }

  private Instant instant(int index) {
    long value = whole(index);
    long unit = field.unit();
    return Instant.ofEpochSecond(
        Math.floorDiv(value, unit), Math.floorMod(value, unit) * (1_000_000_000 / unit));
  }

  private int offset(int index) {
    return field.bits() == 64
        ? Math.toIntExact(offsets.getLong(index * Long.BYTES))
        : offsets.getInt(index * Integer.BYTES);
  }

  private byte[] bytes(int index) {
    int from = offset(index);
    int size = Math.subtractExact(offset(index + 1), from);
    if (size < 0 || size > data.capacity()) {
      throw new IndexOutOfBoundsException("a value of " + size + " bytes");
    }
    byte[] bytes = new byte[size];
    data.get(from, bytes);
    return bytes;
  }

  private List<Object> list(int from, int to) {
    Column child = children.get(0);
    if (from < 0 || to < from || to > child.length) {
      throw new IndexOutOfBoundsException("values " + from + " to " + to + " of " + child.length);
    }
    if (child.field.kind() == Field.Kind.NULL) {
      return Collections.nCopies(to - from, null); // no bytes say how many there can be
    }
    List<Object> list = new ArrayList<>(to - from);
    for (int i = from; i < to; i++) {
      list.add(child.get(i));
    }
    return list;
  }

  private static String text(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("a text that is not UTF-8", e);
    }
  }
}
