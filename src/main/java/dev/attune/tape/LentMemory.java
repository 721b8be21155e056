package dev.attune.tape;

import dev.attune.memory.Arena;
import java.util.function.Supplier;

/** What a pass has been lent beside its arena, layer by layer. */
final class LentMemory {
  private final Arena arena;
  private boolean isUsed = true;
  private Loan loan; // null: the arena is all there is
  private int lentLayers;

  LentMemory(Arena arena) {
    this.arena = arena;
  }

  /** Whether passes take what they are lent. */
  void use(boolean use) {
    isUsed = use;
  }

  /** Lends to the pass that has begun. */
  void borrow(Loan memory) {
    loan = isUsed ? memory : null;
  }

  /** Nothing is lent any more. */
  void end() {
    loan = null;
    lentLayers = 0;
  }

  /** Makes the tensors of a layer in what the backward of layers below it writes. */
  <T> T layer(int number, Supplier<T> body) {
    if (loan == null) {
      return body.get();
    }
    while (lentLayers < number) {
      loan.lend(lentLayers++, arena);
    }
    arena.useLent(true);
    try {
      return body.get();
    } finally {
      arena.useLent(false);
    }
  }
}
