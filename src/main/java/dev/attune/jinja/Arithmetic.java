package dev.attune.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/** Python's arithmetic: on numbers, and of {@code +} and {@code *} on strings and lists. */
final class Arithmetic {
  private Arithmetic() {}

  /**
   * What an operator makes of two values.
   *
   * @param operator {@code + - * / // %} or {@code **}
   */
  static Object apply(String operator, Object a, Object b) {
    if (a instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    if (b instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    if (operator.equals("+") && a instanceof String x && b instanceof String y) {
      Budget.checkLength((long) x.length() + y.length());
      Budget.spend((long) x.length() + y.length());
      return x + y;
    }
    if (operator.equals("+") && a instanceof List<?> x && b instanceof List<?> y) {
      Budget.checkItems((long) x.size() + y.size());
      Budget.spendItems((long) x.size() + y.size());
      List<Object> out = new ArrayList<>(x);
      out.addAll(y);
      return out;
    }
    if (operator.equals("*") && (a instanceof String || a instanceof List) && isWhole(b)) {
      return repeated(a, Values.integer(b));
    }
    if (operator.equals("*") && (b instanceof String || b instanceof List) && isWhole(a)) {
      return repeated(b, Values.integer(a));
    }
    if (!Values.isNumber(a) || !Values.isNumber(b)) {
      throw TemplateException.of(
          "unsupported operand types for %s: '%s' and '%s'",
          operator, Values.type(a), Values.type(b));
    }
    try {
      return isWhole(a) && isWhole(b)
          ? whole(operator, Values.integer(a), Values.integer(b))
          : (Object) reals(operator, Values.real(a), Values.real(b));
    } catch (ArithmeticException e) {
      throw TemplateException.of(
          "%s %s %s: %s", Values.repr(a), operator, Values.repr(b), e.getMessage());
    }
  }

  private static boolean isWhole(Object value) {
    return value instanceof Long || value instanceof Boolean;
  }

  private static Object repeated(Object value, long times) {
    long count = Math.max(0, times);
    Budget.checkLength(Math.min(count, Integer.MAX_VALUE) * Math.max(1, Values.length(value)));
    if (value instanceof String text) {
      return text.repeat((int) count);
    }
    Budget.checkItems(count * Math.max(1, Values.length(value)));
    List<Object> out = new ArrayList<>();
    for (long i = 0; i < count; i++) {
      out.addAll((List<?>) value);
    }
    return out;
  }

  private static Object whole(String operator, long a, long b) {
    return switch (operator) {
      case "+" -> Math.addExact(a, b);
      case "-" -> Math.subtractExact(a, b);
      case "*" -> Math.multiplyExact(a, b);
      case "/" -> (double) a / nonZero(b);
      case "//" -> Math.floorDiv(a, nonZero(b));
      case "%" -> Math.floorMod(a, nonZero(b));
      default -> b < 0 ? (Object) Math.pow(a, b) : power(a, b);
    };
  }

  private static long power(long a, long b) {
    BigInteger out =
        b > 64 && Math.abs(a) > 1
            ? null
            : BigInteger.valueOf(a).pow((int) (b > 64 ? 64 + b % 2 : b));
    if (out == null || out.bitLength() > 63) {
      throw new ArithmeticException("too large");
    }
    return out.longValue();
  }

  private static long nonZero(long b) {
    if (b == 0) {
      throw new ArithmeticException("division by zero");
    }
    return b;
  }

  private static double reals(String operator, double a, double b) {
    if (b == 0 && "//%".contains(operator)) {
      throw new ArithmeticException("division by zero");
    }
    return switch (operator) {
      case "+" -> a + b;
      case "-" -> a - b;
      case "*" -> a * b;
      case "/" -> a / b;
      case "//" -> Math.floor(a / b);
      case "%" -> a - Math.floor(a / b) * b;
      default -> Math.pow(a, b);
    };
  }
}
