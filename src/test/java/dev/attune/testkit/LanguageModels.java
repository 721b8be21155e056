package dev.attune.testkit;

import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.model.Model;
import dev.attune.store.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** What tests need of language models. */
public final class LanguageModels {
  private LanguageModels() {}

  /** The logits that training never holds whole. */
  public static Tensor logits(Tape tape, Model model, Tensor hidden) {
    Parameter vocabulary = model.vocabulary().weight();
    Tensor logits = tape.tensor(hidden.rows(), vocabulary.rows(), false);
    tape.backend()
        .run(
            new LinearCall.Forward(
                logits.address(),
                0,
                hidden.address(),
                vocabulary.operand(hidden.dtype()),
                0,
                hidden.rows(),
                hidden.cols(),
                vocabulary.rows(),
                Activation.NONE,
                hidden.dtype(),
                vocabulary.operandDtype(hidden.dtype())));
    model
        .vocabulary()
        .addAdapters(tape, logits.address(), hidden.address(), hidden.rows(), hidden.dtype());
    return logits;
  }
}
