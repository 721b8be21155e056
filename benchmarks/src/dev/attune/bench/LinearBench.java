package dev.attune.bench;

import dev.attune.kernels.calls.LinearCall;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The products of a layer: query-key-value, MLP up, MLP down. */
public class LinearBench extends OpBench {
  @Param({
    "N=800 C=384 F=1152",
    "N=800 C=384 F=1536",
    "N=800 C=1536 F=384",
    "N=800 C=768 F=2304",
    "N=800 C=768 F=3072",
    "N=800 C=3072 F=768"
  })
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int C;
  private int F;
  private long inp;
  private long weight;
  private long bias;
  private long out;
  private long pre;
  private long preInp;
  private long dout;
  private long dinp;
  private long actOut;
  private long dweight;
  private long dbias;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    C = dims.of("C");
    F = dims.of("F");
    double bound = 1 / Math.sqrt(C);
    inp = tensors.input("inp", dtype, N, C);
    weight = tensors.uniform("weight", DType.F32, -bound, bound, F, C);
    bias = tensors.uniform("bias", DType.F32, -bound, bound, F);
    preInp = tensors.input("preInp", dtype, N, C);
    dout = tensors.input("dout", dtype, N, F);
    out = tensors.output("out", dtype, N, F);
    pre = tensors.output("pre", dtype, N, F);
    dinp = tensors.output("dinp", dtype, N, C);
    actOut = tensors.output("actOut", dtype, N, C);
    dweight = tensors.output("dweight", DType.F32, F, C);
    dbias = tensors.output("dbias", DType.F32, F);
  }

  @Override
  Work work(String method) {
    return Work.flops(2.0 * N * C * F);
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new LinearCall.Forward(out, 0, inp, weight, bias, N, C, F, Activation.NONE, dtype, DType.F32));
  }

  @Benchmark
  public void forwardGelu() {
    kernels.run(new LinearCall.Forward(out, pre, inp, weight, bias, N, C, F, Activation.GELU, dtype, DType.F32));
  }

  @Benchmark
  public void backwardInput() {
    kernels.run(new LinearCall.BackwardInput(
        dinp, 0, dout, weight, 0, N, C, F, Activation.NONE, false, dtype, DType.F32));
  }

  /** Through the GELU before this product, whose result is computed again. */
  @Benchmark
  public void backwardInputGelu() {
    kernels.run(new LinearCall.BackwardInput(
        dinp, actOut, dout, weight, preInp, N, C, F, Activation.GELU, false, dtype, DType.F32));
  }

  @Benchmark
  public void backwardWeight() {
    kernels.run(new LinearCall.BackwardWeight(dweight, dbias, dout, inp, N, C, F, false, dtype));
  }
}
