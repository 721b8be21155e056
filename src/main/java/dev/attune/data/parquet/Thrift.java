package dev.attune.data.parquet;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Structs in Thrift's compact protocol, in which Parquet writes all that is not values. They are
 * read without their definition, by the numbers of their fields.
 */
final class Thrift {
  private static final int MOST_NESTED = 64;

  /** The fields of one struct. */
  static final class Struct {
    private final Map<Integer, Object> fields = new HashMap<>();

    boolean has(int field) {
      return fields.containsKey(field);
    }

    long number(int field, long absent) {
      return fields.get(field) instanceof Long value ? value : absent;
    }

    int small(int field, int absent) {
      return Math.toIntExact(number(field, absent));
    }

    /** A number that must be there. */
    int small(int field) {
      if (!(fields.get(field) instanceof Long)) {
        throw new DamagedException("a number is missing");
      }
      return small(field, 0);
    }

    boolean flag(int field, boolean absent) {
      return fields.get(field) instanceof Boolean value ? value : absent;
    }

    String text(int field) {
      return fields.get(field) instanceof byte[] bytes
          ? new String(bytes, StandardCharsets.UTF_8)
          : null;
    }

    /** A struct; empty where it is absent. */
    Struct struct(int field) {
      return fields.get(field) instanceof Struct struct ? struct : new Struct();
    }

    List<Struct> structs(int field) {
      List<Struct> out = new ArrayList<>();
      if (fields.get(field) instanceof List<?> list) {
        for (Object item : list) {
          if (!(item instanceof Struct struct)) {
            throw new DamagedException("a list of the wrong kind");
          }
          out.add(struct);
        }
      }
      return out;
    }
  }

  private final Bytes in;

  Thrift(Bytes in) {
    this.in = in;
  }

  /** The next struct. */
  Struct struct() {
    return struct(0);
  }

  private Struct struct(int nested) {
    if (nested > MOST_NESTED) {
      throw new DamagedException("structs within structs without end");
    }
    Struct struct = new Struct();
    int id = 0;
    for (int head = in.unsignedByte(); head != 0; head = in.unsignedByte()) {
      int delta = head >> 4;
      id = delta == 0 ? (int) zigzag() : id + delta;
      struct.fields.put(id, value(head & 15, nested));
    }
    return struct;
  }

  private Object value(int type, int nested) {
    return switch (type) {
      case 1 -> true;
      case 2 -> false;
      case 3 -> (long) (byte) in.unsignedByte();
      case 4, 5, 6 -> zigzag();
      case 7 -> Double.longBitsToDouble(in.littleEndian(8));
      case 8 -> in.take(in.varint32());
      case 9, 10 -> list(nested);
      case 11 -> map(nested);
      case 12 -> struct(nested + 1);
      default -> throw new DamagedException("a value of no known type");
    };
  }

  private List<Object> list(int nested) {
    int head = in.unsignedByte();
    int size = head >> 4 == 15 ? in.varint32() : head >> 4;
    List<Object> out = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      out.add(item(head & 15, nested));
    }
    return out;
  }

  private Object map(int nested) {
    int size = in.varint32();
    int types = size == 0 ? 0 : in.unsignedByte();
    for (int i = 0; i < size; i++) {
      item(types >> 4, nested);
      item(types & 15, nested);
    }
    return Map.of(); // none of those that are read has one
  }

  /** In lists a truth value is a byte; as a field it is in the type. */
  private Object item(int type, int nested) {
    return type == 1 || type == 2 ? (Object) (in.unsignedByte() == 1) : value(type, nested);
  }

  private long zigzag() {
    return in.zigzag();
  }
}
