package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.kernels.cpu.LevelChoice;
import dev.attune.kernels.cuda.CudaBackend;
import dev.attune.kernels.torch.TorchBackend;
import java.util.Optional;

/** Opens the backend of a run, or says why it cannot. */
public final class Backends {
  private Backends() {}

  /** The number of threads that an option of 0 stands for. */
  public static int threads(int option) {
    if (option < 0 || option > 4096) {
      throw new InputException(
          RunOption.THREADS + " is " + option + "; allowed are 1 to 4096, or 0 for all");
    }
    return option == 0 ? Runtime.getRuntime().availableProcessors() : option;
  }

  /**
   * Opens a backend.
   *
   * @param kind one that cannot run here is an error, never replaced
   * @param threads at least 1
   */
  public static Backend open(BackendKind kind, int threads) {
    return open(kind, threads, Optional.empty(), Optional.empty());
  }

  /**
   * The same for a precision.
   *
   * @param level of the CPU's kernels; empty: the fastest for the precision
   * @param dtype of activations; empty: the faster one
   */
  static Backend open(BackendKind kind, int threads, Optional<Isa> level, Optional<DType> dtype) {
    switch (kind) {
      case TORCH:
        TorchBackend.unavailableReason()
            .ifPresent(
                reason -> {
                  throw new InputException(
                      RunOption.BACKEND.with("torch") + " cannot run here: " + reason);
                });
        return new TorchBackend(threads);
      case CUDA:
        CudaBackend.unavailableReason()
            .ifPresent(
                reason -> {
                  throw new InputException(
                      RunOption.BACKEND.with("cuda") + " cannot run here: " + reason);
                });
        return CudaBackend.open();
      default:
        try {
          return LevelChoice.open(threads, level, dtype);
        } catch (UnsupportedOperationException e) {
          throw new InputException("the cpu backend cannot run here: " + e.getMessage(), e);
        }
    }
  }

  /** The same of a backend that an option names. */
  public static Backend open(String option, int threads) {
    return open(BackendKind.ofOption(option), threads);
  }
}
