package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;

/**
 * An answer that stands in a context, as SQuAD states it.
 *
 * @param text as it stands there
 * @param start its first character in the context, in Unicode code points as Python counts; -1
 *     where the file does not say
 */
public record GoldAnswer(String text, int start) {
  /** Where the file does not say where an answer stands. */
  public static final int ANYWHERE = -1;

  /**
   * Where it stands in a context: begin and end in code points.
   *
   * @throws InputException if another text stands there, but for case and white space, or if it
   *     stands nowhere or more than once and has no start; without the row
   */
  public int[] spanIn(String context) {
    if (start == ANYWHERE) {
      int found = context.indexOf(text);
      Check.input(found >= 0, "the answer does not stand in the context");
      Check.input(
          context.indexOf(text, found + 1) < 0,
          "the answer stands in the context more than once; say where with answer_start");
      int begin = context.codePointCount(0, found);
      return new int[] {begin, begin + length()};
    }
    Check.input(
        start <= context.codePointCount(0, context.length()) - length(),
        "the answer ends beyond the context");
    int end = start + length();
    String there = in(context, start, end);
    if (!EqualText.of(there).equals(EqualText.of(text))) {
      throw new InputException(
          String.format(
              "at answer_start %d stands \"%s\", not \"%s\", which is %s",
              start, Excerpt.shortened(there), Excerpt.shortened(text), whereabouts(context)));
    }
    return new int[] {start, end};
  }

  /** Whether exactly this text stands at its place. */
  public boolean isExactIn(String context) {
    int[] span = spanIn(context);
    return in(context, span[0], span[1]).equals(text);
  }

  private int length() {
    return text.codePointCount(0, text.length());
  }

  private static String in(String context, int begin, int end) {
    int from = context.offsetByCodePoints(0, begin);
    return context.substring(from, context.offsetByCodePoints(from, end - begin));
  }

  /** The place nearest to the one that is stated, in words. */
  private String whereabouts(String context) {
    int nearest = -1;
    for (int at = context.indexOf(text); at >= 0; at = context.indexOf(text, at + 1)) {
      int place = context.codePointCount(0, at);
      nearest =
          nearest < 0 || Math.abs(place - start) < Math.abs(nearest - start) ? place : nearest;
    }
    return nearest < 0
        ? "nowhere in the context"
        : "at answer_start " + nearest + " (starts count Unicode code points, from 0)";
  }
}
