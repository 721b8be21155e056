package dev.attune.tape;

/**
 * Rows of a pass, one after another, that have adapters of their own beside the weights that all
 * rows share (Sheng et al., S-LoRA, 2023).
 *
 * @param first of them
 * @param rows how many
 * @param adapters the store of these: of a model that borrows the base of the one that runs; null:
 *     the rows have none
 */
public record RowGroup(long first, long rows, Object adapters) {}
