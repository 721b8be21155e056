package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.calls.DisentangledAttentionCall;
import dev.attune.kernels.calls.DisentangledAttentionCall.Scores;
import dev.attune.kernels.calls.DisentangledAttentionCall.Shape;
import dev.attune.ops.DisentangledAttention;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * Attention of DeBERTa-v3, with its 256 buckets of distances to each side: the sequences of {@link
 * AttentionBench}.
 */
public class DisentangledAttentionBench extends OpBench {
  private static final float DROPOUT = 0.1f;
  private static final long SEED = 42;
  private static final int BUCKETS = 256;
  private static final int MAX_DISTANCE = 512;
  private static final int P = 2 * BUCKETS;
  private static final int GROUPS = 8;

  /** Content to content, content to position, position to content. */
  private static final int TERMS = 3;

  @Param({"B=32 T=4-46 H=12 D=64", "B=16 T=256 H=12 D=64"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int[] offsets;
  private long width;
  private Shape problem;
  private long cu;
  private long places;
  private long qkv;
  private long positions;
  private long out;
  private long lse;
  private long outDropout;
  private long lseDropout;
  private long dout;
  private long dqkv;
  private long dpositions;
  private long scratch;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    int B = dims.of("B");
    int H = dims.of("H");
    int D = dims.of("D");
    offsets = dims.offsets();
    width = (long) H * D;
    int N = offsets[B];
    int[] rows = DisentangledAttention.places(BUCKETS, MAX_DISTANCE);
    problem = new Shape(N, 3 * width, 2 * width, B, dims.high("T"), H, D, P, rows.length / 2);
    cu = tensors.ints(offsets);
    places = tensors.ints(rows);
    qkv = tensors.input("qkv", dtype, N, 3 * width);
    positions = tensors.input("positions", dtype, P, 2 * width);
    dout = tensors.input("dout", dtype, N, width);
    out = tensors.output("out", dtype, N, width);
    lse = tensors.output("lse", DType.F32, H, N);
    dqkv = tensors.output("dqkv", dtype, N, 3 * width);
    dpositions = tensors.output("dpositions", dtype, P, 2 * width);
    // What is left in it is nobody's: an input is not compared.
    scratch =
        tensors.input("scratch", DType.F32, DisentangledAttentionCall.scratch(N, H, D, P, GROUPS));
    outDropout = tensors.output("outDropout", dtype, N, width);
    lseDropout = tensors.output("lseDropout", DType.F32, H, N);
    // Backward builds on what the forward of the same probability saved.
    forward();
    forwardDropout();
  }

  @Override
  Work work(String method) {
    // Two products forward and five backward, as of attention; the two terms more of a score are a
    // product each, with two gradients.
    double products = method.startsWith("forward") ? 1 + TERMS : 2 + 3 * TERMS;
    return Work.flops(products * 2 * Dims.pairs(offsets) * width);
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

  private Scores scores(float p) {
    return new Scores((float) (1 / Math.sqrt(TERMS * problem.D())), p, SEED, 0, dtype);
  }

  private long part(long address, int index) {
    return address + index * width * dtype.sizeBytes();
  }

  private void forward(long outOf, long lseOf, float p) {
    kernels.run(
        new DisentangledAttentionCall.Forward(
            outOf,
            lseOf,
            qkv,
            part(qkv, 1),
            part(qkv, 2),
            part(positions, 1),
            positions,
            places,
            cu,
            problem,
            scores(p)));
  }

  private void backward(long outOf, long lseOf, float p) {
    kernels.run(
        new DisentangledAttentionCall.Backward(
            dqkv,
            part(dqkv, 1),
            part(dqkv, 2),
            part(dpositions, 1),
            dpositions,
            scratch,
            dout,
            qkv,
            part(qkv, 1),
            part(qkv, 2),
            part(positions, 1),
            positions,
            outOf,
            lseOf,
            places,
            cu,
            problem,
            GROUPS,
            scores(p)));
  }
}
