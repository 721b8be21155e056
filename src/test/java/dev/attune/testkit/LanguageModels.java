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

  /** The logits that training never holds whole, in inference. */
  public static Tensor logits(Tape tape, Model model, Tensor hidden) {
    Tensor rows = model.beforeVocabulary(tape, hidden);
    Parameter vocabulary = model.vocabulary().weight();
    Tensor logits = tape.tensor(rows.rows(), vocabulary.rows(), false);
    tape.backend()
        .run(
            new LinearCall.Forward(
                logits.address(),
                0,
                rows.address(),
                vocabulary.operand(rows.dtype()),
                model.vocabulary().biasAddress(),
                rows.rows(),
                rows.cols(),
                vocabulary.rows(),
                Activation.NONE,
                rows.dtype(),
                vocabulary.operandDtype(rows.dtype())));
    model
        .vocabulary()
        .addAdapters(tape, logits.address(), rows.address(), rows.rows(), rows.dtype());
    return logits;
  }
}
