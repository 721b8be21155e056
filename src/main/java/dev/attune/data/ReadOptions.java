package dev.attune.data;

/**
 * How files are read.
 *
 * @param columns what their columns mean
 * @param skipBadRows whether rows that cannot be read are left out, and counted; else the first
 *     stops the run
 * @param asTurns whether instructions with their answers become conversations, for models that have
 *     a chat template; else prompts and completions
 * @param written how the files are written, where that is said
 */
public record ReadOptions(
    Columns columns, boolean skipBadRows, boolean asTurns, FileOptions written) {
  /** Rows are all needed, instructions are prompts, and files say how they are written. */
  public static ReadOptions of(Columns columns) {
    return new ReadOptions(columns, false, false, FileOptions.AUTOMATIC);
  }
}
