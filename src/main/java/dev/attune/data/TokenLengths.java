package dev.attune.data;

/**
 * What the tokenizer made of each example of a dataset, in file order.
 *
 * @param lengths tokens an example trains on, special tokens included, after truncation
 * @param dropped tokens that truncation took from each example
 * @param supervised targets each example still has after truncation: 1 for one label, the number of
 *     tagged words for tags, 0 where everything was cut
 */
public record TokenLengths(int[] lengths, int[] dropped, int[] supervised) {}
