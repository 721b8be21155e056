package dev.attune.bench;

import dev.attune.kernels.calls.RopeCall;
import dev.attune.core.DType;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Rotary position embedding of the heads of a query product. */
public class RopeBench extends OpBench {
  private static final int P = 1024;

  @Param({"N=800 H=12 D=64", "N=800 H=32 D=128"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int H;
  private int D;
  private long inp;
  private long table;
  private long positions;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    H = dims.of("H");
    D = dims.of("D");
    inp = tensors.updated("inp", dtype, -1, 1, N, H * D);
    // Not angles, but no call makes the numbers grow: it is timed many times in place.
    table = tensors.uniform("table", DType.F32, -0.7, 0.7, P, D);
    int[] rows = new int[N];
    Arrays.setAll(rows, n -> n % P);
    positions = tensors.ints(rows);
  }

  @Override
  Work work(String method) {
    return Work.bytes(2.0 * N * H * D * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new RopeCall(inp, table, positions, N, H, D, D, (long) H * D, P, false, dtype));
  }
}
