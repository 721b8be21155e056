package dev.attune.bench;

import dev.attune.kernels.calls.ActivationCall;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Activations on their own, over the width of an MLP. */
public class ActivationBench extends OpBench {
  @Param({"N=800 F=1536", "N=800 F=3072"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private long count;
  private long inp;
  private long out;
  private long dout;
  private long dinp;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    count = (long) dims.of("N") * dims.of("F");
    inp = tensors.uniform("inp", dtype, -4, 4, count);
    dout = tensors.input("dout", dtype, count);
    out = tensors.output("out", dtype, count);
    dinp = tensors.output("dinp", dtype, count);
  }

  @Override
  Work work(String method) {
    double tensorsTouched = method.startsWith("forward") ? 2 : 3;
    return Work.bytes(tensorsTouched * count * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forwardGelu() {
    kernels.run(new ActivationCall.Forward(out, inp, count, Activation.GELU, dtype));
  }

  @Benchmark
  public void forwardGeluTanh() {
    kernels.run(new ActivationCall.Forward(out, inp, count, Activation.GELU_TANH, dtype));
  }

  @Benchmark
  public void backwardGelu() {
    kernels.run(new ActivationCall.Backward(dinp, dout, inp, count, Activation.GELU, false, dtype));
  }

  @Benchmark
  public void backwardGeluTanh() {
    kernels.run(new ActivationCall.Backward(dinp, dout, inp, count, Activation.GELU_TANH, false, dtype));
  }
}
