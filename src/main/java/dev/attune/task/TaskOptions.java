package dev.attune.task;

import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Map;

/** What was asked for, as texts. */
@FunctionalInterface
public interface TaskOptions {
  /** Nothing was asked for. */
  TaskOptions NONE = option -> null;

  /** The value of an option such as {@link Term#DOC_STRIDE}, or null where it was not given. */
  String get(Term option);

  /** The entries of an option that a caller has by name; empty: {@link #get} has them, or none. */
  default Map<String, String> entries(Term option) {
    return Map.of();
  }

  /** Whether a flag is set. */
  default boolean flag(Term option) {
    return Boolean.parseBoolean(get(option));
  }

  /** An integer of at least {@code smallest}. */
  default int integer(Term option, int smallest, int otherwise) {
    String value = get(option);
    if (value == null) {
      return otherwise;
    }
    Long number = DecimalText.whole(value);
    if (number != null && number >= smallest && number <= Integer.MAX_VALUE) {
      return number.intValue();
    }
    throw new InputException(
        option + " is '" + value + "'; an integer of at least " + smallest + " is needed");
  }

  /** A number of 32 bits that is finite. */
  default float single(Term option, float otherwise) {
    double number = number(option, otherwise);
    if (Double.isFinite((float) number)) {
      return (float) number;
    }
    throw new InputException(
        option
            + " is "
            + get(option)
            + "; it must be from "
            + -Float.MAX_VALUE
            + " to "
            + Float.MAX_VALUE);
  }

  /** A finite number. */
  default double number(Term option, double otherwise) {
    String value = get(option);
    if (value == null) {
      return otherwise;
    }
    double number = DecimalText.number(value);
    if (Double.isFinite(number)) {
      return number;
    }
    throw new InputException(option + " is '" + value + "', not a number");
  }
}
