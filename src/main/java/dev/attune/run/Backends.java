package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cuda.CudaBackend;
import dev.attune.kernels.torch.TorchBackend;
import java.util.Locale;

/** Chooses the backend and the precision of a run, and says why. */
public final class Backends {
  private Backends() {}

  /** The number of threads that an option of 0 stands for. */
  public static int threads(int option) {
    if (option < 0 || option > 4096) {
      throw new InputException("--threads is " + option + "; allowed are 1 to 4096, or 0 for all");
    }
    return option == 0 ? Runtime.getRuntime().availableProcessors() : option;
  }

  /**
   * Opens a backend.
   *
   * @param name auto, cpu, cuda or torch; a named one that cannot run is an error, never replaced
   * @param threads at least 1
   */
  public static Backend open(String name, int threads) {
    switch (name.toLowerCase(Locale.ROOT)) {
      case "auto", "cpu":
        try {
          return new CpuBackend(threads);
        } catch (UnsupportedOperationException e) {
          throw new InputException("the cpu backend cannot run here: " + e.getMessage(), e);
        }
      case "torch":
        TorchBackend.unavailableReason()
            .ifPresent(
                reason -> {
                  throw new InputException("--backend torch cannot run here: " + reason);
                });
        return new TorchBackend(threads);
      case "cuda":
        CudaBackend.unavailableReason()
            .ifPresent(
                reason -> {
                  throw new InputException("--backend cuda cannot run here: " + reason);
                });
        return CudaBackend.open();
      default:
        throw new InputException(
            "--backend is '" + name + "'; allowed are auto, cpu, cuda and torch");
    }
  }

  /** The type of activations that a precision names, on this backend. */
  public static DType precision(String name, Backend backend) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "auto" -> backend.hasFastBf16() ? DType.BF16 : DType.F32;
      case "bf16" -> DType.BF16;
      case "fp32" -> DType.F32;
      default ->
          throw new InputException(
              "--precision is '" + name + "'; allowed are auto, bf16 and fp32");
    };
  }
}
