package dev.attune.tape;

/** A recorded op: its forward has run, its backward is owed. */
public interface Node {
  /** The tensor this op made; freed, with its gradient, after {@link #backward}. */
  Tensor out();

  /**
   * Adds to the gradients of the inputs and of the parameters, given that of {@link #out()}. Not
   * called if no gradient reached the output.
   */
  void backward(Tape tape);

  /** Frees what forward saved beyond the output; called after backward, or instead of it. */
  default void release(Tape tape) {}
}
