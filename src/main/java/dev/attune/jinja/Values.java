package dev.attune.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Python's values and what can be done with them. None is null, int is Long, float is Double, str
 * is String, list and tuple are List, dict is Map; functions are {@link Callable}. What operators
 * make of them is in {@link Arithmetic}, what they hold in {@link Access}.
 */
final class Values {
  /** What the escape of an unprintable character costs, beside a character. */
  static final int ESCAPE = 256;

  private Values() {}

  /** What JSON gives, as templates see it. */
  static Object of(Object value) {
    if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
      return ((Number) value).longValue();
    }
    if (value instanceof Float number) {
      return number.doubleValue();
    }
    if (value instanceof BigInteger number && number.bitLength() < 64) {
      return number.longValue();
    }
    if (value instanceof List<?> list) {
      List<Object> out = new ArrayList<>(list.size());
      list.forEach(item -> out.add(of(item)));
      return out;
    }
    if (value instanceof Map<?, ?> map) {
      Map<Object, Object> out = new LinkedHashMap<>();
      map.forEach((key, item) -> out.put(key, of(item)));
      return out;
    }
    return value;
  }

  static boolean isTrue(Object value) {
    if (value == null || value instanceof Undefined) {
      return false;
    }
    if (value instanceof Boolean truth) {
      return truth;
    }
    if (value instanceof Number number) {
      return number.doubleValue() != 0;
    }
    if (value instanceof String text) {
      return !text.isEmpty();
    }
    if (value instanceof List<?> list) {
      return !list.isEmpty();
    }
    return !(value instanceof Map<?, ?> map) || !map.isEmpty();
  }

  static String type(Object value) {
    if (value == null) {
      return "NoneType";
    }
    if (value instanceof Boolean) {
      return "bool";
    }
    if (value instanceof Double) {
      return "float";
    }
    if (value instanceof Number) {
      return "int";
    }
    if (value instanceof String) {
      return "str";
    }
    if (value instanceof List) {
      return value instanceof Tuple ? "tuple" : "list";
    }
    return value instanceof Map
        ? "dict"
        : value instanceof Undefined
            ? "Undefined"
            : value instanceof Namespace ? "Namespace" : "function";
  }

  // ---- printing

  /** {@code str(value)}. */
  static String string(Object value) {
    if (value instanceof String text) {
      return text;
    }
    return value instanceof Undefined ? "" : repr(value);
  }

  /** {@code repr(value)}. */
  static String repr(Object value) {
    StringBuilder out = new StringBuilder();
    repr(value, out);
    return out.toString();
  }

  private static void repr(Object value, StringBuilder out) {
    Budget.checkLength(out.length()); // lists may hold one list many times over
    Budget.spendItems(1);
    if (value == null) {
      out.append("None");
    } else if (value instanceof Boolean truth) {
      out.append(truth ? "True" : "False");
    } else if (value instanceof Double number) {
      out.append(digits(number));
    } else if (value instanceof String text) {
      quoted(text, out);
    } else if (value instanceof List<?> list) {
      boolean tuple = list instanceof Tuple;
      String gap = tuple ? "(" : "[";
      for (Object item : list) {
        repr(item, out.append(gap));
        gap = ", ";
      }
      out.append(list.isEmpty() ? gap : tuple && list.size() == 1 ? "," : "");
      out.append(tuple ? ")" : "]");
    } else if (value instanceof Map<?, ?> map) {
      String gap = "{";
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        repr(entry.getKey(), out.append(gap));
        repr(entry.getValue(), out.append(": "));
        gap = ", ";
      }
      out.append(map.isEmpty() ? "{}" : "}");
    } else if (value instanceof Number || value instanceof Undefined) {
      out.append(value instanceof Undefined ? "Undefined" : value.toString());
    } else {
      throw TemplateException.of("a %s cannot be printed", type(value));
    }
  }

  private static void quoted(String text, StringBuilder out) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    Budget.spend(text.length());
    out.append(quote);
    text.codePoints()
        .forEach(
            c -> {
              int simple = "\n\r\t\\".indexOf(c);
              if (simple >= 0) {
                out.append('\\').append("nrt\\".charAt(simple));
              } else if (c == quote) {
                out.append('\\').append(quote);
              } else if (isPrintable(c)) {
                out.appendCodePoint(c);
              } else {
                Budget.spend(ESCAPE);
                out.append(
                    String.format(c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x", c));
              }
            });
    out.append(quote);
  }

  private static boolean isPrintable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> c == ' ';
      default -> true;
    };
  }

  /** The shortest digits that are this number, as Python writes them. */
  static String digits(double number) {
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return Double.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
    }
    if (number == 0) {
      return 1 / number < 0 ? "-0.0" : "0.0";
    }
    BigDecimal exact = new BigDecimal(number);
    BigDecimal shortest = exact;
    for (int digits = 1; digits <= 17; digits++) {
      shortest = exact.round(new MathContext(digits));
      if (shortest.doubleValue() == number) {
        break;
      }
    }
    shortest = shortest.stripTrailingZeros();
    int power = shortest.precision() - shortest.scale() - 1;
    if (power >= -4 && power < 16) {
      String plain = shortest.toPlainString();
      return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }
    String digits = shortest.unscaledValue().abs().toString();
    return (number < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + String.format("e%s%02d", power < 0 ? "-" : "+", Math.abs(power));
  }

  // ---- looking inside

  static long length(Object value) {
    if (value instanceof String text) {
      Budget.spend(text.length());
      return text.codePointCount(0, text.length());
    }
    if (value instanceof List<?> list) {
      return list.size();
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    throw TemplateException.of("object of type '%s' has no len()", type(value));
  }

  /** What a loop over the value visits. */
  static List<Object> items(Object value) {
    if (value instanceof List<?> list) {
      Budget.spendItems(list.size());
      return new ArrayList<>(list);
    }
    if (value instanceof Map<?, ?> map) {
      Budget.spendItems(map.size());
      return new ArrayList<>(map.keySet());
    }
    if (value instanceof String text) {
      Budget.checkItems(text.length());
      Budget.spendItems(text.length());
      List<Object> out = new ArrayList<>();
      text.codePoints().forEach(c -> out.add(Character.toString(c)));
      return out;
    }
    if (value instanceof Undefined) {
      return new ArrayList<>();
    }
    throw TemplateException.of("'%s' object is not iterable", type(value));
  }

  static boolean contains(Object whole, Object part) {
    if (whole instanceof String text) {
      if (part instanceof String wanted) {
        return Search.find(text, wanted, 0) >= 0;
      }
      throw TemplateException.of(
          "'in <string>' requires string as left operand, not %s", type(part));
    }
    if (whole instanceof Map || whole instanceof List || whole instanceof Undefined) {
      return items(whole).stream().anyMatch(item -> equal(item, part));
    }
    throw TemplateException.of("argument of type '%s' is not iterable", type(whole));
  }

  // ---- comparing

  static boolean equal(Object a, Object b) {
    Budget.spendItems(1);
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b) == 0;
    }
    if (a instanceof Undefined || b instanceof Undefined) {
      return a instanceof Undefined && b instanceof Undefined;
    }
    if (a instanceof List<?> x && b instanceof List<?> y) {
      Iterator<?> other = y.iterator();
      return x instanceof Tuple == y instanceof Tuple
          && x.size() == y.size()
          && x.stream().allMatch(item -> equal(item, other.next()));
    }
    if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
      return x.size() == y.size()
          && x.entrySet().stream()
              .allMatch(e -> y.containsKey(e.getKey()) && equal(e.getValue(), y.get(e.getKey())));
    }
    if (a instanceof String x && b instanceof String y) {
      Budget.spend(x.length() == y.length() ? x.length() : 0);
      return x.equals(y);
    }
    return a == b; // functions, and what a template made itself, are equal to themselves alone
  }

  static boolean isNumber(Object value) {
    return value instanceof Number || value instanceof Boolean;
  }

  private static int compareNumbers(Object a, Object b) {
    if (a instanceof Long x && b instanceof Long y) {
      return Long.compare(x, y);
    }
    return decimalOrReal(a) instanceof BigDecimal x && decimalOrReal(b) instanceof BigDecimal y
        ? x.compareTo(y)
        : Double.compare(real(a), real(b));
  }

  private static Object decimalOrReal(Object value) {
    return value instanceof Double number
        ? (Double.isNaN(number) || Double.isInfinite(number) ? number : new BigDecimal(number))
        : value instanceof BigInteger big
            ? new BigDecimal(big)
            : BigDecimal.valueOf(integer(value));
  }

  /** Negative, zero or positive as Python orders numbers, strings and lists. */
  static int compare(Object a, Object b) {
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b);
    }
    if (a instanceof String x && b instanceof String y) {
      Budget.spend((long) x.length() + y.length());
      int[] left = x.codePoints().toArray();
      int[] right = y.codePoints().toArray();
      return java.util.Arrays.compare(left, right);
    }
    if (a instanceof List<?> x && b instanceof List<?> y) {
      for (int i = 0; i < Math.min(x.size(), y.size()); i++) {
        if (!equal(x.get(i), y.get(i))) {
          return compare(x.get(i), y.get(i));
        }
      }
      return Integer.compare(x.size(), y.size());
    }
    if (a instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    throw TemplateException.of("'%s' and '%s' cannot be ordered", type(a), type(b));
  }

  // ---- numbers

  static long integer(Object value) {
    if (value instanceof Boolean truth) {
      return truth ? 1 : 0;
    }
    if (value instanceof Long number) {
      return number;
    }
    if (value instanceof Undefined undefined) {
      throw undefined.refuse();
    }
    throw TemplateException.of("an integer is needed, not %s", repr(value));
  }

  static double real(Object value) {
    return value instanceof Double number
        ? number
        : value instanceof BigInteger big ? big.doubleValue() : integer(value);
  }
}
