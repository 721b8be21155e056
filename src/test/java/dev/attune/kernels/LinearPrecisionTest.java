package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ref.LinearRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.Storage;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * How exact the products of f32 are, and what becomes of values at the ends of its range: matrix
 * tiles multiply them in three parts of bf16 (native/cpu/amx_parts.h).
 */
class LinearPrecisionTest {
  private static KernelCase forward(double[] inp, double[] weight, int N, int C, int F) {
    return forward(inp, weight, DType.F32, N, C, F);
  }

  private static KernelCase forward(
      double[] inp, double[] weight, DType weightType, int N, int C, int F) {
    KernelCase k = KernelCase.forward(DType.F32, "linearForward N=%d C=%d F=%d", N, C, F);
    k.input("inp", DType.F32, inp);
    k.input("weight", weightType, weight);
    k.overwritten("out", DType.F32, N * F);
    return k.calls(
        (backend, at) ->
            backend.run(
                new LinearCall.Forward(
                    at.of("out"),
                    0,
                    at.of("inp"),
                    at.of("weight"),
                    0,
                    N,
                    C,
                    F,
                    Activation.NONE,
                    DType.F32,
                    weightType)));
  }

  private static double[] draw(KernelCase k, int count) {
    return k.draw(Storage.F32, count);
  }

  /** Root mean square of the error, as a part of that of the exact values. */
  private static double error(double[] exact, double[] values) {
    double errors = 0;
    double squares = 0;
    for (int i = 0; i < exact.length; i++) {
      errors += (values[i] - exact[i]) * (values[i] - exact[i]);
      squares += exact[i] * exact[i];
    }
    return Math.sqrt(errors / squares);
  }

