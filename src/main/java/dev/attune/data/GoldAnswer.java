package dev.attune.data;

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
}
