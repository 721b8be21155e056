package dev.attune.bench;

import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Loss and gradient of a small classifier, of tags, and of masked words. */
public class CrossEntropyBench extends OpBench {
  private static final int IGNORE = -100;

  @Param({"N=32 K=2", "N=800 K=9", "N=120 K=30522"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int K;
  private long labels;
  private long logits;
  private long losses;
  private long dlogits;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    K = dims.of("K");
    int[] label = new int[N];
    for (int n = 0; n < N; n++) {
      label[n] = n % K;
    }
    labels = tensors.ints(label);
    logits = tensors.input("logits", dtype, N, K);
    losses = tensors.output("losses", DType.F32, N);
    dlogits = tensors.output("dlogits", dtype, N, K);
  }

  @Override
  Work work(String method) {
    return Work.bytes(2.0 * N * K * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forwardBackward() {
    kernels.run(new CrossEntropyCall(losses, dlogits, logits, labels, N, K, IGNORE, 0, 1f / N, dtype));
  }
}
