package dev.attune.data;

import com.fasterxml.jackson.annotation.JsonRawValue;
import com.fasterxml.jackson.annotation.JsonValue;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A number of JSON that Java would write otherwise, such as 0.1000, 1e400 or -0: it is written as
 * it stood, and else counts as the double that it is.
 */
public final class JsonNumber extends Number {
  private static final long serialVersionUID = 1;

  private final String literal;

  private JsonNumber(String literal) {
    this.literal = literal;
  }

  /** The value itself where Java writes it as it stood. */
  static Number of(Number value, String literal) {
    return value.toString().equals(literal) ? value : new JsonNumber(literal);
  }

  /** The number that a literal is, as {@link #literal} gave it. */
  static JsonNumber ofLiteral(String literal) {
    return new JsonNumber(literal);
  }

  /** A value whose numbers, at any depth, are those of Java, as chat templates read them. */
  static Object plain(Object value) {
    if (value instanceof JsonNumber number) {
      return number.isInteger() ? integer(number.literal) : (Object) number.doubleValue();
    }
    if (value instanceof List<?> list) {
      List<Object> out = new ArrayList<>(list.size());
      list.forEach(item -> out.add(plain(item)));
      return out;
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, Object> out = new LinkedHashMap<>();
      map.forEach((name, item) -> out.put((String) name, plain(item)));
      return out;
    }
    return value;
  }

  /** The whole number that a literal is. */
  static Number integer(String literal) {
    BigInteger number = new BigInteger(literal);
    return number.bitLength() < Integer.SIZE
        ? (Number) number.intValue()
        : number.bitLength() < Long.SIZE ? (Number) number.longValue() : number;
  }

  private boolean isInteger() {
    return literal.chars().allMatch(c -> c == '-' || c >= '0' && c <= '9');
  }

  /** As it stood. */
  @JsonValue
  @JsonRawValue
  public String literal() {
    return literal;
  }

  @Override
  public int intValue() {
    return (int) doubleValue();
  }

  @Override
  public long longValue() {
    return (long) doubleValue();
  }

  @Override
  public float floatValue() {
    return (float) doubleValue();
  }

  @Override
  public double doubleValue() {
    return Double.parseDouble(literal);
  }

  /** As Java writes the value: a label is the same label however a file writes it. */
  @Override
  public String toString() {
    return Double.toString(doubleValue());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof JsonNumber number && number.literal.equals(literal);
  }

  @Override
  public int hashCode() {
    return literal.hashCode();
  }
}
