package dev.attune.bench;

import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.core.DType;
import dev.attune.testkit.Storage;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The most likely token of each row of logits. */
public class ArgmaxBench extends OpBench {
  @Param({"N=1 K=50257", "N=16 K=151936"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int K;
  private long inp;
  private long out;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    K = dims.of("K");
    inp = tensors.input("inp", dtype, N, K);
    out = tensors.output("out", Storage.I32, N);
  }

  @Override
  Work work(String method) {
    return Work.bytes((double) N * K * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new ArgmaxCall(out, inp, N, K, dtype));
  }
}
