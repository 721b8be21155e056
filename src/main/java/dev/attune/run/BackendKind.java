package dev.attune.run;

import dev.attune.core.InputException;
import java.util.Locale;

/** Which backend computes. */
public enum BackendKind {
  /** What runs everywhere: the CPU. */
  AUTO,
  CPU,
  CUDA,
  /** libtorch on the CPU. */
  TORCH;

  /** The kind that {@code --backend} names. */
  public static BackendKind ofOption(String option) {
    for (BackendKind kind : values()) {
      if (kind.name().equals(option.toUpperCase(Locale.ROOT))) {
        return kind;
      }
    }
    throw new InputException(
        RunOption.BACKEND + " is '" + option + "'; allowed are auto, cpu, cuda and torch");
  }
}
