package dev.attune.optim;

/** A learning rate that follows evaluations instead of the step. */
public interface EvaluatedRate {
  /** The rate of the steps until the next evaluation. */
  float rate();

  /** Draws the consequences of an evaluation. */
  void step(double metric);

  /** What it knows of the evaluations so far: part of a run's state. */
  double[] state();

  /** Goes on from a state that one of the same kind gave. */
  void restore(double[] earlier);
}
