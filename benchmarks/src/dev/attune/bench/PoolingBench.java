package dev.attune.bench;

import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** First rows and means of the sequences of a batch. */
public class PoolingBench extends OpBench {
  @Param({"B=32 N=800 C=384", "B=32 N=800 C=768"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int B;
  private int N;
  private int C;
  private long cuSeqlens;
  private long firstRows;
  private long inp;
  private long out;
  private long dout;
  private long dinp;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    B = dims.of("B");
    N = dims.of("N");
    C = dims.of("C");
    int[] offsets = new int[B + 1];
    int[] first = new int[B];
    for (int b = 0; b < B; b++) {
      first[b] = offsets[b];
      offsets[b + 1] = N * (b + 1) / B;
    }
    cuSeqlens = tensors.ints(offsets);
    firstRows = tensors.ints(first);
    inp = tensors.input("inp", dtype, N, C);
    dout = tensors.input("dout", dtype, B, C);
    out = tensors.output("out", dtype, B, C);
    dinp = tensors.output("dinp", dtype, N, C);
  }

  @Override
  Work work(String method) {
    double rows = method.equals("gatherForward") ? 2.0 * B : (double) B + N;
    return Work.bytes(rows * C * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void gatherForward() {
    kernels.run(new GatherRowsCall.Forward(out, inp, firstRows, B, C, dtype));
  }

  @Benchmark
  public void gatherBackward() {
    kernels.run(new GatherRowsCall.Backward(dinp, dout, firstRows, N, B, C, false, dtype));
  }

  @Benchmark
  public void meanForward() {
    kernels.run(new MeanPoolCall.Forward(out, inp, cuSeqlens, B, C, dtype));
  }

  @Benchmark
  public void meanBackward() {
    kernels.run(new MeanPoolCall.Backward(dinp, dout, cuSeqlens, B, C, false, dtype));
  }
}
