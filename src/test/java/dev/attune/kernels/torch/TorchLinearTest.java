package dev.attune.kernels.torch;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ref.ActivationRef;
import dev.attune.ref.Precision;
import org.junit.jupiter.api.Test;

class TorchLinearTest extends TorchTestCase {
  private int N = 5;
  private int C = 7;
  private int F = 3;
  // A power of two: keeps sums of many products near 1, so that their noise is that of f32 at 1.
  private double shrink = 1;

  /** act(x), in double. */
  static double apply(Activation activation, double x) {
    return ActivationRef.valueOf(activation.name()).value(Precision.EXACT, x);
  }

  /** act'(x), in double. */
  static double slope(Activation activation, double x) {
    return ActivationRef.valueOf(activation.name()).derivative(Precision.EXACT, x);
  }

  @Test
  void forwardStoresPreAndComputesTheActivationFromIt() {
    for (DType dtype : DTYPES) {
      for (DType weightDtype : DTYPES) {
        for (Activation activation : Activation.values()) {
          for (boolean hasBias : new boolean[] {true, false}) {
            forward(dtype, weightDtype, activation, hasBias);
          }
        }
      }
    }
  }

  private void forward(DType dtype, DType weightDtype, Activation activation, boolean hasBias) {
    double[] inp = normal(dtype, N * C);
    double[] weight = times(shrink, normal(weightDtype, F * C));
    double[] bias = normal(DType.F32, F);
    double[] operand = round(dtype, weight);
    double[] pre = new double[N * F];
    double[] out = new double[N * F];
    for (int n = 0; n < N; n++) {
      for (int f = 0; f < F; f++) {
        double sum = hasBias ? bias[f] : 0;
        for (int c = 0; c < C; c++) {
          sum += inp[n * C + c] * operand[f * C + c];
        }
        pre[n * F + f] = round(dtype, sum);
        out[n * F + f] = apply(activation, pre[n * F + f]);
      }
    }
    for (boolean keepsPre : new boolean[] {true, false}) {
      long outAt = poison(dtype, N * F);
      long preAt = keepsPre ? poison(dtype, N * F) : 0;
      backend.run(
          new LinearCall.Forward(
              outAt,
              preAt,
              put(dtype, inp),
              put(weightDtype, weight),
              hasBias ? put(DType.F32, bias) : 0,
              N,
              C,
              F,
              activation,
              dtype,
              weightDtype));
      String what = activation + " bias " + hasBias + " pre " + keepsPre;
      assertClose(dtype, out, get(dtype, outAt, N * F), what + " out");
      if (keepsPre) {
        assertClose(dtype, pre, get(dtype, preAt, N * F), what + " pre");
      }
    }
  }

  @Test
  void backwardInputAppliesTheSlopeAndAccumulates() {
    for (DType dtype : DTYPES) {
      for (DType weightDtype : DTYPES) {
        for (Activation activation : Activation.values()) {
          for (boolean accumulate : new boolean[] {true, false}) {
            backwardInput(dtype, weightDtype, activation, accumulate);
          }
        }
      }
    }
  }

  private void backwardInput(
      DType dtype, DType weightDtype, Activation activation, boolean accumulate) {
    double[] dout = normal(dtype, N * F);
    double[] weight = times(shrink, normal(weightDtype, F * C));
    double[] operand = round(dtype, weight);
    double[] pre = normal(dtype, N * C);
    double[] old = normal(dtype, N * C);
    double[] dinp = new double[N * C];
    double[] actOut = new double[N * C];
    for (int n = 0; n < N; n++) {
      for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int f = 0; f < F; f++) {
          sum += dout[n * F + f] * operand[f * C + c];
        }
        int at = n * C + c;
        dinp[at] = sum * slope(activation, pre[at]) + (accumulate ? old[at] : 0);
        actOut[at] = apply(activation, pre[at]);
      }
    }
    boolean wantsAct = activation != Activation.NONE;
    long dinpAt = accumulate ? put(dtype, old) : poison(dtype, N * C);
    long actAt = wantsAct ? poison(dtype, N * C) : 0;
    backend.run(
        new LinearCall.BackwardInput(
            dinpAt,
            actAt,
            put(dtype, dout),
            put(weightDtype, weight),
            wantsAct ? put(dtype, pre) : 0,
            N,
            C,
            F,
            activation,
            accumulate,
            dtype,
            weightDtype));
    assertClose(dtype, dinp, get(dtype, dinpAt, N * C), activation + " dinp");
    if (wantsAct) {
      assertClose(dtype, actOut, get(dtype, actAt, N * C), activation + " actOut");
    }
  }

  @Test
  void backwardWeightOverwritesOrAccumulates() {
    for (DType dtype : DTYPES) {
      for (boolean accumulate : new boolean[] {true, false}) {
        for (int rows : new int[] {N, 0}) {
          backwardWeight(dtype, accumulate, rows);
        }
      }
    }
  }

  private void backwardWeight(DType dtype, boolean accumulate, int rows) {
    double[] dout = times(shrink, normal(dtype, rows * F));
    double[] inp = normal(dtype, rows * C);
    double[] dweight = accumulate ? normal(DType.F32, F * C) : new double[F * C];
    double[] dbias = accumulate ? normal(DType.F32, F) : new double[F];
    long dweightAt = accumulate ? put(DType.F32, dweight) : poison(F * C);
    long dbiasAt = accumulate ? put(DType.F32, dbias) : poison(F);
    for (int n = 0; n < rows; n++) {
      for (int f = 0; f < F; f++) {
        dbias[f] += dout[n * F + f];
        for (int c = 0; c < C; c++) {
          dweight[f * C + c] += dout[n * F + f] * inp[n * C + c];
        }
      }
    }
    backend.run(
        new LinearCall.BackwardWeight(
            dweightAt, dbiasAt, put(dtype, dout), put(dtype, inp), rows, C, F, accumulate, dtype));
    assertClose(dweight, get(DType.F32, dweightAt, F * C), "dweight");
    assertClose(dbias, get(DType.F32, dbiasAt, F), "dbias");
  }

  @Test
  void productsLargerThanABlock() {
    N = 260;
    C = 530;
    F = 519;
    shrink = 1.0 / 32;
    for (DType dtype : DTYPES) {
      forward(dtype, DType.F32, Activation.TANH, true);
      backwardInput(dtype, DType.F32, Activation.TANH, true);
      backwardWeight(dtype, true, N);
    }
  }
}
