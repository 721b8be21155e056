package dev.attune.batch;

import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.Ints;

/**
 * The rows of a dataset whose rows give several sequences, or none.
 *
 * @param sources (sequences) which row each is of
 * @param lengths what became of each row
 * @param areInColumns whether both lie where the sequences do, so that a store of these holds them
 */
record SequenceRows(Ints sources, TokenLengths lengths, boolean areInColumns) {}
