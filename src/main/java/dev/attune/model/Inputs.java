package dev.attune.model;

/**
 * A packed batch on the device; all addresses are of i32 arrays.
 *
 * @param sequences B
 * @param rows N, rows that only fill the batch up included
 * @param segments ranges of {@code cuSeqlens} and {@code oneEach}: B, and more for such rows
 * @param maxLength which the rows of no range exceed
 * @param ids (N) token ids
 * @param positions (N) rows of the position table; of a table of the batch's own each row's number
 * @param typeIds (N) token types
 * @param cuSeqlens (segments+1) bounds of the sequences
 * @param firstRows (B) first row of each sequence
 * @param lastRows (B) last row of each sequence
 * @param lastPositions (B) rows of the position table of the last rows
 * @param oneEach (segments+1) 0, 1, …, B (, B …): bounds when each sequence has one row
 * @param rotaryTables f32, where the model wants them of the batch ({@link Model#batchRotaries}):
 *     one after the other, each (N, size / 2, 2)
 */
public record Inputs(
    long sequences,
    long rows,
    long segments,
    long maxLength,
    long ids,
    long positions,
    long typeIds,
    long cuSeqlens,
    long firstRows,
    long lastRows,
    long lastPositions,
    long oneEach,
    long rotaryTables) {}
