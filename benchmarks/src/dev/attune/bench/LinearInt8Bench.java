package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.calls.LinearInt8Call;
import dev.attune.testkit.Storage;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Products of integers: the shapes of {@link LinearBench}, and of one text. */
public class LinearInt8Bench extends OpBench {
  @Param({
    "N=800 C=384 F=1152",
    "N=800 C=384 F=1536",
    "N=800 C=1536 F=384",
    "N=800 C=768 F=2304",
    "N=800 C=768 F=3072",
    "N=800 C=3072 F=768",
    "N=12 C=384 F=1536",
    "N=12 C=768 F=3072"
  })
  public String shape;

  private int N;
  private int C;
  private int F;
  private long inp;
  private long plain;
  private long weight;
  private long bias;
  private long out;
  private long scratch;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    C = dims.of("C");
    F = dims.of("F");
    double bound = 1 / Math.sqrt(C);
    inp = tensors.input("inp", DType.F32, N, C);
    plain = tensors.uniform("plain", DType.F32, -bound, bound, F, C);
    bias = tensors.uniform("bias", DType.F32, -bound, bound, F);
    weight = tensors.output("weight", Storage.U8, ChannelInt8Layout.of(C).sizeBytes(F));
    out = tensors.output("out", DType.F32, N, F);
    scratch = tensors.output("scratch", Storage.U8, LinearInt8Call.Forward.scratchBytes(N, C));
    pack();
  }

  @Override
  Work work(String method) {
    return method.equals("pack") ? Work.bytes(5.0 * F * C) : Work.flops(2.0 * N * C * F);
  }

  @Override
  DType type() {
    return DType.F32;
  }

  @Benchmark
  public void pack() {
    kernels.run(new LinearInt8Call.Pack(weight, plain, F, C));
  }

  @Benchmark
  public void forward() {
    forward(Activation.NONE);
  }

  @Benchmark
  public void forwardGelu() {
    forward(Activation.GELU);
  }

  private void forward(Activation activation) {
    kernels.run(new LinearInt8Call.Forward(out, scratch, inp, weight, bias, N, C, F, activation));
  }
}