  /**
   * Products are as exact as chains of f32 sums; those in parts have little more than half of their
   * error.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void productsAreAsExactAsChainsOfF32(Target target) {
    for (int[] shape : new int[][] {{40, 384, 96}, {33, 768, 70}, {50, 3070, 40}}) {
      int N = shape[0];
      int C = shape[1];
      int F = shape[2];
      KernelCase values = KernelCase.forward(DType.F32, "precision N=%d C=%d F=%d", N, C, F);
      double[] inp = draw(values, N * C);
      double[] weight = draw(values, F * C);
      double[] dout = draw(values, N * F);

      double[] exact = LinearRef.pre(Precision.EXACT, inp, weight, null, N, C, F);
      double[] out = forward(inp, weight, N, C, F).run(target.backend()).values().get("out");
      double chains = error(exact, LinearRef.pre(Precision.F32, inp, weight, null, N, C, F));
      assertExact(target, "forward", C, error(exact, out), chains);

      // The depth of this one is F rows of the other, of which there are few: turned round.
      KernelCase input = KernelCase.backward(DType.F32, "linearBackwardInput of %d", C);
      input.input("dout", DType.F32, inp);
      double[] transposed = new double[F * C];
      for (int f = 0; f < F; f++) {
        for (int c = 0; c < C; c++) {
          transposed[c * F + f] = weight[f * C + c];
        }
      }
      input.input("weight", DType.F32, transposed);
      input.overwritten("dinp", DType.F32, N * F);
      input.calls(
          (backend, at) ->
              backend.run(
                  new LinearCall.BackwardInput(
                      at.of("dinp"),
                      0,
                      at.of("dout"),
                      at.of("weight"),
                      0,
                      N,
                      F,
                      C,
                      Activation.NONE,
                      false,
                      DType.F32,
                      DType.F32)));
      double[] dinp = input.run(target.backend()).values().get("dinp");
      assertExact(target, "gradient of the input", C, error(exact, dinp), chains);

      // C rows of N and F columns.
      KernelCase gradient = KernelCase.backward(DType.F32, "linearBackwardWeight of %d", C);
      double[] rowsOfInp = new double[C * N];
      for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++) {
          rowsOfInp[c * N + n] = inp[n * C + c];
        }
      }
      gradient.input("dout", DType.F32, rowsOfInp);
      gradient.input("inp", DType.F32, transposed);
      gradient.overwritten("dweight", Storage.F32, N * F);
      gradient.calls(
          (backend, at) ->
              backend.run(
                  new LinearCall.BackwardWeight(
                      at.of("dweight"),
                      0,
                      at.of("dout"),
                      at.of("inp"),
                      C,
                      F,
                      N,
                      false,
                      DType.F32)));
      double[] dweight = gradient.run(target.backend()).values().get("dweight");
      assertExact(target, "gradient of the weight", C, error(exact, dweight), chains);
    }
  }

  /** Few rows that meet a weight in bf16, as the logits of texts do. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void fewRowsMeetAWeightInBf16AsExactly(Target target) {
    for (int N : new int[] {1, 16}) {
      int C = 770;
      int F = 70;
      KernelCase values = KernelCase.forward(DType.F32, "precision of few rows N=%d", N);
      double[] inp = draw(values, N * C);
      double[] weight = values.draw(Storage.BF16, F * C);
      double[] exact = LinearRef.pre(Precision.EXACT, inp, weight, null, N, C, F);
      double[] out =
          forward(inp, weight, DType.BF16, N, C, F).run(target.backend()).values().get("out");
      double chains = error(exact, LinearRef.pre(Precision.F32, inp, weight, null, N, C, F));
      assertTrue(error(exact, out) <= chains, N + " rows: " + error(exact, out) + ", " + chains);
    }
  }

  private static void assertExact(
      Target target, String product, int depth, double error, double chains) {
    String what = product + ", depth " + depth + ": " + error + ", chains " + chains;
    assertTrue(error <= chains, what);
    if (target.multipliesInParts()) {
      assertTrue(error < 1e-8 * Math.sqrt(depth) && error < 0.6 * chains, what);
    }
  }

  /** What is not finite makes its row so, and no other. Largest and smallest numbers as well. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void valuesAtTheEndsOfTheRangeNeverGiveWrongFiniteNumbers(Target target) {
    int N = 40;
    int C = 70;
    int F = 50;
    double[] special = {
      Double.NaN,
      Double.POSITIVE_INFINITY,
      Double.NEGATIVE_INFINITY,
      Float.MAX_VALUE, // rounds to an infinity in bf16
      0x1.fefffep127, // the largest that does not
      0x1p-100,
      0x1.abcdefp-108,
      0x1p-126, // below are subnormals
      0x1p-149
    };
    KernelCase values = KernelCase.forward(DType.F32, "ends of the range");
    double[] inp = draw(values, N * C);
    double[] weight = draw(values, F * C);
    for (int i = 0; i < special.length; i++) {
      for (int c = 0; c < C; c++) {
        inp[3 * i * C + c] = i < 5 ? inp[3 * i * C + c] : inp[3 * i * C + c] * special[i];
      }
      if (i < 5) {
        inp[3 * i * C + 7 * i] = special[i];
      }
    }
    for (int f = 0; f < F; f++) {
      for (int i = 0; i < 5; i++) {
        weight[f * C + 7 * i] = (f + 1) / 64.0;
      }
    }
    for (int i = 0; i < N * C; i++) {
      inp[i] = (float) inp[i];
    }
    double[] exact = LinearRef.pre(Precision.EXACT, inp, weight, null, N, C, F);
    double[] out = forward(inp, weight, N, C, F).run(target.backend()).values().get("out");
    double[] sizes =
        LinearRef.pre(Precision.EXACT, magnitudes(inp), magnitudes(weight), null, N, C, F);
    for (int i = 0; i < N * F; i++) {
      String what = "row " + i / F + ", column " + i % F + ": " + out[i] + " for " + exact[i];
      if (Double.isFinite(exact[i]) && (i / F != 9 || !target.multipliesInParts())) {
        // Parts below the least normal number are lost.
        assertEquals(exact[i], out[i], sizes[i] * 0x1p-18 + C * 0x1p-123, what);
      } else {
        assertFalse(Double.isFinite(out[i]), what);
      }
    }
  }

  private static double[] magnitudes(double[] values) {
    return Arrays.stream(values).map(Math::abs).toArray();
  }
}
