package dev.attune.bench;

import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Residual add and layer norm, as in a BERT layer; with and without dropout of the branch. */
public class LayerNormBench extends OpBench {
  private static final float EPS = 1e-12f;
  private static final float DROPOUT = 0.1f;
  private static final long SEED = 42;

  @Param({"N=800 C=384", "N=800 C=768"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int C;
  private long inp;
  private long residual;
  private long weight;
  private long bias;
  private long out;
  private long sum;
  private long mean;
  private long rstd;
  private long dout;
  private long dinp;
  private long dresidual;
  private long dweight;
  private long dbias;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    C = dims.of("C");
    inp = tensors.input("inp", dtype, N, C);
    residual = tensors.input("residual", dtype, N, C);
    weight = tensors.input("weight", DType.F32, C);
    bias = tensors.input("bias", DType.F32, C);
    dout = tensors.input("dout", dtype, N, C);
    out = tensors.output("out", dtype, N, C);
    sum = tensors.output("sum", dtype, N, C);
    mean = tensors.output("mean", DType.F32, N);
    rstd = tensors.output("rstd", DType.F32, N);
    dinp = tensors.output("dinp", dtype, N, C);
    dresidual = tensors.output("dresidual", dtype, N, C);
    dweight = tensors.output("dweight", DType.F32, C);
    dbias = tensors.output("dbias", DType.F32, C);
    forward();
  }

  @Override
  Work work(String method) {
    // Forward: inp, residual, sum, out. Backward: dout, sum, dinp, dresidual.
    return Work.bytes(4.0 * N * C * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    forward(0);
  }

  @Benchmark
  public void forwardDropout() {
    forward(DROPOUT);
  }

  @Benchmark
  public void backward() {
    backward(0);
  }

  @Benchmark
  public void backwardDropout() {
    backward(DROPOUT);
  }

  private void forward(float p) {
    kernels.run(new LayerNormCall.Forward(
        out, sum, mean, rstd, inp, residual, weight, bias, N, C, EPS, p, 0, SEED, 0, dtype));
  }

  private void backward(float p) {
    kernels.run(new LayerNormCall.Backward(
        dinp, dresidual, dweight, dbias, dout, 0, sum, mean, rstd, weight, N, C, p, 0, SEED, 0,
        false, false, dtype));
  }
}
