package dev.attune.core;

import java.nio.charset.Charset;
import java.util.Arrays;
import java.util.Locale;

/**
 * Text of data and of files as a terminal shows it: nothing in it steers the terminal or turns the
 * line around, and columns line up whatever the script. Widths are in columns of the terminal: two
 * for the wide characters of East Asia and for most emoji, none for marks that stand on others.
 */
public final class TerminalText {
  private static final String MORE = more(Charset.defaultCharset());

  /** Invisible, and it makes what stands beside a word from right to left stay where it is. */
  private static final String LEFT_TO_RIGHT = "\u200e";

  private static final int ZERO_WIDTH_NON_JOINER = 0x200C;
  private static final int ZERO_WIDTH_JOINER = 0x200D;

  /** Vowels and final consonants of Hangul, which join the syllable before them. */
  private static final int FIRST_JOINING_JAMO = 0x1160;

  private static final int LAST_JOINING_JAMO = 0x11FF;

  /**
   * First and last of each range of wide characters: East_Asian_Width W and F of Unicode 14,
   * unassigned characters between two ranges included.
   */
  private static final int[] WIDE = {
    0x1100, 0x115F, 0x231A, 0x231B, 0x2329, 0x232A, 0x23E9, 0x23EC, 0x23F0, 0x23F0,
    0x23F3, 0x23F3, 0x25FD, 0x25FE, 0x2614, 0x2615, 0x2648, 0x2653, 0x267F, 0x267F,
    0x2693, 0x2693, 0x26A1, 0x26A1, 0x26AA, 0x26AB, 0x26BD, 0x26BE, 0x26C4, 0x26C5,
    0x26CE, 0x26CE, 0x26D4, 0x26D4, 0x26EA, 0x26EA, 0x26F2, 0x26F3, 0x26F5, 0x26F5,
    0x26FA, 0x26FA, 0x26FD, 0x26FD, 0x2705, 0x2705, 0x270A, 0x270B, 0x2728, 0x2728,
    0x274C, 0x274C, 0x274E, 0x274E, 0x2753, 0x2755, 0x2757, 0x2757, 0x2795, 0x2797,
    0x27B0, 0x27B0, 0x27BF, 0x27BF, 0x2B1B, 0x2B1C, 0x2B50, 0x2B50, 0x2B55, 0x2B55,
    0x2E80, 0x303E, 0x3041, 0x3247, 0x3250, 0x4DBF, 0x4E00, 0xA4C6, 0xA960, 0xA97C,
    0xAC00, 0xD7A3, 0xF900, 0xFAD9, 0xFE10, 0xFE19, 0xFE30, 0xFE6B, 0xFF01, 0xFF60,
    0xFFE0, 0xFFE6, 0x16FE0, 0x18D08, 0x1AFF0, 0x1B2FB, 0x1F004, 0x1F004, 0x1F0CF, 0x1F0CF,
    0x1F18E, 0x1F18E, 0x1F191, 0x1F19A, 0x1F200, 0x1F320, 0x1F32D, 0x1F335, 0x1F337, 0x1F37C,
    0x1F37E, 0x1F393, 0x1F3A0, 0x1F3CA, 0x1F3CF, 0x1F3D3, 0x1F3E0, 0x1F3F0, 0x1F3F4, 0x1F3F4,
    0x1F3F8, 0x1F43E, 0x1F440, 0x1F440, 0x1F442, 0x1F4FC, 0x1F4FF, 0x1F53D, 0x1F54B, 0x1F54E,
    0x1F550, 0x1F567, 0x1F57A, 0x1F57A, 0x1F595, 0x1F596, 0x1F5A4, 0x1F5A4, 0x1F5FB, 0x1F64F,
    0x1F680, 0x1F6C5, 0x1F6CC, 0x1F6CC, 0x1F6D0, 0x1F6D2, 0x1F6D5, 0x1F6DF, 0x1F6EB, 0x1F6EC,
    0x1F6F4, 0x1F6FC, 0x1F7E0, 0x1F7F0, 0x1F90C, 0x1F93A, 0x1F93C, 0x1F945, 0x1F947, 0x1F9FF,
    0x1FA70, 0x1FAF6, 0x20000, 0x3FFFD
  };

