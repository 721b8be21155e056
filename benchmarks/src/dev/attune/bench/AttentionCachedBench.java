package dev.attune.bench;

import dev.attune.kernels.calls.AttentionCachedCall;
import dev.attune.core.DType;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** One new token for each of B sequences with K keys in their cache. */
public class AttentionCachedBench extends OpBench {
  @Param({"B=1 K=4096 H=32 Hkv=8 D=128", "B=8 K=512 H=12 Hkv=12 D=64", "B=8 K=512 H=32 Hkv=4 D=64"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int B;
  private int K;
  private int H;
  private int Hkv;
  private int D;
  private long q;
  private long kCache;
  private long vCache;
  private long cuQ;
  private long kStart;
  private long kCount;
  private long out;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    B = dims.of("B");
    K = dims.of("K");
    H = dims.of("H");
    Hkv = dims.of("Hkv");
    D = dims.of("D");
    q = tensors.input("q", dtype, B, H * D);
    kCache = tensors.input("kCache", dtype, B * K, Hkv * D);
    vCache = tensors.input("vCache", dtype, B * K, Hkv * D);
    int[] offsets = new int[B + 1];
    Arrays.setAll(offsets, b -> b);
    cuQ = tensors.ints(offsets);
    int[] starts = new int[B];
    Arrays.setAll(starts, b -> b * K);
    kStart = tensors.ints(starts);
    int[] counts = new int[B];
    Arrays.fill(counts, K);
    kCount = tensors.ints(counts);
    out = tensors.output("out", dtype, B, H * D);
  }

  @Override
  Work work(String method) {
    return Work.bytes(2.0 * B * K * Hkv * D * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new AttentionCachedCall(
        out,
        q,
        kCache,
        vCache,
        cuQ,
        kStart,
        kCount,
        (long) H * D,
        (long) Hkv * D,
        B,
        H,
        Hkv,
        D,
        (float) (1 / Math.sqrt(D)),
        0,
        dtype));
  }
}
