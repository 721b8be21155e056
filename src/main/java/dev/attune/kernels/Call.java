package dev.attune.kernels;

/**
 * One call of one kernel, as a value: a record of {@code kernels.calls} whose components are the
 * arguments of the op in {@code native/include/attune_ops.h}, in its order and with its names.
 * Types: {@code long} for addresses and int64; {@code int}, {@code boolean} and enums for int32;
 * {@code float}. A component may be a record itself, which stands for its own components.
 */
public interface Call {
  /**
   * Puts every component into a slot, in order, each by the method of {@link Frame} that says what
   * it is and what it may be.
   */
  void fill(Frame frame);
}
