package dev.attune;

/**
 * A span of a context that answers a question, or that there is none.
 *
 * @param text as it stands in the context; "" where there is no answer
 * @param score its probability among the answers that were considered
 * @param start index of its first {@code char} in the context; -1 where there is no answer
 * @param end index behind its last; -1 where there is no answer
 */
public record Answer(String text, double score, int start, int end) {
  /** Whether it says that the context has no answer. */
  public boolean isNone() {
    return start < 0;
  }
}
