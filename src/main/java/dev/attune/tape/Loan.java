package dev.attune.tape;

import dev.attune.memory.Arena;

/**
 * Memory for a training pass that nobody else wants until its backward comes to a layer, which then
 * writes there.
 */
public interface Loan {
  /** Lends an arena what the backward of a layer writes, and of no other. */
  void lend(int layer, Arena arena);
}
