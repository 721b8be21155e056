package dev.attune.train;

/** Hears what the training loop is at: for who wants to know where time goes. */
public interface StepPhases {
  /** What a step is made of. */
  enum Phase {
    /** Waiting for the next batch. */
    DATA,
    /** The model and its loss. */
    FORWARD,
    BACKWARD,
    /** Clipping and the update. */
    OPTIMIZER,
    EVALUATION,
    CHECKPOINT
  }

  /** Nobody wants to know. */
  StepPhases NONE = phase -> {};

  /**
   * A phase begins, and the one before ends.
   *
   * @param phase null: nothing begins
   */
  void enter(Phase phase);
}
