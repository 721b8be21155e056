package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
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
  public void forward(
      long out,
      long pre,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation,
      DType dtype) {
    enqueue(
        () -> cpu.linearForward(out, pre, inp, weight, bias, N, C, F, activation, dtype, dtype));
  }

  @Override
  public void backwardInput(
      long dinp,
      long dout,
      long weight,
      long pre,
      long N,
      long C,
      long F,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    enqueue(
        () ->
            cpu.linearBackwardInput(
                dinp, 0, dout, weight, pre, N, C, F, activation, accumulate, dtype, dtype));
  }

  @Override
  public void backwardWeight(
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype) {
    enqueue(
        () -> {
          cpu.linearBackwardWeight(dweight, 0, dout, inp, N, C, F, accumulate, dtype);
          if (dbias != 0) {
            columnSums(dbias, dout, N, F, dtype);
          }
        });
  }

  /** As a product with a column of zeros, of which only the sums are kept. */
  private void columnSums(long dbias, long dout, long N, long F, DType dtype) {
    long zeros = cpu.allocate(N * dtype.sizeBytes(), false);
    long unused = cpu.allocate(F * Float.BYTES, false);
    cpu.linearBackwardWeight(unused, dbias, dout, zeros, N, 1, F, false, dtype);
    cpu.free(zeros, N * dtype.sizeBytes());
    cpu.free(unused, F * Float.BYTES);
  }

  @Override
  public void close() {}
}
