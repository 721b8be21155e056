package dev.attune.tape;

import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.memory.DeviceMemoryException;
import java.util.ArrayList;
import java.util.List;

/** Options with which the activations of a pass would be smaller, for messages. */
final class Remedies {
  private Remedies() {}

  /** The failure, with what would take less. */
  static DeviceMemoryException named(DeviceMemoryException failure, String remedies) {
    return new DeviceMemoryException(
        "out of memory for activations: " + failure.getMessage() + "; " + remedies + " takes less",
        failure);
  }

  static String inInference() {
    return "a smaller " + Term.MAX_LENGTH + ", or of generation " + Term.STREAMS + ",";
  }

  /**
   * @param checkpoints whether blocks keep their inputs alone already
   * @param dtype of the activations
   */
  static String inTraining(boolean checkpoints, DType dtype) {
    List<String> options = new ArrayList<>();
    if (!checkpoints) {
      options.add(Term.GRADIENT_CHECKPOINTING.toString());
    }
    options.add(
        "a smaller " + Term.BATCH_SIZE + " (with more " + Term.GRADIENT_ACCUMULATION_STEPS + ")");
    options.add("a smaller " + Term.MAX_LENGTH);
    if (dtype == DType.F32) {
      options.add(Term.PRECISION.of("bf16"));
    }
    int last = options.size() - 1;
    return String.join(", ", options.subList(0, last)) + " or " + options.get(last);
  }
}
