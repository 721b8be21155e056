package dev.attune.data;

/** What becomes of numbers of classes whose names lie beside their file. */
public enum ClassNumbers {
  /** They get the names; one that has none is an error. */
  NAMED,
  /** Those that have names get them: the rows are only looked at, whatever others say. */
  NAMED_WHERE_KNOWN,
  /** They stay numbers: nobody reads them, or something else names them. */
  KEPT
}
