package dev.attune.data;

/**
 * What the tokenizer made of each example of a dataset, in file order.
 *
 * @param lengths tokens an example trains on, special tokens included, after truncation
 * @param dropped tokens that truncation took from each example
 * @param supervised targets each example still has after truncation: 1 for one label, the number of
 *     tagged words or of next tokens; 0 where everything was cut
 * @param sequences tokens of each sequence that is trained on, where a row may give several or none
 * @param texts what only language modelling knows, else null
 */
public record TokenLengths(
    int[] lengths, int[] dropped, int[] supervised, int[] sequences, Texts texts) {
  /**
   * Of language modelling.
   *
   * @param ends whether the end of sequence is among the targets of each example
   * @param bordersInside whether a token of each example holds the end of what is given and the
   *     beginning of what is learned
   */
  public record Texts(boolean[] ends, boolean[] bordersInside) {}

  /** Lengths where every example is one sequence. */
  public TokenLengths(int[] lengths, int[] dropped, int[] supervised) {
    this(lengths, dropped, supervised, lengths, null);
  }
}
