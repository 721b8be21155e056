package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AttentionCall;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * Bidirectional attention over one (N, 3C) product: short sentences of lengths spread evenly over
 * {@code T}, and long sequences of one length.
 */
public class AttentionBench extends OpBench {
  private static final float DROPOUT = 0.1f;
  private static final long SEED = 42;

  @Param({
    "B=32 T=4-46 H=12 D=32",
    "B=16 T=256 H=12 D=32",
    "B=32 T=4-46 H=12 D=64",
    "B=16 T=256 H=12 D=64"
  })
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int B;
  private int H;
  private int D;
  private int[] offsets;
  private int maxLength;
  private long cu;
  private long qkv;
  private long out;
  private long lse;
  private long outDropout;
  private long lseDropout;
  private long dout;
  private long dqkv;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    B = dims.of("B");
    H = dims.of("H");
    D = dims.of("D");
    offsets = dims.offsets();
    maxLength = dims.high("T");
    int N = offsets[B];
    cu = tensors.ints(offsets);
    qkv = tensors.input("qkv", dtype, N, 3L * H * D);
    dout = tensors.input("dout", dtype, N, (long) H * D);
    out = tensors.output("out", dtype, N, (long) H * D);
    lse = tensors.output("lse", DType.F32, H, N);
    dqkv = tensors.output("dqkv", dtype, N, 3L * H * D);
    outDropout = tensors.output("outDropout", dtype, N, (long) H * D);
    lseDropout = tensors.output("lseDropout", DType.F32, H, N);
    // Backward builds on what the forward of the same probability saved.
    forward();
    forwardDropout();
  }

  @Override
  Work work(String method) {
    // Two products forward; backward five, as the scores are computed again.
    double products = method.startsWith("forward") ? 2 : 5;
    return Work.flops(products * 2 * Dims.pairs(offsets) * H * D);
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    forward(out, lse, 0);
  }

  @Benchmark
  public void forwardDropout() {
    forward(outDropout, lseDropout, DROPOUT);
  }

  @Benchmark
  public void backward() {
    backward(out, lse, 0);
  }

  @Benchmark
  public void backwardDropout() {
    backward(outDropout, lseDropout, DROPOUT);
  }

  private void forward(long outOf, long lseOf, float p) {
    long width = (long) H * D;
    long step = width * dtype.sizeBytes();
    kernels.run(
        new AttentionCall.Forward(
            outOf,
            lseOf,
            qkv,
            qkv + step,
            qkv + 2 * step,
            cu,
            cu,
            new AttentionCall.Problem(
                3 * width,
                3 * width,
                B,
                maxLength,
                H,
                H,
                D,
                (float) (1 / Math.sqrt(D)),
                false,
                0,
                p,
                SEED,
                0,
                dtype)));
  }

  private void backward(long outOf, long lseOf, float p) {
    long width = (long) H * D;
    long step = width * dtype.sizeBytes();
    kernels.run(
        new AttentionCall.Backward(
            dqkv,
            dqkv + step,
            dqkv + 2 * step,
            dout,
            qkv,
            qkv + step,
            qkv + 2 * step,
            outOf,
            lseOf,
            cu,
            cu,
            new AttentionCall.Problem(
                3 * width,
                3 * width,
                B,
                maxLength,
                H,
                H,
                D,
                (float) (1 / Math.sqrt(D)),
                false,
                0,
                p,
                SEED,
                0,
                dtype)));
  }
}
