package dev.attune.bench;

import dev.attune.kernels.calls.GatedCall;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** SwiGLU and GeGLU over the width of an MLP. */
public class GatedBench extends OpBench {
  @Param({"N=800 F=2048", "N=800 F=8192"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int F;
  private long inp;
  private long out;
  private long dout;
  private long dinp;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    F = dims.of("F");
    inp = tensors.uniform("inp", dtype, -4, 4, N, 2 * F);
    dout = tensors.input("dout", dtype, N, F);
    out = tensors.output("out", dtype, N, F);
    dinp = tensors.output("dinp", dtype, N, 2 * F);
  }

  @Override
  Work work(String method) {
    // Forward: gate, up, out. Backward: gate, up, dout and two gradients.
    double tensorsTouched = method.startsWith("forward") ? 3 : 5;
    return Work.bytes(tensorsTouched * N * F * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forwardSilu() {
    kernels.run(new GatedCall.Forward(out, inp, N, F, Activation.SILU, dtype));
  }

  @Benchmark
  public void forwardGeluTanh() {
    kernels.run(new GatedCall.Forward(out, inp, N, F, Activation.GELU_TANH, dtype));
  }

  @Benchmark
  public void backwardSilu() {
    kernels.run(new GatedCall.Backward(dinp, 0, dout, inp, N, F, Activation.SILU, dtype));
  }

  @Benchmark
  public void backwardGeluTanh() {
    kernels.run(new GatedCall.Backward(dinp, 0, dout, inp, N, F, Activation.GELU_TANH, dtype));
  }
}
