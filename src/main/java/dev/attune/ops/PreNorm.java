package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** What the norms have in common that also give the residual stream. */
final class PreNorm {
  private PreNorm() {}

  /** Hands the gradient of the sum to both of its addends. */
  static void passOn(Tape tape, Tensor sum, Tensor inp, Tensor residual) {
    Check.state(inp.gradient() == 0, "the input of a norm has a second consumer");
    if (residual == null || !residual.requiresGrad()) {
      if (inp.requiresGrad()) {
        tape.moveGradient(sum, inp);
      }
      return;
    }
    Check.state(residual.gradient() == 0, "the residual of a norm has a second consumer");
    tape.moveGradient(sum, residual);
    if (inp.requiresGrad()) {
      tape.lendGradient(residual, inp);
    }
  }

  /**
   * The sum is no node's output: its norm frees it. Where nothing is recorded the next norm still
   * needs it.
   */
  static void release(Tape tape, Tensor sum) {
    if (tape.recording()) {
      tape.discard(sum);
      tape.dropGradient(sum);
    }
  }
}
