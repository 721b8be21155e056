package dev.attune.data;

import java.nio.file.Path;
import java.util.List;

/**
 * How files are read.
 *
 * @param columns what their columns mean
 * @param skipBadRows whether rows that cannot be read are left out, and counted; else the first
 *     stops the run
 * @param asTurns whether instructions with their answers become conversations, for models that have
 *     a chat template; else prompts and completions
 * @param numbers whether labels are numbers, so that a list of them may hold fractions: elsewhere
 *     such a list is a label's share, which no task here learns
 * @param classes what becomes of labels that are numbers and have names beside their file
 * @param written how the files are written, where that is said
 * @param space where their rows go
 */
public record ReadOptions(
    Columns columns,
    boolean skipBadRows,
    boolean asTurns,
    boolean numbers,
    ClassNumbers classes,
    FileOptions written,
    RowSpace space) {
  /** Rows go to memory; labels are names. */
  public ReadOptions(Columns columns, boolean skipBadRows, boolean asTurns, FileOptions written) {
    this(columns, skipBadRows, asTurns, false, ClassNumbers.NAMED, written, RowSpace.MEMORY);
  }

  /** The same for labels that are numbers, or for those that are names. */
  public ReadOptions numbers(boolean areNumbers) {
    return new ReadOptions(columns, skipBadRows, asTurns, areNumbers, classes, written, space);
  }

  /** The same with something else that becomes of the numbers of classes. */
  public ReadOptions classes(ClassNumbers become) {
    return new ReadOptions(columns, skipBadRows, asTurns, numbers, become, written, space);
  }

  /** Whether names of classes are looked for beside the files. */
  boolean wantsNames() {
    return !numbers && classes != ClassNumbers.KEPT;
  }

  /** Rows are all needed, instructions are prompts, and files say how they are written. */
  public static ReadOptions of(Columns columns) {
    return new ReadOptions(columns, false, false, FileOptions.AUTOMATIC);
  }

  /** The same with rows that go elsewhere. */
  ReadOptions in(RowSpace other) {
    return new ReadOptions(columns, skipBadRows, asTurns, numbers, classes, written, other);
  }

  /**
   * The same for some files of a run: without what says how they are written and fits, by their
   * names, none of them but another file of the run. What fits no file at all stays, and is refused
   * where they are read.
   *
   * @param some files of the run
   * @param run all its files
   */
  public ReadOptions forSome(List<Path> some, List<Path> run) {
    return new ReadOptions(
        columns, skipBadRows, asTurns, numbers, classes, written.forSome(some, run), space);
  }

  /** What rows depend on beside the files, as a text. */
  String described() {
    return String.join(
        " ",
        columns.described(),
        Boolean.toString(skipBadRows),
        Boolean.toString(asTurns),
        Boolean.toString(numbers),
        classes.name(),
        written.toString());
  }
}
