package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.cpu.CpuBackend;

/** The CPU's products, which fuse what cuBLASLt fuses. */
final class EmulatedProducts implements Products {
  private final CpuBackend cpu;
  private final EmulatedRuntime runtime;
  private final CudaBackend backend;

  EmulatedProducts(CpuBackend cpu, EmulatedRuntime runtime, CudaBackend backend) {
    this.cpu = cpu;
    this.runtime = runtime;
    this.backend = backend;
  }

  private void enqueue(Runnable product) {
    runtime.enqueue(backend.ctx(), product);
  }

  @Override
  public boolean fusesForward(Activation activation, DType dtype, long pre, long F) {
    return activation == Activation.GELU_TANH && (dtype == DType.F32 || pre == 0);
  }

  @Override
  public boolean fusesBackward(Activation activation, DType dtype, long pre, long C) {
    return activation == Activation.GELU_TANH;
  }

  @Override
  public void forward(LinearCall.Forward call) {
    enqueue(() -> cpu.run(call));
  }

  @Override
  public void backwardInput(LinearCall.BackwardInput call) {
    enqueue(() -> cpu.run(call));
  }

  @Override
  public void backwardWeight(LinearCall.BackwardWeight c) {
    enqueue(
        () -> {
          cpu.run(
              new LinearCall.BackwardWeight(
                  c.dweight(),
                  0,
                  c.dout(),
                  c.inp(),
                  c.N(),
                  c.C(),
                  c.F(),
                  c.accumulate(),
                  c.dtype()));
          if (c.dbias() != 0) {
            columnSums(c.dbias(), c.dout(), c.N(), c.F(), c.dtype());
          }
        });
  }

  /** As a product with a column of zeros, of which only the sums are kept. */
  private void columnSums(long dbias, long dout, long N, long F, DType dtype) {
    long zeros = cpu.allocate(N * dtype.sizeBytes(), false);
    long unused = cpu.allocate(F * Float.BYTES, false);
    cpu.run(new LinearCall.BackwardWeight(unused, dbias, dout, zeros, N, 1, F, false, dtype));
    cpu.free(zeros, N * dtype.sizeBytes());
    cpu.free(unused, F * Float.BYTES);
  }

  @Override
  public void close() {}
}
