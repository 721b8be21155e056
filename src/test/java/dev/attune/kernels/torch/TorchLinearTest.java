package dev.attune.kernels.torch;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;
import org.junit.jupiter.api.Test;

class TorchLinearTest extends TorchTestCase {
  private int N = 5;
  private int C = 7;
  private int F = 3;
  // A power of two: keeps sums of many products near 1, so that their noise is that of f32 at 1.
  private double shrink = 1;

  /** act(x), in double. */
  static double apply(Activation activation, double x) {
    return switch (activation) {
      case NONE -> x;
      case GELU -> x * 0.5 * (1 + erf(x / Math.sqrt(2)));
      case GELU_TANH -> 0.5 * x * (1 + Math.tanh(inner(x)));
      case TANH -> Math.tanh(x);
      case RELU -> Math.max(0, x);
      case SILU -> x / (1 + Math.exp(-x));
      case QUICK_GELU -> x / (1 + Math.exp(-1.702 * x));
      case GELU_10 -> Math.min(10, apply(Activation.GELU, x));
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case MISH -> x * Math.tanh(Math.log1p(Math.exp(x)));
      case LAPLACE -> 0.5 * (1 + erf((x - 0.707107) / (0.282095 * Math.sqrt(2))));
      case LEAKY_RELU -> x > 0 ? x : 0.01 * x;
      case RELU6 -> Math.min(6, Math.max(0, x));
      case RELU_SQUARED -> Math.max(0, x) * Math.max(0, x);
      case HARD_SWISH -> x * Math.min(6, Math.max(0, x + 3)) / 6;
    };
  }

  /** act'(x), by central differences except where there is a corner. */
  static double slope(Activation activation, double x) {
    if (activation == Activation.RELU) {
      return x > 0 ? 1 : 0;
    }
    double h = 1e-5;
    return (apply(activation, x + h) - apply(activation, x - h)) / (2 * h);
  }

  private static double inner(double x) {
    return Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
  }

  /** Taylor series, good to 1e-7 at its edge and better inside; beyond it, erf is 1 to 1e-9. */
  private static double erf(double x) {
    if (Math.abs(x) > 4.5) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 200; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
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
