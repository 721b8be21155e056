package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.regex.Pattern;

/** Reads regression targets: plain decimal numbers, not what Java literals allow besides. */
public final class Numbers {
  private static final Pattern COMMA = Pattern.compile("[+-]?\\d+(,\\d+)?");

  /** Characters from the comma of "1,000" on. */
  private static final int THOUSANDS = 4;

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

  /**
   * The data with decimal points where numbers have decimal commas and none a point, which its
   * reading then says. Groups of exactly three digits behind a comma may be thousands: such labels
   * stay as they are, unless another one tells. Labels that are no numbers either way tell nothing.
   */
  public static Dataset withPoints(Dataset data) {
    boolean commas = false;
    boolean decimals = false;
    for (Example example : data.examples()) {
      String label = example.label() == null ? "" : example.label().strip();
      if (!COMMA.matcher(label).matches()) {
        if (parse(label) != null) {
          return data;
        }
        continue;
      }
      int comma = label.indexOf(',');
      commas |= comma >= 0;
      decimals |= comma >= 0 && label.length() - comma != THOUSANDS;
    }
    if (!commas || !decimals) {
      return data;
    }
    return data.changed(
            e ->
                e.label() == null || !COMMA.matcher(e.label().strip()).matches()
                    ? e
                    : e.withTargets(e.label().replace(',', '.'), e.labels(), e.tags()),
            "decimal commas")
        .with(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "decimal_commas",
                "the targets are read with decimal commas: 3,5 is 3.5"));
  }

  /** The number, or null for anything that is not a finite decimal number. */
  public static Float parse(String label) {
    return Decimal.parse(label);
  }
}
