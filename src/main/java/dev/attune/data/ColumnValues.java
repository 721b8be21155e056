package dev.attune.data;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What the cells of one column hold, as far as the first rows tell. */
final class ColumnValues {
  /** Rows that are looked at. */
  static final int SAMPLE = 500;

  private static final Pattern DATE =
      Pattern.compile(
          "\\d{1,4}[-/.]\\d{1,2}[-/.]\\d{1,4}|(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? [^,]{3,12} \\d{1,2}:\\d{2}");
  private static final Pattern WHITE_SPACE = Pattern.compile("\\s");
  private static final int SHORT_CHARACTERS = 40;
  private static final int MEAN_LABEL_ROWS = 2;
  private static final int FEW_ROWS = 10;

  /** Different values up to which all rows are looked at for more. */
  private static final int FEW_VALUES = 8;

  private final Set<String> distinct = new HashSet<>();
  private int filled;
  private int strings;
  private int words; // strings that are no numbers
  private int numbers;
  private int lists;
  private int objects;
  private int choices; // of Label Studio
  private int textLists; // of strings alone
  private int turnTexts; // texts of lists of turns
  private int flags;
  private int dates;
  private int spaced;
  private int bits;
  private int longest;
  private long characters;

  void add(Object value) {
    if (value == null || value instanceof String text && text.isBlank()) {
      return;
    }
    if (filled >= SAMPLE) {
      if (distinct.size() <= FEW_VALUES) {
        distinct.add(value.toString().strip()); // sorted files show only one at first
      }
      return;
    }
    filled++;
    String shown = value.toString();
    boolean number = Decimal.parse(shown) != null;
    strings += value instanceof String ? 1 : 0;
    words += value instanceof String && !number ? 1 : 0;
    numbers += number ? 1 : 0;
    flags += value instanceof Boolean ? 1 : 0;
    dates += DATE.matcher(shown.strip()).lookingAt() ? 1 : 0;
    spaced += WHITE_SPACE.matcher(shown.strip()).find() ? 1 : 0;
    boolean areTurns = value instanceof String text && ChatTurn.list(text) != null;
    turnTexts += areTurns ? 1 : 0;
    lists += value instanceof List<?> || areTurns ? 1 : 0;
    objects += value instanceof Map<?, ?> ? 1 : 0;
    choices += LabelLists.choices(value) == null ? 0 : 1;
    textLists += isTextList(value) ? 1 : 0;
    bits += Set.of("0", "1").contains(shown.strip()) ? 1 : 0;
    longest = Math.max(longest, shown.length());
    characters += shown.length();
    distinct.add(shown.strip());
  }

  double meanLength() {
    return filled == 0 ? 0 : (double) characters / filled;
  }

  /** Whether there are texts among the values, rather than numbers or lists. */
  boolean areTexts() {
    return filled == 0 || words > 0 && lists == 0;
  }

  /** Whether every value is a string, be it one of digits. */
  boolean areStrings() {
    return strings == filled;
  }

  /** Whether every value is a list, be it one of turns that is written as a text. */
  boolean areLists() {
    return filled > 0 && lists == filled;
  }

  /** Whether every value is the text of a list of turns. */
  boolean areTurnTexts() {
    return filled > 0 && turnTexts == filled;
  }

  /** Whether every value is a list or an object. */
  boolean areNested() {
    return filled > 0 && lists + objects == filled || areTextLists();
  }

  /** Whether every value is a list of texts. */
  boolean areTextLists() {
    return filled > 0 && textLists == filled;
  }

  /** Whether there are lists of choices among the values, as Label Studio writes them. */
  boolean areChoices() {
    return choices > 0;
  }

  /** Whether there are texts among the values, or every value is a list of texts. */
  boolean areTextsOrLists() {
    return areTexts() || areTextLists();
  }

  private static boolean isTextList(Object value) {
    List<?> list =
        value instanceof List<?> items
            ? items
            : value instanceof String text ? ListCell.parse(text) : null;
    return list != null && list.stream().allMatch(String.class::isInstance);
  }

  /** Whether every value is a number, be it written as a string. */
  boolean areNumbers() {
    return filled > 0 && numbers == filled;
  }

  /** Whether there are different values, in all rows if there are few in the first. */
  boolean vary() {
    return distinct.size() > 1;
  }

  /**
   * Whether the values are these and no others, in all rows.
   *
   * @param values a few, in lower case
   */
  boolean areAllOf(Set<String> values) {
    return distinct.size() <= FEW_VALUES
        && distinct.stream()
            .map(v -> v.toLowerCase(Locale.ROOT))
            .collect(Collectors.toSet())
            .equals(values);
  }

  /** Whether there are values, all of them among these, as far as all rows tell. */
  boolean areSomeOf(Set<String> values) {
    return !distinct.isEmpty() && values.containsAll(distinct);
  }

  /** Whether every value is 0 or 1. */
  boolean areBits() {
    return filled > 0 && bits == filled;
  }

  /** Whether every value is true or false. */
  boolean areFlags() {
    return filled > 0 && flags == filled;
  }

  /** Whether most values are several words. */
  boolean areSentences() {
    return 2 * spaced > filled && dates == 0 && lists + objects == 0;
  }

  /** Whether every value is one word. */
  boolean areSingleWords() {
    return filled > 0 && strings == filled && spaced == 0;
  }

  /** Whether a value occurs. */
  boolean has(String value) {
    return distinct.contains(value.strip());
  }

  /** The same, of files too short for values to come again. */
  boolean mayBeLabels() {
    return looksLikeLabels() || filled > 0 && filled < FEW_ROWS && isShort();
  }

  /** Whether values are short and come again, as names of classes do. */
  boolean looksLikeLabels() {
    return filled > 0 && isShort() && (long) distinct.size() * MEAN_LABEL_ROWS <= filled;
  }

  private boolean isShort() {
    return lists == 0 && objects == 0 && dates == 0 && longest <= SHORT_CHARACTERS;
  }
}
