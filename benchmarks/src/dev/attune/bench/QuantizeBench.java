package dev.attune.bench;

import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.core.DType;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.testkit.Storage;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** A weight into 4 and 8 bits, and back; dtype is that of the plain weight. */
public class QuantizeBench extends OpBench {
  @Param("F=2048 C=2048")
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int F;
  private int C;
  private long plain;
  private long nf4;
  private long int8;
  private long fromNf4;
  private long fromInt8;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    F = dims.of("F");
    C = dims.of("C");
    plain = tensors.input("plain", dtype, F, C);
    nf4 = tensors.output("nf4", Storage.U8, QuantizedLayout.of(F, C, DType.NF4).sizeBytes());
    int8 = tensors.output("int8", Storage.U8, QuantizedLayout.of(F, C, DType.INT8).sizeBytes());
    fromNf4 = tensors.output("fromNf4", dtype, F, C);
    fromInt8 = tensors.output("fromInt8", dtype, F, C);
    quantizeNf4();
    quantizeInt8();
  }

  @Override
  Work work(String method) {
    double coded = method.endsWith("Nf4") ? 0.5 : 1;
    return Work.bytes((dtype.sizeBytes() + coded) * F * C);
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void quantizeNf4() {
    kernels.run(new QuantizeCall.Pack(nf4, plain, F, C, dtype, DType.NF4));
  }

  @Benchmark
  public void quantizeInt8() {
    kernels.run(new QuantizeCall.Pack(int8, plain, F, C, dtype, DType.INT8));
  }

  @Benchmark
  public void dequantizeNf4() {
    kernels.run(new QuantizeCall.Unpack(fromNf4, nf4, F, C, dtype, DType.NF4));
  }

  @Benchmark
  public void dequantizeInt8() {
    kernels.run(new QuantizeCall.Unpack(fromInt8, int8, F, C, dtype, DType.INT8));
  }
}
