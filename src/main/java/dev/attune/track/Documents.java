package dev.attune.track;

/** The kinds of JSON that are kept of a run beside its numbers. */
public final class Documents {
  /** The options by their names. */
  public static final String CONFIG = "config";

  /** How to begin the run again: a command line, and what it depends on. */
  public static final String REPRODUCTION = "reproduction";

  /** Program, machine, device, precision. */
  public static final String ENVIRONMENT = "environment";

  /** The report on the data. */
  public static final String DATA_REPORT = "data_report";

  /** How it ended. */
  public static final String SUMMARY = "summary";

  /** Files that it left, with their sizes. */
  public static final String ARTIFACTS = "artifacts";

  /** Predictions counted by label. */
  public static final String CONFUSION = "confusion";

  /** Rows that were predicted worst. */
  public static final String MISTAKES = "mistakes";

  /** What is to be said of the curves. */
  public static final String FINDINGS = "findings";

  /** The error that ended it. */
  public static final String ERROR = "error";

  private Documents() {}
}
