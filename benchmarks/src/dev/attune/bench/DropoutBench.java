package dev.attune.bench;

import dev.attune.kernels.calls.DropoutCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Dropout on its own; backward is the same call. */
public class DropoutBench extends OpBench {
  private static final float P = 0.1f;
  private static final long SEED = 42;

  @Param({"N=800 C=384", "N=800 C=768"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private long count;
  private long inp;
  private long out;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    count = (long) dims.of("N") * dims.of("C");
    inp = tensors.input("inp", dtype, count);
    out = tensors.output("out", dtype, count);
  }

  @Override
  Work work(String method) {
    return Work.bytes(2.0 * count * dtype.sizeBytes());
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void apply() {
    kernels.run(new DropoutCall(out, inp, count, P, SEED, 0, dtype));
  }
}
