package dev.attune.data;

import dev.attune.data.mapped.Ints;

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
    Ints lengths, Ints dropped, Ints supervised, Ints sequences, Texts texts) {
  /**
   * Of language modelling.
   *
   * @param marks a sum of {@link #ENDS}, {@link #BORDER_INSIDE} and {@link #PART_BORDER} for each
   *     example
   */
  public record Texts(Ints marks) {
    /** The end of sequence is among the targets. */
    public static final int ENDS = 1;

    /** A token holds the end of what is given and the beginning of what is learned. */
    public static final int BORDER_INSIDE = 2;

    /** The example goes on with the text of the one before, and with other tokens than as one. */
    public static final int PART_BORDER = 4;

    /** Whether an example has a mark. */
    public boolean has(int example, int mark) {
      return (marks.get(example) & mark) != 0;
    }
  }

  /** Lengths where every example is one sequence. */
  public TokenLengths(Ints lengths, Ints dropped, Ints supervised) {
    this(lengths, dropped, supervised, lengths, null);
  }

  /** The same in arrays. */
  public TokenLengths(int[] lengths, int[] dropped, int[] supervised) {
    this(Ints.of(lengths), Ints.of(dropped), Ints.of(supervised));
  }

  /** Lengths in arrays. */
  public TokenLengths(int[] lengths, int[] dropped, int[] supervised, Ints sequences, Texts texts) {
    this(Ints.of(lengths), Ints.of(dropped), Ints.of(supervised), sequences, texts);
  }
}
