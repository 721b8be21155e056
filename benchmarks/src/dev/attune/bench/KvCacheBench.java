package dev.attune.bench;

import dev.attune.kernels.calls.KvCacheWriteCall;
import dev.attune.core.DType;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Keys and values of a prefill into their caches. */
public class KvCacheBench extends OpBench {
  @Param("N=800 C=1024")
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int C;
  private long k;
  private long v;
  private long rows;
  private long kCache;
  private long vCache;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    C = dims.of("C");
    k = tensors.input("k", dtype, N, C);
    v = tensors.input("v", dtype, N, C);
    kCache = tensors.output("kCache", dtype, N, C);
    vCache = tensors.output("vCache", dtype, N, C);
    int[] order = new int[N];
    Arrays.setAll(order, n -> N - 1 - n);
    rows = tensors.ints(order);
  }

  @Override
  Work work(String method) {
    return Work.bytes(4.0 * N * C * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void write() {
    kernels.run(new KvCacheWriteCall(kCache, vCache, k, v, rows, N, C, C, C, dtype));
  }
}
