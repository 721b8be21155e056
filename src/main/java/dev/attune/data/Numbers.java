package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Arrays;
import java.util.List;
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
   * The targets of an example as its file has them: those of a list, or of one field between bars;
   * null where it has none.
   */
  public static List<String> stated(Example example) {
    if (example.labels() != null || !LabelMap.isPresent(example.label())) {
      return example.labels();
    }
    return Arrays.stream(example.label().split("\\|", -1)).map(String::strip).toList();
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
      List<String> stated = stated(example);
      for (String number : stated == null ? List.<String>of() : stated) {
        if (!mayHaveComma(number)) {
          if (parse(number) != null) {
            return data;
          }
          continue;
        }
        int comma = number.strip().indexOf(',');
        commas |= comma >= 0;
        decimals |= comma >= 0 && number.strip().length() - comma != THOUSANDS;
      }
    }
    if (!commas || !decimals) {
      return data;
    }
    return data.changed(Numbers::pointed, "decimal commas")
        .with(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "decimal_commas",
                "the targets are read with decimal commas: 3,5 is 3.5"));
  }

  private static boolean mayHaveComma(String number) {
    return COMMA.matcher(number.strip()).matches();
  }

  private static Example pointed(Example example) {
    List<String> stated = stated(example);
    if (stated == null || !stated.stream().allMatch(Numbers::mayHaveComma)) {
      return example;
    }
    List<String> points = stated.stream().map(number -> number.replace(',', '.')).toList();
    return example.labels() == null
        ? example.withTargets(String.join("|", points), null, example.tags())
        : example.withTargets(example.label(), points, example.tags());
  }

  /** The number, or null for anything that is not a finite decimal number. */
  public static Float parse(String label) {
    return Decimal.parse(label);
  }
}
