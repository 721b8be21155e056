package dev.attune.model;

/**
 * A packed batch on the device; all addresses are of i32 arrays.
 *
 * @param sequences B
 * @param rows N, rows that only fill the batch up included
 * @param segments ranges of {@code cuSeqlens} and {@code oneEach}: B, and more for such rows
 * @param maxLength which the rows of no range exceed
 * @param ids (N) token ids
 * @param positions (N) rows of the position table
 * @param typeIds (N) token types
 * @param cuSeqlens (segments+1) bounds of the sequences
 * @param firstRows (B) first row of each sequence
 * @param lastRows (B) last row of each sequence
 * @param lastPositions (B) rows of the position table of the last rows
 * @param oneEach (segments+1) 0, 1, …, B (, B …): bounds when each sequence has one row
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
    long oneEach) {}
