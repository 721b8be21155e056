package dev.attune.kernels.cuda;

import dev.attune.core.DType;
import dev.attune.kernels.NativeBackend;
import dev.attune.kernels.NativeCalls;
import dev.attune.kernels.calls.CudnnCall;
import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.memory.Buffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.cuda.global.cudnn;

/**
 * Attention through cuDNN's graph API: {@link AttentionGraph}, compiled once a process for each
 * shape and direction. Sequences and their lengths are rounded up to powers of two in what is
 * compiled, since that takes a second; the rows beyond are skipped by its kernels.
 */
final class CudnnAttention implements AttentionEngine {
  /** A compiled direction of a shape. */
  private record Compiled(AttentionGraph attention, CudnnPlan plan) {}

  private final NativeBackend backend;
  private final Scratch scratch;
  private final cudnnContext handle = new cudnnContext();
  private final CudnnPlan.Target target;
  private final Map<Shape, Compiled> forwards = new HashMap<>();
  private final Map<Shape, Compiled> backwards = new HashMap<>();
  private Buffer offsets;
  private Buffer stats;
  private Buffer dots;
  private Buffer workspace;

  /** Why cuDNN cannot be used, or empty. */
  static Optional<String> unavailableReason() {
    return Linkage.problem("cuDNN", cudnn::cudnnGetVersion);
  }

  /** Its version, as NVIDIA writes it; the library has to be there. */
  static String version() {
    long version = cudnn.cudnnGetVersion();
    return version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
  }

  CudnnAttention(PresetRuntime runtime, NativeBackend backend, Scratch scratch) {
    this.backend = backend;
    this.scratch = scratch;
    CudnnPlan.check("cudnnCreate", cudnn.cudnnCreate(handle));
    CudnnPlan.check("cudnnSetStream", cudnn.cudnnSetStream(handle, runtime.streamPointer()));
    this.target = CudnnPlan.Target.of(handle);
  }

  @Override
  public String name() {
    return "cuDNN " + version();
  }

  @Override
  public void forward(Shape shape, Batch batch, long out, long lse) {
    Compiled compiled = forwards.computeIfAbsent(shape, s -> compile(AttentionGraph.forward(s)));
    place(compiled, shape, batch, out);
    compiled.plan().run(handle, workspace.address());
    backend.run(
        new CudnnCall.TransposeStats(
            lse, stats.address(), batch.cuSeqlens(), batch.sequences(), shape.heads(), true));
  }

  @Override
  public void backward(Shape shape, Batch batch, long out, long lse, long dout, long dqkv) {
    Compiled compiled = backwards.computeIfAbsent(shape, s -> compile(AttentionGraph.backward(s)));
    AttentionGraph g = compiled.attention();
    place(compiled, shape, batch, out);
    backend.run(
        new CudnnCall.TransposeStats(
            stats.address(), lse, batch.cuSeqlens(), batch.sequences(), shape.heads(), false));
    dots = scratch.grown(dots, statsBytes(shape));
    compiled
        .plan()
        .at(g.dots, dots.address())
        .at(g.dout, dout)
        .at(g.dq, dqkv)
        .at(g.dk, dqkv + keyBytes(shape))
        .at(g.dv, dqkv + valueBytes(shape))
        .run(handle, workspace.address());
  }

  private Compiled compile(AttentionGraph attention) {
    return new Compiled(attention, new CudnnPlan(attention.graph, target));
  }

  /** What both directions take: the batch, its offsets, and room. */
  private void place(Compiled compiled, Shape shape, Batch batch, long out) {
    long stride = NativeCalls.offsetsStride(backend.library().handle(), shape.sequences());
    offsets = scratch.grown(offsets, 4 * stride * Integer.BYTES);
    stats = scratch.grown(stats, statsBytes(shape));
    workspace = scratch.grown(workspace, Math.max(1, compiled.plan().workspaceBytes()));
    backend.run(
        new CudnnCall.SequenceOffsets(
            offsets.address(),
            batch.cuSeqlens(),
            batch.sequences(),
            shape.sequences(),
            shape.width(),
            shape.outWidth(),
            shape.heads()));
    AttentionGraph g = compiled.attention();
    compiled
        .plan()
        .at(g.lengths, offsets.address())
        .at(g.rowOffsets, offsets.address() + stride * Integer.BYTES)
        .at(g.outOffsets, offsets.address() + 2 * stride * Integer.BYTES)
        .at(g.statsOffsets, offsets.address() + 3 * stride * Integer.BYTES)
        .at(g.q, batch.qkv())
        .at(g.k, batch.qkv() + keyBytes(shape))
        .at(g.v, batch.qkv() + valueBytes(shape))
        .at(g.out, out)
        .at(g.stats, stats.address());
  }

  /** Of a number for each head of each row, however many rows there are. */
  private static long statsBytes(Shape shape) {
    return shape.sequences() * shape.length() * shape.heads() * Float.BYTES;
  }

  /** Where the key is in a row. */
  private static long keyBytes(Shape shape) {
    return shape.outWidth() * DType.BF16.sizeBytes();
  }

  private static long valueBytes(Shape shape) {
    return keyBytes(shape) + shape.keyValueHeads() * shape.headSize() * DType.BF16.sizeBytes();
  }

  @Override
  public void close() {
    for (Map<Shape, Compiled> plans : List.of(forwards, backwards)) {
      plans.values().forEach(compiled -> compiled.plan().close());
    }
    for (Buffer held : new Buffer[] {offsets, stats, dots, workspace}) {
      if (held != null) {
        held.close();
      }
    }
    CudnnPlan.check("cudnnDestroy", cudnn.cudnnDestroy(handle));
  }
}
