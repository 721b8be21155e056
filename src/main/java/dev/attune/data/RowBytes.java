package dev.attune.data;

import dev.attune.data.parquet.BinaryValue;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Values of rows as bytes, and back: what JSON and Parquet can hold. */
final class RowBytes {
  private static final int MOST = Integer.MAX_VALUE - 8;

  private static final int NULL = 0;
  private static final int STRING = 1;
  private static final int INTEGER = 2;
  private static final int LONG = 3;
  private static final int DOUBLE = 4;
  private static final int FLOAT = 5;
  private static final int TRUE = 6;
  private static final int FALSE = 7;
  private static final int LIST = 8;
  private static final int MAP = 9;
  private static final int BIG_INTEGER = 10;
  private static final int BIG_DECIMAL = 11;
  private static final int LITERAL = 12;
  private static final int BINARY = 13;

  /** From here on tags are the writer's own. */
  static final int OWN_TAGS = 32;

  private byte[] bytes = new byte[1 << 12];
  private int count;

  byte[] bytes() {
    return bytes;
  }

  int count() {
    return count;
  }

  void clear() {
    count = 0;
    if (bytes.length > 1 << 20) {
      bytes = new byte[1 << 12]; // one huge row is not kept
    }
  }

  private void ensure(int more) {
    long needed = (long) count + more;
    if (needed > bytes.length) {
      bytes = Arrays.copyOf(bytes, (int) Math.min(MOST, Math.max(needed, 2L * bytes.length)));
    }
  }

  /** A number, in as few bytes as its size needs where it is not negative. */
  RowBytes put(int value) {
    ensure(5);
    int rest = value;
    while ((rest & ~0x7F) != 0) {
      bytes[count++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    bytes[count++] = (byte) rest;
    return this;
  }

  private void putLong(long value) {
    ensure(Long.BYTES);
    ByteBuffer.wrap(bytes, count, Long.BYTES).putLong(value);
    count += Long.BYTES;
  }

  private RowBytes put(byte[] value) {
    put(value.length);
    ensure(value.length);
    System.arraycopy(value, 0, bytes, count, value.length);
    count += value.length;
    return this;
  }

  /** A text, which has no half characters. */
  RowBytes put(String text) {
    return put(text.getBytes(StandardCharsets.UTF_8));
  }

  RowBytes put(List<String> texts) {
    put(texts.size());
    texts.forEach(this::put);
    return this;
  }

  /** Any value of a field. */
  void putValue(Object value) {
    if (value == null) {
      put(NULL);
    } else if (value instanceof String text) {
      put(STRING).put(text);
    } else if (value instanceof Integer number) {
      put(INTEGER).put(number.intValue());
    } else if (value instanceof Long number) {
      put(LONG).putLong(number);
    } else if (value instanceof Double number) {
      put(DOUBLE).putLong(Double.doubleToRawLongBits(number));
    } else if (value instanceof Float number) {
      put(FLOAT).put(Float.floatToRawIntBits(number));
    } else if (value instanceof Boolean flag) {
      put(flag ? TRUE : FALSE);
    } else if (value instanceof List<?> list) {
      put(LIST).put(list.size());
      list.forEach(this::putValue);
    } else if (value instanceof Map<?, ?> map) {
      put(MAP);
      putMap(map);
    } else if (value instanceof BigInteger number) {
      put(BIG_INTEGER).put(number.toByteArray());
    } else if (value instanceof BigDecimal number) {
      put(BIG_DECIMAL).put(number.unscaledValue().toByteArray()).put(number.scale());
    } else if (value instanceof JsonNumber number) {
      put(LITERAL).put(number.literal());
    } else if (value instanceof BinaryValue binary) {
      put(BINARY).put(binary.bytes());
    } else {
      throw new IllegalStateException("a field of " + value.getClass());
    }
  }

  void putMap(Map<?, ?> map) {
    put(map.size());
    map.forEach(
        (name, value) -> {
          put((String) name);
          putValue(value);
        });
  }

  static int number(ByteBuffer in) {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      int next = in.get();
      value |= (next & 0x7F) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  private static byte[] array(ByteBuffer in) {
    byte[] out = new byte[number(in)];
    in.get(out);
    return out;
  }

  static String text(ByteBuffer in) {
    return new String(array(in), StandardCharsets.UTF_8);
  }

  static List<String> texts(ByteBuffer in) {
    int size = number(in);
    List<String> out = new ArrayList<>(size);
    for (int i = 0; i < size; i++) {
      out.add(text(in));
    }
    return out;
  }

  static Object value(ByteBuffer in) {
    return value(number(in), in);
  }

  /** The value behind its tag. */
  static Object value(int tag, ByteBuffer in) {
    return switch (tag) {
      case NULL -> null;
      case STRING -> text(in);
      case INTEGER -> number(in);
      case LONG -> in.getLong();
      case DOUBLE -> Double.longBitsToDouble(in.getLong());
      case FLOAT -> Float.intBitsToFloat(number(in));
      case TRUE -> true;
      case FALSE -> false;
      case LIST -> {
        int size = number(in);
        List<Object> out = new ArrayList<>(size);
        for (int i = 0; i < size; i++) {
          out.add(value(in));
        }
        yield out;
      }
      case MAP -> map(in);
      case BIG_INTEGER -> new BigInteger(array(in));
      case BIG_DECIMAL -> {
        BigInteger unscaled = new BigInteger(array(in));
        yield new BigDecimal(unscaled, number(in));
      }
      case LITERAL -> JsonNumber.ofLiteral(text(in));
      case BINARY -> new BinaryValue(array(in));
      default -> throw new IllegalStateException("a value with tag " + tag);
    };
  }

  static Map<String, Object> map(ByteBuffer in) {
    int size = number(in);
    Map<String, Object> out = new LinkedHashMap<>(2 * size);
    for (int i = 0; i < size; i++) {
      String name = text(in);
      out.put(name, value(in));
    }
    return out;
  }
}
