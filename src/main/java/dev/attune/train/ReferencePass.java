package dev.attune.train;

import dev.attune.batch.EncodedDataset;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.task.SequenceLogprobs;
import java.util.function.BooleanSupplier;

/** What a language model finds of data before it is trained, which training compares it with. */
public final class ReferencePass {
  private ReferencePass() {}

  /**
   * The data with the log-probabilities of their sequences by the model as it is.
   *
   * @param inference the caller closes it
   * @param stopRequested asked between batches
   * @throws dev.attune.core.InterruptedCallException once it is true
   */
  public static EncodedDataset over(
      EncodedDataset data,
      Model model,
      Tape tape,
      Inference inference,
      BooleanSupplier stopRequested) {
    SequenceLogprobs found = new SequenceLogprobs(data);
    inference.run(model, tape, data, SequenceLogprobs.objective(), found, stopRequested);
    return data.withReferences(found.values());
  }
}
