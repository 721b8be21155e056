package dev.attune.cli;

/** What a process of {@code attune} says when it ends. */
final class ExitStatus {
  static final int DONE = 0;
  static final int FAILED = 1;

  /** Wrong usage or bad input. */
  static final int BAD_INPUT = 2;

  /** Ctrl-C: a checkpoint is left, from which {@code --resume} goes on. */
  static final int INTERRUPTED = 130;

  private ExitStatus() {}
}
