package dev.attune.train;

import dev.attune.metrics.TextMetrics;
import dev.attune.model.Model;
import dev.attune.tape.Tape;

/** Measures what a language model writes: implemented where prompts and tokenizers are known. */
public interface AnswerCheck {
  /**
   * Lets the model, as it is now, answer every prompt, and compares with the answers wanted. Leaves
   * nothing in the tape's arena, and parameters as they are.
   */
  TextMetrics measure(Model model, Tape tape);
}
