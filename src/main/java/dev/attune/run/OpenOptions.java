package dev.attune.run;

/**
 * How a model is opened for inference.
 *
 * @param base name or folder of an adapter's base model; null: as the adapter says
 * @param weights how weights are held
 * @param maxLength tokens of a text at most, special tokens included; null: as it was trained
 */
public record OpenOptions(String base, HeldWeights weights, Integer maxLength) {
  /** As the folder says. */
  public static final OpenOptions DEFAULT = new OpenOptions(null, HeldWeights.AUTO, null);

  /** What a run's options say. */
  static OpenOptions of(RunConfig config) {
    return new OpenOptions(
        config.isGiven(RunOption.BASE_MODEL) ? config.text(RunOption.BASE_MODEL) : null,
        HeldWeights.of(config),
        config.isGiven(RunOption.MAX_LENGTH) ? config.smallInteger(RunOption.MAX_LENGTH) : null);
  }
}
