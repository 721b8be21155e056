package dev.attune.bench;

import dev.attune.kernels.calls.LoraCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The second product of a low-rank adapter, and its gradients. */
public class LoraBench extends OpBench {
  private static final float SCALE = 2;

  @Param({"N=800 F=2048 R=8", "N=800 F=2048 R=64", "N=800 F=8192 R=16"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int F;
  private int R;
  private long low;
  private long up;
  private long out;
  private long dout;
  private long dlow;
  private long dup;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    F = dims.of("F");
    R = dims.of("R");
    low = tensors.input("low", dtype, N, R);
    up = tensors.input("up", DType.F32, F, R);
    out = tensors.updated("out", dtype, -1, 1, N, F);
    dout = tensors.input("dout", dtype, N, F);
    dlow = tensors.output("dlow", dtype, N, R);
    dup = tensors.output("dup", DType.F32, F, R);
  }

  @Override
  Work work(String method) {
    // Forward reads and writes out; backward reads dout. The narrow operands hardly count.
    double passes = method.equals("forward") ? 2 : 1;
    return Work.bytes(passes * N * F * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new LoraCall.Forward(out, low, up, N, F, R, F, R, SCALE, dtype));
  }

  @Benchmark
  public void backward() {
    kernels.run(new LoraCall.Backward(dlow, dup, dout, low, up, N, F, R, F, R, SCALE, false, dtype));
  }
}
