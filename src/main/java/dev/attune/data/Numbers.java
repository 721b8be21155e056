package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.regex.Pattern;

/** Reads regression targets: plain decimal numbers, not what Java literals allow besides. */
public final class Numbers {
  private static final Pattern DECIMAL =
      Pattern.compile("[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?");

  private Numbers() {}

  /** The target of an example; anything but a finite decimal number is an error. */
  public static float target(Dataset dataset, Example example) {
    Float value = parse(example.label());
    if (value == null) {
      throw new InputException(
          dataset.where(example)
              + ": "
              + (LabelMap.isPresent(example.label())
                  ? "label \"" + example.label() + "\" is not a number"
                  : "the label is missing")
              + ". Regression needs a finite decimal number such as 3.8 in every row; for named"
              + " classes use "
              + Term.TASK.of("classification")
              + ".");
    }
    return value;
  }

  /** The number, or null for anything that is not a finite decimal number. */
  public static Float parse(String label) {
    if (label == null || !DECIMAL.matcher(label.strip()).matches()) {
      return null;
    }
    float value = Float.parseFloat(label.strip());
    return Float.isInfinite(value) ? null : value;
  }
}
