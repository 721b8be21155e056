package dev.attune;

import dev.attune.generate.GenerationOptions;
import dev.attune.run.BackendKind;
import dev.attune.run.HeadModel;
import dev.attune.run.HeldWeights;
import dev.attune.run.LanguageModel;
import dev.attune.run.OpenOptions;
import dev.attune.run.PrecisionOption;
import dev.attune.run.SharedModel;
import dev.attune.run.TextEncoder;
import dev.attune.task.Task;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;

/** How a model is opened; each method returns this. */
public final class ModelOptions {
  private Device device = Device.AUTO;
  private Precision precision = Precision.AUTO;
  private WeightFormat weights = WeightFormat.AUTO;
  private int threads;
  private Integer maxLength;
  private String baseModel;

  private ModelOptions() {}

  /** Where it runs; {@link Device#AUTO} unless given. One that cannot run is an error. */
  public ModelOptions device(Device value) {
    device = Objects.requireNonNull(value);
    return this;
  }

  /** The type of activations; {@link Precision#AUTO} unless given. */
  public ModelOptions precision(Precision value) {
    precision = Objects.requireNonNull(value);
    return this;
  }

  /** How weights are held; {@link WeightFormat#AUTO} unless given. */
  public ModelOptions weights(WeightFormat value) {
    weights = Objects.requireNonNull(value);
    return this;
  }

  /** Threads that work on the model, over all calls at a time; 0, the default: all cores. */
  public ModelOptions threads(int value) {
    threads = value;
    return this;
  }

  /** Tokens of a text at most; as it was trained unless given. */
  public ModelOptions maxLength(int value) {
    maxLength = value;
    return this;
  }

  /** The folder of an adapter's base model, where it is not what the adapter says. */
  public ModelOptions baseModel(Path folder) {
    baseModel = folder.toString();
    return this;
  }

  static ModelOptions of(Consumer<ModelOptions> settings) {
    ModelOptions options = new ModelOptions();
    settings.accept(options);
    return options;
  }

  HeadModel openHead(Path folder, Task task) {
    return Faults.translated(() -> HeadModel.open(folder, openOptions(), compute(), task));
  }

  LanguageModel openLanguageModel(Path folder, GenerationOptions defaults) {
    return Faults.translated(() -> LanguageModel.open(folder, openOptions(), compute(), defaults));
  }

  SharedModel<TextEncoder> openEncoder(String model) {
    return Faults.translated(() -> TextEncoder.open(model, maxLength, compute()));
  }

  private OpenOptions openOptions() {
    return new OpenOptions(baseModel, HeldWeights.valueOf(weights.name()), maxLength);
  }

  private SharedModel.Compute compute() {
    BackendKind kind =
        switch (device) {
          case AUTO -> BackendKind.AUTO;
          case CPU -> BackendKind.CPU;
          case CUDA -> BackendKind.CUDA;
          case LIBTORCH -> BackendKind.TORCH;
        };
    return new SharedModel.Compute(kind, PrecisionOption.valueOf(precision.name()), threads);
  }
}
