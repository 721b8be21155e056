package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;

/** A task whose models give a token of the vocabulary for each place that asks for one. */
interface VocabularyTask extends Task {
  @Override
  default int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    return VocabularyLoss.apply(tape, model, output, staging, labelSmoothing);
  }

  @Override
  default boolean smoothsLabels() {
    return true;
  }

  @Override
  default List<String> metricNames() {
    return VocabularyLoss.metricNames();
  }

  @Override
  default Measurement measurement(EncodedDataset data) {
    return VocabularyLoss.measurement();
  }
}
