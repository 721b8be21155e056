package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The step of stochastic gradient descent with momentum. */
public class SgdBench extends OpBench {
  private static final float LEARNING_RATE = 1e-5f;
  private static final float MOMENTUM = 0.9f;
  private static final float DECAY = 0.01f;

  @Param({"count=10616832", "count=28311552"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private int count;
  private long weight;
  private long momentumBuffer;
  private long grad;

  @Override
  void layOut() {
    count = new Dims(shape).of("count");
    weight = tensors.updated("weight", dtype, -1, 1, count);
    momentumBuffer = tensors.updated("momentumBuffer", dtype, -0.1, 0.1, count);
    grad = tensors.uniform("grad", dtype, -0.1, 0.1, count);
    kernels.run(new StepCall.Update(LEARNING_RATE, 1, 1, 1));
  }

  @Override
  Work work(String method) {
    // Weight and momentum are read and written, the gradient is read.
    return Work.bytes(5.0 * count * Float.BYTES);
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void dense() {
    kernels.run(
        new SgdCall.Flat(weight, momentumBuffer, 0, grad, count, MOMENTUM, DECAY, 1, false));
  }
}
