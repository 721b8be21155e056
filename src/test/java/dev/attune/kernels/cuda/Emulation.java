package dev.attune.kernels.cuda;

import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.cpu.CpuBackend;
import java.nio.file.Path;
import java.util.function.Function;

/** The CUDA backend on an emulated device: its real Java code and the real kernels, slowly. */
public final class Emulation {
  private static KernelLibrary library;

  private Emulation() {}

  /** Its kernels. */
  static KernelLibrary library() {
    return KernelLibrary.cuda(Path.of(System.getProperty("attune.cuda.emulated")).toAbsolutePath());
  }

  /** Opens it; the CPU backend stays open with it. */
  public static CudaBackend open() {
    CpuBackend cpu = new CpuBackend(2);
    return open(new EmulatedRuntime(cpu), cpu);
  }

  static CudaBackend open(EmulatedRuntime runtime, CpuBackend cpu) {
    return open(runtime, cpu, backend -> null);
  }

  static CudaBackend open(
      EmulatedRuntime runtime, CpuBackend cpu, Function<CudaBackend, AttentionChoice> attention) {
    return new CudaBackend(
        library(), runtime, backend -> new EmulatedProducts(cpu, runtime, backend), attention);
  }
}
