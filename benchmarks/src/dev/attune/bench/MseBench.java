package dev.attune.bench;

import dev.attune.kernels.calls.MseCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Loss and gradient of a regression: as small as it is in a model, and large. */
public class MseBench extends OpBench {
  @Param({"N=32", "N=1000000"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private long pred;
  private long targets;
  private long losses;
  private long dpred;

  @Override
  void layOut() {
    N = new Dims(shape).of("N");
    pred = tensors.input("pred", dtype, N);
    targets = tensors.input("targets", DType.F32, N);
    losses = tensors.output("losses", DType.F32, N);
    dpred = tensors.output("dpred", dtype, N);
  }

  @Override
  Work work(String method) {
    return Work.bytes(2.0 * N * (dtype.sizeBytes() + Float.BYTES));
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forwardBackward() {
    kernels.run(new MseCall(losses, dpred, pred, targets, N, 1f / N, dtype));
  }
}
