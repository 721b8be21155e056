package dev.attune.kernels;

/** Calls that ran once, to run again with the same arguments: see {@link Backend#keep}. */
public interface Replay {
  /** Runs them all, in their order; throws what {@link Backend#run} would throw. */
  void run();
}
