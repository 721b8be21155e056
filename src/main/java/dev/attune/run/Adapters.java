package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import java.util.Arrays;
import java.util.List;

/** The adapters that a run's options ask for. */
public final class Adapters {
  private Adapters() {}

  /** Null where {@code --lora-r} is 0. */
  public static LoraConfig of(RunConfig config) {
    int rank = config.smallInteger(RunOption.LORA_R);
    if (rank == 0) {
      for (RunOption option :
          List.of(
              RunOption.LORA_ALPHA,
              RunOption.LORA_DROPOUT,
              RunOption.LORA_TARGETS,
              RunOption.USE_RSLORA,
              RunOption.USE_DORA)) {
        if (config.isGiven(option)) {
          throw new InputException(option + " needs " + RunOption.LORA_R);
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
        config.flag(RunOption.USE_RSLORA),
        config.flag(RunOption.USE_DORA));
  }

  /**
   * A builder of a model with such adapters; without, one that trains every weight.
   *
   * @param precision of activations: frozen matrices are held in the same, where the options do not
   *     ask for fewer bits
   */
  public static ParameterBuilder builder(RunConfig config, LoraConfig lora, DType precision) {
    ParameterBuilder builder = new ParameterBuilder();
    if (lora != null) {
      builder.freeze(precision, HeldWeights.of(config).products(precision));
      builder.adapt(lora);
    } else if (HeldWeights.of(config).products(precision) != precision) {
      throw new InputException(
          "weights of few bits cannot be trained: "
              + RunOption.LOAD_IN_4BIT
              + " and "
              + RunOption.LOAD_IN_8BIT
              + " need "
              + RunOption.LORA_R);
    }
    return builder;
  }
}
