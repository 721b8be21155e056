package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * The optimizer step: over the layers of MiniLM, over four layers of BERT-base, and over a word
 * table of which M rows have a gradient.
 */
public class AdamWBench extends OpBench {
  private static final float LEARNING_RATE = 1e-5f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPS = 1e-8f;
  private static final float DECAY = 0.01f;

  /** One minus a beta to the tenth: the tenth step. */
  private static final float CORRECTION1 = 0.651f;

  private static final float CORRECTION2 = 0.00996f;

  /** As many rows had a gradient before as have one now. */
  private static final int HAD_GRADIENT = 1;

  private static final int HAS_GRADIENT = 2;

  /** Spreads rows over the table; prime. */
  private static final int STRIDE = 7919;

  @Param({"count=10616832 V=30522 C=384 M=600", "count=28311552 V=30522 C=768 M=600"})
  public String shape;

  @Param("F32")
  public DType dtype;

  private int count;
  private int V;
  private int C;
  private int M;
  private long weight;
  private long m;
  private long v;
  private long grad;
  private long shadow;
  private long rowState;
  private long halfM;
  private long halfV;
  private long mCodes;
  private long mScales;
  private long vCodes;
  private long vScales;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    count = dims.of("count");
    V = dims.of("V");
    C = dims.of("C");
    M = dims.of("M");
    long length = Math.max(count, (long) V * C);
    byte[] states = new byte[V];
    for (int i = 0; i < 2 * M; i++) {
      int row = (int) ((long) i * STRIDE % V);
      states[row] = (byte) (i < M ? HAS_GRADIENT : HAD_GRADIENT);
    }
    rowState = tensors.bytes(states);
    weight = tensors.updated("weight", dtype, -1, 1, length);
    m = tensors.updated("m", dtype, -0.01, 0.01, length);
    v = tensors.updated("v", dtype, 0, 1e-4, length);
    grad = tensors.uniform("grad", dtype, -0.1, 0.1, length);
    halfM = tensors.updated("halfM", DType.BF16, -0.01, 0.01, length);
    halfV = tensors.updated("halfV", DType.BF16, 0, 1e-4, length);
    mCodes = tensors.bytes(new byte[count]);
    vCodes = tensors.bytes(new byte[count]);
    int blocks = (count + AdamWCall.MOMENT_BLOCK - 1) / AdamWCall.MOMENT_BLOCK;
    mScales = tensors.updated("mScales", DType.F32, 0.01, 0.02, blocks);
    vScales = tensors.updated("vScales", DType.F32, 1e-4, 2e-4, blocks);
    shadow = tensors.output("shadow", DType.BF16, length);
    kernels.run(new StepCall.Update(LEARNING_RATE, CORRECTION1, CORRECTION2, 1));
  }

  @Override
  Work work(String method) {
    // Weight and both moments are read and written, the gradient is read.
    double full = 7 * Float.BYTES;
    return switch (method) {
      case "dense" -> Work.bytes(count * full);
      case "denseBf16" -> Work.bytes(count * (3.0 * Float.BYTES + 5 * Short.BYTES));
      case "dense8Bit" -> Work.bytes(count * (3.0 * Float.BYTES + 4 + Short.BYTES));
      case "denseShadow" -> Work.bytes(count * (full + Short.BYTES));
      // Every row decays; the moments of two M rows change, M gradients are read.
      case "rows" -> Work.bytes((2.0 * V + 9.0 * M) * C * Float.BYTES);
      default -> throw new IllegalArgumentException(method);
    };
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void dense() {
    dense(0);
  }

  @Benchmark
  public void denseShadow() {
    dense(shadow);
  }

  /** Moments in bf16, and the shadow. */
  @Benchmark
  public void denseBf16() {
    kernels.run(
        new AdamWCall.Flat(
            weight,
            halfM,
            halfV,
            shadow,
            grad,
            count,
            BETA1,
            BETA2,
            EPS,
            DECAY,
            1,
            5,
            7,
            0,
            DType.BF16));
  }

  /** Moments in 8 bits, and the shadow. */
  @Benchmark
  public void dense8Bit() {
    kernels.run(
        new AdamWCall.EightBit(
            weight, mCodes, mScales, vCodes, vScales, shadow, grad, count, BETA1, BETA2, EPS, DECAY,
            1));
  }

  @Benchmark
  public void rows() {
    kernels.run(
        new AdamWCall.Rows(weight, m, v, grad, rowState, V, C, BETA1, BETA2, EPS, DECAY, 1));
  }

  private void dense(long shadowOrNone) {
    kernels.run(
        new AdamWCall.Flat(weight, m, v, shadowOrNone, grad, count, BETA1, BETA2, EPS, DECAY, 1));
  }
}
