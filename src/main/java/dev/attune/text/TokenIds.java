package dev.attune.text;

/**
 * What training needs of an encoding, already truncated: far cheaper to get than an {@link
 * Encoding}, because offsets never cross the native border.
 *
 * @param ids token ids, special tokens included (T)
 * @param typeIds (T), or null where the model has no type ids
 * @param wordIds index of the word of each token, -1 for special tokens (T); null for running text
 * @param droppedTokens tokens that truncation took away
 */
public record TokenIds(int[] ids, int[] typeIds, int[] wordIds, int droppedTokens) {}
