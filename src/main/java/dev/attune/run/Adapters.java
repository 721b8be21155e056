package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.tape.LoraConfig;
import dev.attune.tape.Parameters;
import java.util.Arrays;
import java.util.List;

/** The adapters that a run's options ask for. */
final class Adapters {
  private Adapters() {}

  /** Null where {@code --lora-r} is 0. */
  static LoraConfig of(RunConfig config) {
    int rank = config.smallInteger(RunOption.LORA_R);
    if (rank == 0) {
      for (RunOption option :
          List.of(
              RunOption.LORA_ALPHA,
              RunOption.LORA_DROPOUT,
              RunOption.LORA_TARGETS,
              RunOption.USE_RSLORA)) {
        if (config.isGiven(option)) {
          throw new InputException("--" + option.option() + " needs --lora-r");
        }
      }
      return null;
    }
    List<String> targets =
        Arrays.stream(config.text(RunOption.LORA_TARGETS).split(","))
            .map(String::strip)
            .filter(target -> !target.isEmpty())
            .toList();
    return new LoraConfig(
        rank,
        config.isGiven(RunOption.LORA_ALPHA) ? config.number(RunOption.LORA_ALPHA) : 2.0 * rank,
        (float) config.number(RunOption.LORA_DROPOUT),
        targets,
        config.flag(RunOption.USE_RSLORA));
  }

  /**
   * A builder of a model with such adapters; without, one that trains every weight.
   *
   * @param precision of activations: frozen matrices are held in the same
   */
  static Parameters.Builder builder(LoraConfig lora, DType precision) {
    Parameters.Builder builder = new Parameters.Builder();
    if (lora != null) {
      builder.freeze(precision);
      builder.adapt(lora);
    }
    return builder;
  }
}
