package dev.attune.bench;

import dev.attune.kernels.calls.RmsNormCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Residual add and root mean square norm, as in a decoder layer, and norms of single heads. */
public class RmsNormBench extends OpBench {
  private static final float EPS = 1e-6f;

  @Param({"N=800 G=1 C=768", "N=800 G=1 C=2048", "N=800 G=16 C=128"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int G;
  private int C;
  private boolean heads;
  private long inp;
  private long residual;
  private long weight;
  private long out;
  private long sum;
  private long rstd;
  private long dout;
  private long dinp;
  private long dweight;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    G = dims.of("G");
    C = dims.of("C");
    heads = G > 1;
    inp = tensors.input("inp", dtype, N, G * C);
    residual = heads ? 0 : tensors.input("residual", dtype, N, C);
    weight = tensors.input("weight", DType.F32, C);
    dout = tensors.input("dout", dtype, N, G * C);
    out = tensors.output("out", dtype, N, G * C);
    sum = heads ? 0 : tensors.output("sum", dtype, N, C);
    rstd = tensors.output("rstd", DType.F32, N * G);
    dinp = tensors.output("dinp", dtype, N, G * C);
    dweight = tensors.output("dweight", DType.F32, C);
    forward();
  }

  @Override
  Work work(String method) {
    // Forward: inp, out, and residual and sum. Backward: dout, sum, dinp.
    double tensorsTouched = method.equals("forward") ? (heads ? 2 : 4) : 3;
    return Work.bytes(tensorsTouched * N * G * C * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new RmsNormCall.Forward(
        out, sum, rstd, inp, residual, weight, N, G, C, (long) G * C, (long) G * C, EPS, dtype));
  }

  @Benchmark
  public void backward() {
    kernels.run(new RmsNormCall.Backward(
        dinp,
        dweight,
        dout,
        0,
        heads ? inp : sum,
        rstd,
        weight,
        N,
        G,
        C,
        (long) G * C,
        (long) G * C,
        false,
        dtype));
  }
}
