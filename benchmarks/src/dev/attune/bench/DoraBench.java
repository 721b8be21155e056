package dev.attune.bench;

import dev.attune.kernels.calls.DoraCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Weight-decomposed adapters: the norms of a step, columns by their gain, and its gradients. */
public class DoraBench extends OpBench {
  private static final float SCALE = 2;

  @Param({"N=800 F=2048 C=2048 R=16", "N=800 F=8192 C=2048 R=16"})
  public String shape;

  /** Of activations, and of the weight. */
  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int F;
  private int C;
  private int R;
  private long weight;
  private long down;
  private long up;
  private long magnitude;
  private long gain;
  private long excess;
  private long norm;
  private long inp;
  private long bias;
  private long out;
  private long dout;
  private long dinp;
  private long dmagnitude;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    F = dims.of("F");
    C = dims.of("C");
    R = dims.of("R");
    weight = tensors.input("weight", dtype, F, C);
    down = tensors.input("down", DType.F32, R, C);
    up = tensors.input("up", DType.F32, F, R);
    magnitude = tensors.input("magnitude", DType.F32, F);
    gain = tensors.output("gain", DType.F32, F);
    excess = tensors.output("excess", DType.F32, F);
    norm = tensors.output("norm", DType.F32, F);
    inp = tensors.input("inp", dtype, N, F);
    bias = tensors.input("bias", DType.F32, F);
    out = tensors.output("out", dtype, N, F);
    dout = tensors.input("dout", dtype, N, F);
    dinp = tensors.output("dinp", dtype, N, F);
    dmagnitude = tensors.output("dmagnitude", DType.F32, F);
    gain();
  }

  @Override
  Work work(String method) {
    if (method.equals("gain")) {
      return Work.flops(2.0 * F * C * R);
    }
    double passes = method.equals("forward") ? 2 : 3;
    return Work.bytes(passes * N * F * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void gain() {
    kernels.run(new DoraCall.Gain(gain, excess, norm, weight, down, up, magnitude, F, 0, F, C, R, SCALE, dtype));
  }

  @Benchmark
  public void forward() {
    kernels.run(new DoraCall.Forward(out, inp, gain, bias, N, F, false, dtype));
  }

  @Benchmark
  public void backward() {
    kernels.run(new DoraCall.Backward(dinp, dmagnitude, dout, inp, gain, norm, N, F, F, false, dtype));
  }
}
