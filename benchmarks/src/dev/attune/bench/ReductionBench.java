package dev.attune.bench;

import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.core.DType;
import dev.attune.testkit.Storage;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The gradient norm: of the layers' gradients, and of the rows of the word table that have one. */
public class ReductionBench extends OpBench {
  /** Spreads rows over the table; prime. */
  private static final int STRIDE = 7919;

  @Param({"count=10616832 V=30522 C=384 M=600", "count=28311552 V=30522 C=768 M=600"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private int count;
  private int C;
  private int M;
  private long inp;
  private long table;
  private long rows;
  private long out;
  private long outRows;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    count = dims.of("count");
    C = dims.of("C");
    M = dims.of("M");
    int V = dims.of("V");
    int[] row = new int[M];
    for (int m = 0; m < M; m++) {
      row[m] = (int) ((long) m * STRIDE % V);
    }
    rows = tensors.ints(row);
    inp = tensors.input("inp", dtype, count);
    table = tensors.input("table", dtype, V, C);
    out = tensors.output("out", Storage.F64, 1);
    outRows = tensors.output("outRows", Storage.F64, 1);
  }

  @Override
  Work work(String method) {
    double elements = method.equals("sumOfSquares") ? count : (double) M * C;
    return Work.bytes(elements * Float.BYTES);
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void sumOfSquares() {
    kernels.run(new SumOfSquaresCall.Flat(out, inp, count));
  }

  @Benchmark
  public void sumOfSquaresRows() {
    kernels.run(new SumOfSquaresCall.Rows(outRows, table, rows, M, C));
  }
}
