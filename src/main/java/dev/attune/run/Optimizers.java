package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.RateFactors;
import dev.attune.optim.Sgd;
import dev.attune.store.Parameters;

/** The optimizer that the options name. */
public final class Optimizers {
  private final AdamW.Config adamw;
  private final Sgd.Config sgd; // null: the other

  private Optimizers(AdamW.Config adamw, Sgd.Config sgd) {
    this.adamw = adamw;
    this.sgd = sgd;
  }

  /**
   * By the options.
   *
   * @throws InputException if one of its numbers is out of range, or there is no such optimizer
   */
  public static Optimizers of(RunConfig config) {
    String kind = config.text(RunOption.OPTIMIZER);
    double decay = config.number(RunOption.WEIGHT_DECAY);
    // Both, so that a bad number is found whichever optimizer reads it.
    AdamW.Config adamw =
        AdamW.Config.of(
            config.number(RunOption.ADAM_BETA1),
            config.number(RunOption.ADAM_BETA2),
            config.number(RunOption.ADAM_EPSILON),
            decay);
    Sgd.Config sgd = Sgd.Config.of(config.number(RunOption.SGD_MOMENTUM), decay);
    return switch (kind) {
      case "adamw" -> new Optimizers(adamw, null);
      case "adamw-bf16" ->
          new Optimizers(adamw.withBf16Moments(config.integer(RunOption.SEED)), null);
      case "adamw-8bit" -> new Optimizers(adamw.with8BitMoments(), null);
      case "sgd" -> new Optimizers(null, sgd);
      default ->
          throw new InputException(
              RunOption.OPTIMIZER
                  + " is '"
                  + kind
                  + "'; allowed are adamw, adamw-bf16, adamw-8bit and sgd");
    };
  }

  /** Of a store; the caller closes it. */
  public Optimizer open(Parameters parameters, RateFactors factors) {
    return sgd != null ? new Sgd(parameters, sgd, factors) : new AdamW(parameters, adamw, factors);
  }
}
