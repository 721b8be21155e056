package dev.attune.data;

/**
 * What the tokenizer made of each example of a dataset, in file order.
 *
 * @param lengths tokens an example trains on, special tokens included, after truncation
 * @param dropped tokens that truncation took from each example
 * @param supervised targets each example still has after truncation: 1 for one label, the number of
 *     tagged words for tags, of next tokens for language modelling; 0 where everything was cut
 * @param texts what only language modelling knows, else null
 */
public record TokenLengths(int[] lengths, int[] dropped, int[] supervised, Texts texts) {
  /**
   * Language modelling cuts long texts into several sequences and leaves rows without a target out.
   *
   * @param sequences tokens of each sequence that is trained on
   * @param ends whether the end of sequence is among the targets of each example
   * @param bordersInside whether a token of each example holds the end of what is given and the
   *     beginning of what is learned
   */
  public record Texts(int[] sequences, boolean[] ends, boolean[] bordersInside) {}

  /** Lengths where every example is one sequence. */
  public TokenLengths(int[] lengths, int[] dropped, int[] supervised) {
    this(lengths, dropped, supervised, null);
  }

  /** Tokens of each sequence that is trained on. */
  public int[] sequences() {
    return texts == null ? lengths : texts.sequences();
  }
}