  private TerminalText() {}

  /**
   * A text without what would not show: control characters, but for tabs and line ends, and marks
   * that set the direction of text stand as \\u and their number.
   */
  public static String visible(String text) {
    return escaped(text, true);
  }

  /** The same on one line: tabs and line ends stand as \\t, \\n and \\r. */
  public static String oneLine(String text) {
    return visible(text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r"));
  }

  /** The same, which leaves direction to the text: what a model writes in its own language. */
  public static String withoutControls(String text) {
    return escaped(text, false);
  }

  private static String escaped(String text, boolean marksToo) {
    if (text.codePoints().noneMatch(c -> isHidden(c, marksToo))) {
      return text;
    }
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              if (isHidden(c, marksToo)) {
                out.append(
                    String.format(
                        Locale.ROOT, Character.isBmpCodePoint(c) ? "\\u%04x" : "\\u{%x}", c));
              } else {
                out.appendCodePoint(c);
              }
            });
    return out.toString();
  }

  private static boolean isHidden(int c, boolean marksToo) {
    return switch (Character.getType(c)) {
      case Character.CONTROL -> c != '\n' && c != '\t';
      case Character.SURROGATE -> true; // half a character
      // The joiners make letters and emoji what they are.
      case Character.FORMAT -> marksToo && c != ZERO_WIDTH_NON_JOINER && c != ZERO_WIDTH_JOINER;
      case Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> marksToo;
      default -> false;
    };
  }

  /** The columns that a text takes. */
  public static int width(String text) {
    return text.codePoints().map(TerminalText::width).sum();
  }

  private static int width(int c) {
    if (c < 0x300) {
      return 1;
    }
    int type = Character.getType(c);
    if (type == Character.NON_SPACING_MARK
        || type == Character.ENCLOSING_MARK
        || type == Character.FORMAT
        || c >= FIRST_JOINING_JAMO && c <= LAST_JOINING_JAMO) {
      return 0;
    }
    int at = Arrays.binarySearch(WIDE, c);
    // Between the first of a range and its last an odd number of bounds lies before.
    return at >= 0 || (-at - 1) % 2 == 1 ? 2 : 1;
  }

  /** No more than so many columns of a text; where some are left out, the last of them says so. */
  public static String cut(String text, int width) {
    if (width(text) <= width) {
      return text;
    }
    int end = 0;
    int used = 0;
    while (end < text.length()) {
      int c = text.codePointAt(end);
      used += width(c);
      if (used > width - 1) {
        break;
      }
      end += Character.charCount(c);
    }
    return text.substring(0, end) + MORE;
  }

  /**
   * What stands for an end that was cut off, in one column, where not all characters can be shown.
   */
  static String more(Charset shown) {
    return shown.newEncoder().canEncode('…') ? "…" : "~";
  }

  /** A cell of a table: so many columns, the text at their left. */
  public static String left(String text, int width) {
    String shown = cut(oneLine(text), width);
    return inPlace(shown) + " ".repeat(Math.max(0, width - width(shown)));
  }

  /** The same with the text at their right. */
  public static String right(String text, int width) {
    String shown = cut(oneLine(text), width);
    return " ".repeat(Math.max(0, width - width(shown))) + inPlace(shown);
  }

  private static String inPlace(String text) {
    boolean isTurned =
        text.codePoints()
            .map(Character::getDirectionality)
            .anyMatch(
                way ->
                    way == Character.DIRECTIONALITY_RIGHT_TO_LEFT
                        || way == Character.DIRECTIONALITY_RIGHT_TO_LEFT_ARABIC);
    return isTurned ? LEFT_TO_RIGHT + text + LEFT_TO_RIGHT : text;
  }
}
