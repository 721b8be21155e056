package dev.attune.data.arrow;

import java.util.ArrayList;
import java.util.List;

/**
 * A column, or what the elements of one are.
 *
 * @param bits of a number, or of an index into a dictionary
 * @param unit of times: a second holds so many; else elements of a list of fixed length
 * @param dictionary its number; -1: values stand for themselves
 * @param of what values are whose indices this has; null without dictionary
 */
record Field(
    String name,
    Kind kind,
    int bits,
    boolean isSigned,
    long unit,
    List<Field> children,
    long dictionary,
    Field of) {
  /** Deeper is no data but an attack. */
  private static final int DEEPEST = 60;

  /** Of a schema: a few bytes that refer to each other could stand for any number. */
  private static final int MOST = 100_000;

  private static final long DAY_MILLIS = 86_400_000;

  /** What can be read. */
  enum Kind {
    NULL,
    INTEGER,
    FLOAT,
    BOOLEAN,
    TEXT,
    BINARY,
    LIST,
    FIXED_LIST,
    STRUCT,
    DAYS,
    DATE_MILLIS,
    TIMESTAMP,
    LOCAL_TIMESTAMP
  }

  /** In the order of the format's numbers. */
  private static final List<String> TYPES =
      List.of(
          "none",
          "null",
          "int",
          "float",
          "binary",
          "string",
          "bool",
          "decimal",
          "date",
          "time",
          "timestamp",
          "interval",
          "list",
          "struct",
          "union",
          "fixed_size_binary",
          "fixed_size_list",
          "map",
          "duration",
          "large_binary",
          "large_string",
          "large_list",
          "run_end_encoded",
          "binary_view",
          "string_view",
          "list_view",
          "large_list_view");

  /**
   * Reads a field of a schema.
   *
   * @param seen fields of the schema so far, which this counts on
   * @throws UnsupportedOperationException that names a type that is not read
   */
  static Field of(FlatTable field, int[] seen) {
    return of(field, seen, 0);
  }

  private static Field of(FlatTable field, int[] seen, int depth) {
    if (++seen[0] > MOST) {
      throw new IllegalArgumentException("a schema of more than " + MOST + " fields");
    }
    if (depth > DEEPEST) {
      throw new IllegalArgumentException("columns within columns without end");
    }
    List<Field> children = new ArrayList<>();
    for (int i = 0; i < field.count(5); i++) {
      children.add(of(field.element(5, i), seen, depth + 1));
    }
    Field plain = typed(field.text(0), field.u8(2), field.required(3), children);
    FlatTable dictionary = field.table(4);
    if (dictionary == null) {
      return plain;
    }
    FlatTable index = dictionary.table(1);
    int bits = index == null ? 32 : index.i32(0);
    boolean isSigned = index == null || index.u8(1) != 0;
    return new Field(
        plain.name, Kind.INTEGER, width(bits), isSigned, 0, List.of(), dictionary.i64(0), plain);
  }

  private static Field typed(String name, int type, FlatTable what, List<Field> children) {
    String known = type < TYPES.size() ? TYPES.get(type) : "number " + type;
    return switch (known) {
      case "null" -> plain(name, Kind.NULL, 0, children);
      case "int" ->
          new Field(name, Kind.INTEGER, width(what.i32(0)), what.u8(1) != 0, 0, children, -1, null);
      case "float" -> {
        if (what.i16(0) == 0) {
          throw unread(name, "half_float");
        }
        int precision = ofRange("a float's precision", what.i16(0), 2);
        yield plain(name, Kind.FLOAT, precision == 1 ? 32 : 64, children);
      }
      case "bool" -> plain(name, Kind.BOOLEAN, 1, children);
      case "string" -> plain(name, Kind.TEXT, 32, children);
      case "large_string" -> plain(name, Kind.TEXT, 64, children);
      case "binary" -> plain(name, Kind.BINARY, 32, children);
      case "large_binary" -> plain(name, Kind.BINARY, 64, children);
      case "list", "map" -> plain(name, Kind.LIST, 32, children);
      case "large_list" -> plain(name, Kind.LIST, 64, children);
      case "fixed_size_list" ->
          new Field(name, Kind.FIXED_LIST, 0, true, what.i32(0), children, -1, null);
      case "struct" -> plain(name, Kind.STRUCT, 0, children);
      // The unit is milliseconds where the field is absent, and the format's default is that.
      case "date" ->
          what.has(0) && ofRange("a date's unit", what.i16(0), 1) == 0
              ? plain(name, Kind.DAYS, 32, children)
              : new Field(name, Kind.DATE_MILLIS, 64, true, DAY_MILLIS, children, -1, null);
      case "timestamp" ->
          new Field(
              name,
              what.text(1).isEmpty() ? Kind.LOCAL_TIMESTAMP : Kind.TIMESTAMP,
              64,
              true,
              (long) Math.pow(1000, ofRange("a time's unit", what.i16(0), 3)),
              children,
              -1,
              null);
      default -> throw unread(name, known);
    };
  }

  private static Field plain(String name, Kind kind, int bits, List<Field> children) {
    return new Field(name, kind, bits, true, 0, children, -1, null);
  }

  private static int ofRange(String what, int value, int most) {
    if (value < 0 || value > most) {
      throw new IllegalArgumentException(what + " is " + value + ", of 0 to " + most);
    }
    return value;
  }

  private static int width(int bits) {
    if (bits != 8 && bits != 16 && bits != 32 && bits != 64) {
      throw new IllegalArgumentException("whole numbers of " + bits + " bits");
    }
    return bits;
  }

  private static UnsupportedOperationException unread(String name, String type) {
    return new UnsupportedOperationException(
        "\"" + name + "\" is of Arrow's type " + type + ", which is not read");
  }
}
