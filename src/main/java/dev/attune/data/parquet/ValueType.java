package dev.attune.data.parquet;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.UUID;

/**
 * What the values of a column are: how they are stored, and what that means.
 *
 * @param length of FIXED values in bytes
 * @param scale of decimals
 * @param unit of times: a second holds so many
 */
record ValueType(Physical physical, int length, Meaning meaning, int scale, long unit) {
  /** In the order of the format's numbers. */
  enum Physical {
    BOOLEAN,
    INT32,
    INT64,
    INT96,
    FLOAT,
    DOUBLE,
    BYTE_ARRAY,
    FIXED
  }

  /** What values are beyond their bits. */
  enum Meaning {
    PLAIN,
    TEXT,
    UNSIGNED,
    DECIMAL,
    DATE,
    TIME,
    TIMESTAMP,
    LOCAL_TIMESTAMP,
    UUID,
    HALF
  }

  private static final long JULIAN_EPOCH = 2_440_588;
  private static final long NANOS_OF_DAY = 86_400_000_000_000L;

  static ValueType of(Thrift.Struct element) {
    int number = element.small(1);
    if (number < 0 || number >= Physical.values().length) {
      throw new DamagedException("a type of number " + number);
    }
    Physical physical = Physical.values()[number];
    int length = element.small(2, 0);
    if (physical == Physical.FIXED && length < 1) {
      throw new DamagedException("values of " + length + " bytes");
    }
    Thrift.Struct logical = element.struct(10);
    Meaning meaning = logical(logical);
    if (meaning == null) {
      meaning = converted(element.small(6, -1));
    }
    return new ValueType(
        physical,
        length,
        meaning,
        logical.struct(5).small(1, element.small(7, 0)),
        unit(logical, element.small(6, -1)));
  }

  private static Meaning logical(Thrift.Struct logical) {
    if (logical.has(1) || logical.has(4) || logical.has(12)) {
      return Meaning.TEXT;
    }
    if (logical.has(5)) {
      return Meaning.DECIMAL;
    }
    if (logical.has(6)) {
      return Meaning.DATE;
    }
    if (logical.has(7)) {
      return Meaning.TIME;
    }
    if (logical.has(8)) {
      return logical.struct(8).flag(1, true) ? Meaning.TIMESTAMP : Meaning.LOCAL_TIMESTAMP;
    }
    if (logical.has(10)) {
      return logical.struct(10).flag(2, true) ? Meaning.PLAIN : Meaning.UNSIGNED;
    }
    if (logical.has(14)) {
      return Meaning.UUID;
    }
    return logical.has(15) ? Meaning.HALF : null;
  }

  private static Meaning converted(int type) {
    return switch (type) {
      case 0, 4, 19 -> Meaning.TEXT; // UTF8, ENUM, JSON
      case 5 -> Meaning.DECIMAL;
      case 6 -> Meaning.DATE;
      case 7, 8 -> Meaning.TIME;
      case 9, 10 -> Meaning.TIMESTAMP;
      case 11, 12, 13, 14 -> Meaning.UNSIGNED;
      default -> Meaning.PLAIN;
    };
  }

  private static long unit(Thrift.Struct logical, int converted) {
    Thrift.Struct unit = logical.struct(logical.has(7) ? 7 : 8).struct(2);
    if (unit.has(3)) {
      return 1_000_000_000;
    }
    boolean micros = unit.has(2) || converted == 8 || converted == 10;
    return micros ? 1_000_000 : 1_000;
  }

  /** A value as Java has it: whole numbers of 32 bits where they fit, texts, times as ISO texts. */
  Object value(Object stored) {
    return switch (physical) {
      case BOOLEAN, FLOAT, DOUBLE -> stored;
      case INT32 -> whole((Integer) stored, Integer.toUnsignedLong((Integer) stored));
      case INT64 -> whole((Long) stored, (Long) stored);
      case INT96 -> nanos((byte[]) stored);
      case BYTE_ARRAY, FIXED -> bytes((byte[]) stored);
    };
  }

  private Object whole(long value, long unsigned) {
    return switch (meaning) {
      case UNSIGNED ->
          unsigned < 0 ? new BigInteger(Long.toUnsignedString(unsigned)) : number(unsigned);
      case DECIMAL -> new BigDecimal(BigInteger.valueOf(value), scale);
      case DATE -> LocalDate.ofEpochDay(value).toString();
      case TIME ->
          LocalTime.ofNanoOfDay(Math.multiplyExact(value, 1_000_000_000 / unit)).toString();
      case TIMESTAMP, LOCAL_TIMESTAMP -> {
        Instant instant =
            Instant.ofEpochSecond(
                Math.floorDiv(value, unit), Math.floorMod(value, unit) * (1_000_000_000 / unit));
        yield meaning == Meaning.TIMESTAMP
            ? instant.toString()
            : instant.atOffset(ZoneOffset.UTC).toLocalDateTime().toString();
      }
      default -> number(value);
    };
  }

  private static Number number(long value) {
    if (value == (int) value) {
      return (int) value;
    }
    return value;
  }

  /** Impala's and Spark's old timestamps: nanoseconds of a day, and the Julian day. */
  private static Object nanos(byte[] stored) {
    ByteBuffer buffer = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN);
    long nanos = buffer.getLong();
    long day = buffer.getInt() - JULIAN_EPOCH;
    if (nanos < 0 || nanos >= NANOS_OF_DAY) {
      throw new DamagedException("a time beyond a day");
    }
    return LocalDate.ofEpochDay(day).atTime(LocalTime.ofNanoOfDay(nanos)).toString();
  }

  private Object bytes(byte[] stored) {
    return switch (meaning) {
      case TEXT -> text(stored);
      case DECIMAL -> new BigDecimal(new BigInteger(stored), scale);
      case UUID -> {
        ByteBuffer buffer = ByteBuffer.wrap(stored);
        yield new UUID(buffer.getLong(), buffer.getLong()).toString();
      }
      case HALF -> half((stored[0] & 0xFF) | stored[1] << 8);
      default -> new BinaryValue(stored);
    };
  }

  private static String text(byte[] stored) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(stored)).toString();
    } catch (CharacterCodingException e) {
      throw new DamagedException("a text that is not UTF-8");
    }
  }

  private static Float half(int bits) {
    int exponent = bits >> 10 & 31;
    float fraction = bits & 1023;
    float size =
        exponent == 0
            ? Math.scalb(fraction, -24)
            : exponent == 31
                ? fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN
                : Math.scalb(fraction + 1024, exponent - 25);
    return (bits & 0x8000) == 0 ? size : -size;
  }
}
