package dev.attune.bench;

import dev.attune.kernels.calls.CastCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Conversions between f32 and bf16. */
public class CastBench extends OpBench {
  @Param({"N=800 C=384", "N=800 C=768"})
  public String shape;

  @Param("BF16")
  public DType dtype;

  private long count;
  private long wideInp;
  private long narrowInp;
  private long wideOut;
  private long narrowOut;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    count = (long) dims.of("N") * dims.of("C");
    wideInp = tensors.input("wideInp", DType.F32, count);
    narrowInp = tensors.input("narrowInp", dtype, count);
    wideOut = tensors.output("wideOut", DType.F32, count);
    narrowOut = tensors.output("narrowOut", dtype, count);
  }

  @Override
  Work work(String method) {
    return Work.bytes((double) count * (Float.BYTES + dtype.sizeBytes()));
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void widen() {
    kernels.run(new CastCall(wideOut, narrowInp, count, false, DType.F32, dtype));
  }

  @Benchmark
  public void narrow() {
    kernels.run(new CastCall(narrowOut, wideInp, count, false, dtype, DType.F32));
  }
}
