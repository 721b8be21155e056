package dev.attune.data;

import dev.attune.core.Term;
import java.util.List;
import java.util.regex.Pattern;

/** Labels that are numbers, and what is said of those that have no names. */
public final class LabelNumbers {
  /** Such as -1 and -100, too, which stand where there is no class. */
  private static final Pattern ANY_NUMBER = Pattern.compile("-?\\d{1,9}");

  /** Names that a message lists at most. */
  private static final int SHOWN = 20;

  private LabelNumbers() {}

  /** Whether labels are numbers, and so have no names. */
  public static boolean areNumbers(List<String> labels) {
    return !labels.isEmpty() && labels.stream().allMatch(LabelNumbers::isNumber);
  }

  /** The option that gives these names, where they can stand in it. */
  static String option(List<String> names) {
    boolean fit = names.size() <= SHOWN && names.stream().noneMatch(name -> name.contains(","));
    return fit ? Term.LABEL_NAMES.of(String.join(",", names)) : Term.LABEL_NAMES.toString();
  }

  /** What to add on an unknown label that is a number where known ones are not; else nothing. */
  public static String advice(String label, List<String> known) {
    return isNumber(label) && known.stream().noneMatch(LabelNumbers::isNumber)
        ? "; " + Term.LABEL_NAMES + " says which of them numbers stand for, from 0 on"
        : "";
  }

  private static boolean isNumber(String label) {
    return label != null && ANY_NUMBER.matcher(label).matches();
  }
}
