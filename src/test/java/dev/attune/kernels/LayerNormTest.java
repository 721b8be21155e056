package dev.attune.kernels;

import static dev.attune.kernels.LayerNormCases.DTYPES;
import static dev.attune.kernels.LayerNormCases.EPS;
import static dev.attune.kernels.LayerNormCases.Outputs;
import static dev.attune.kernels.LayerNormCases.SEED;
import static dev.attune.kernels.LayerNormCases.STREAM;
import static dev.attune.kernels.LayerNormCases.Sum;
import static dev.attune.kernels.LayerNormCases.backward;
import static dev.attune.kernels.LayerNormCases.call;
import static dev.attune.kernels.LayerNormCases.forward;
import static dev.attune.kernels.LayerNormCases.forwardWithoutBias;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.ref.DropoutRef;
import dev.attune.ref.LayerNormRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LayerNormTest extends KernelContract {
  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(
        Set.of("dweight", "dbias"),
        Set.of("dbias"),
        Set.of("dinp"),
        Set.of("dresidual"),
        Set.of("sum"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      // One column has a test of its own: its variance is zero.
      for (int C : Shapes.widths().subList(1, Shapes.widths().size())) {
        cases.add(forward(5, C, false, Sum.APART, 0, 0, dtype));
        cases.add(forward(6, C, true, Sum.IN_PLACE, 0.1f, 0.3f, dtype));
        cases.add(forwardWithoutBias(5, C, dtype));
        cases.add(backward(5, C, Outputs.ONE, false, false, 0, 0, dtype));
        cases.add(backward(6, C, Outputs.BOTH, true, true, 0.1f, 0.3f, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(forward(N, 50, true, Sum.APART, 0.1f, 0, dtype));
        cases.add(forward(N, 50, true, Sum.NONE, 0, 0.1f, dtype));
        cases.add(backward(N, 50, Outputs.INP, true, false, 0.1f, 0, dtype));
        cases.add(backward(N, 50, Outputs.RESIDUAL, false, false, 0, 0.1f, dtype));
        cases.add(backward(N, 50, Outputs.BOTH_ACCUMULATE, false, true, 0.1f, 0.1f, dtype));
      }
      for (int[] shape : Shapes.random("layerNorm " + dtype, 20, 40, 300)) {
        int C = 1 + shape[1];
        cases.add(forward(shape[0], C, true, Sum.IN_PLACE, 0.2f, 0.1f, dtype));
        cases.add(backward(shape[0], C, Outputs.BOTH_ACCUMULATE, true, true, 0.2f, 0.1f, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(307, 131, true, Sum.APART, 0.1f, 0.1f, dtype));
      cases.add(backward(307, 131, Outputs.BOTH_ACCUMULATE, true, true, 0.1f, 0.1f, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int C : new int[] {768, 1024, 4096}) {
        cases.add(forward(777, C, true, Sum.IN_PLACE, 0.1f, 0, dtype));
        cases.add(backward(777, C, Outputs.BOTH, false, false, 0.1f, 0, dtype));
      }
    }
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int N = 3;
    int C = 7;
    float pInp = 0.2f;
    float pOut = 0.3f;
    double[] inp = Gradients.normal("layer norm inp", N * C);
    double[] residual = Gradients.normal("layer norm residual", N * C);
    double[] weight = Gradients.normal("layer norm weight", C);
    double[] bias = Gradients.normal("layer norm bias", C);
    double[] dout = Gradients.normal("layer norm dout", N * C);
    double[] extra = Gradients.normal("layer norm extra", N * C);
    LayerNormRef.Forward f =
        LayerNormRef.forward(
            Precision.EXACT, inp, residual, weight, bias, N, C, EPS, pInp, pOut, SEED, STREAM);
    LayerNormRef.Backward b =
        LayerNormRef.backward(
            Precision.EXACT,
            dout,
            extra,
            f.sum(),
            f.mean(),
            f.rstd(),
            weight,
            N,
            C,
            pInp,
            pOut,
            SEED,
            STREAM,
            null,
            null,
            null);
    // The loss reaches sum through out and directly, as in a pre-norm model.
    Gradients.check("inp", inp, b.dinp(), x -> loss(x, residual, weight, bias, dout, extra, C));
    Gradients.check(
        "residual", residual, b.dresidual(), x -> loss(inp, x, weight, bias, dout, extra, C));
    Gradients.check(
        "weight", weight, b.dweight(), x -> loss(inp, residual, x, bias, dout, extra, C));
    Gradients.check("bias", bias, b.dbias(), x -> loss(inp, residual, weight, x, dout, extra, C));
  }

  private static double loss(
      double[] inp,
      double[] residual,
      double[] weight,
      double[] bias,
      double[] dout,
      double[] extra,
      int C) {
    LayerNormRef.Forward f =
        LayerNormRef.forward(
            Precision.EXACT,
            inp,
            residual,
            weight,
            bias,
            inp.length / C,
            C,
            EPS,
            0.2f,
            0.3f,
            SEED,
            STREAM);
    return Gradients.dot(f.out(), dout) + Gradients.dot(f.sum(), extra);
  }

  /** mean and rstd belong to the sum as stored, rounded: held to f32 accuracy against it. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void statisticsAreThoseOfTheStoredSum(Target target) {
    int N = 20;
    int C = 83;
    for (Sum where : new Sum[] {Sum.APART, Sum.IN_PLACE}) {
      KernelCase k = forward(N, C, true, where, 0.1f, 0, DType.BF16);
      Map<String, double[]> result = k.run(target.backend()).values();
      double[] sum = result.get("sum");
      for (int n = 0; n < N; n++) {
        double mean = Arrays.stream(sum, n * C, (n + 1) * C).average().orElseThrow();
        double variance = 0;
        for (int i = n * C; i < (n + 1) * C; i++) {
          variance += (sum[i] - mean) * (sum[i] - mean) / C;
        }
        assertEquals(mean, result.get("mean")[n], 1e-6, "mean of row " + n);
        assertEquals(1 / Math.sqrt(variance + EPS), result.get("rstd")[n], 2e-6, "rstd " + n);
      }
    }
  }

  /** Backward drops what forward dropped: the zeros of dinp are those of the core.Philox mask. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void backwardUsesTheMasksOfForward(Target target) {
    int N = 9;
    int C = 53;
    double[] mask = DropoutRef.mask(Precision.EXACT, N * C, 0.4f, SEED, STREAM);
    for (DType dtype : DTYPES) {
      KernelCase forward = KernelCase.forward(dtype, "layerNormForward mask");
      double[] inp = forward.normal("inp", dtype, N * C);
      double[] ones = new double[C];
      Arrays.fill(ones, 1);
      forward.input("weight", Storage.F32, ones);
      forward.input("bias", Storage.F32, ones);
      forward(forward, inp, null, ones, ones, N, C, Sum.APART, 0.4f, 0, dtype);
      double[] sum = forward.run(target.backend()).values().get("sum");
      double[] dinp =
          backward(N, C, Outputs.BOTH, true, false, 0.4f, 0, dtype)
              .run(target.backend())
              .values()
              .get("dinp");
      for (int e = 0; e < N * C; e++) {
        assertEquals(mask[e] != 0, sum[e] != 0, "sum " + e);
        assertEquals(mask[e] != 0, dinp[e] != 0, "dinp " + e);
      }
    }
  }

  /** A constant row has no variance: out is the bias, rstd 1 / sqrt(eps). */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aConstantRowGivesTheBias(Target target) {
    int C = 50;
    double[] inp = new double[3 * C];
    Arrays.fill(inp, 0, C, 4);
    Arrays.fill(inp, C, 2 * C, -0.5);
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "layerNormForward constant rows");
      k.input("inp", dtype, inp);
      double[] weight = k.normal("weight", Storage.F32, C);
      double[] bias = k.normal("bias", Storage.F32, C);
      forward(k, inp, null, weight, bias, 3, C, Sum.APART, 0, 0, dtype);
      Map<String, double[]> result = k.run(target.backend()).values();
      for (int i = 0; i < 3 * C; i++) {
        assertEquals(Storage.of(dtype).round(bias[i % C]), result.get("out")[i], 1e-6);
      }
      for (double rstd : result.get("rstd")) {
        assertEquals(1 / Math.sqrt(EPS), rstd, 1e-3);
      }
    }
  }

  /**
   * A mean far above the deviation: a variance from squares would lose every digit. Not asked of
   * libtorch, whose own kernel loses two digits here.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aLargeMeanDoesNotDrownTheVariance(Target target) {
    int C = 300;
    KernelCase k = KernelCase.forward(DType.F32, "layerNormForward large mean");
    double[] values = k.draw(Storage.F32, 4 * C);
    for (int i = 0; i < values.length; i++) {
      values[i] += 3000;
    }
    double[] inp = k.input("inp", Storage.F32, values);
    double[] weight = k.normal("weight", Storage.F32, C);
    double[] bias = k.normal("bias", Storage.F32, C);
    forward(k, inp, null, weight, bias, 4, C, Sum.APART, 0, 0, DType.F32)
        .verify(target.backend(), 0);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsRow(Target target) {
    int N = 9;
    int C = 37;
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "layerNormForward NaN");
      double[] values = k.draw(Storage.of(dtype), N * C);
      values[4 * C + 36] = Double.NaN;
      double[] inp = k.input("inp", dtype, values);
      double[] weight = k.normal("weight", Storage.F32, C);
      double[] bias = k.normal("bias", Storage.F32, C);
      forward(k, inp, null, weight, bias, N, C, Sum.APART, 0, 0, dtype);
      double[] out = k.run(target.backend()).values().get("out");
      for (int i = 0; i < N * C; i++) {
        assertEquals(i / C == 4, Double.isNaN(out[i]), "element " + i);
      }
    }
  }

  /** Rows know nothing of each other: a batch equals its rows run one by one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aPackedBatchEqualsItsSequencesBitForBit(Target target) {
    int[] cuSeqlens = Shapes.offsets(7, 1, 12, 5);
    int N = cuSeqlens[4];
    int C = 77;
    for (DType dtype : DTYPES) {
      KernelCase whole = forward(N, C, true, Sum.APART, 0, 0, dtype);
      KernelCase gradient = backward(N, C, Outputs.BOTH, true, false, 0, 0, dtype);
      Map<String, double[]> out = whole.run(target.backend()).values();
      Map<String, double[]> dout = gradient.run(target.backend()).values();
      for (int b = 0; b < 4; b++) {
        int begin = cuSeqlens[b];
        int rows = cuSeqlens[b + 1] - begin;
        KernelCase part = KernelCase.forward(dtype, "layerNormForward alone");
        whole.copyRowsTo(part, begin, rows, N, "inp", "residual");
        whole.copyTensorsTo(part, "weight", "bias");
        forward(part, null, null, null, null, rows, C, Sum.APART, 0, 0, dtype);
        part.run(target.backend())
            .values()
            .forEach((name, values) -> assertRows(out.get(name), begin, rows, N, values));
        KernelCase back = KernelCase.backward(dtype, "layerNormBackward alone");
        gradient.copyRowsTo(back, begin, rows, N, "dout", "dsumExtra", "sum", "mean", "rstd");
        gradient.copyTensorsTo(back, "weight", "dweight", "dbias");
        back.overwritten("dinp", dtype, rows * C);
        back.calls(
            (backend, at) ->
                backend.run(
                    new LayerNormCall.Backward(
                        at.of("dinp"),
                        0,
                        at.of("dweight"),
                        at.of("dbias"),
                        at.of("dout"),
                        at.of("dsumExtra"),
                        at.of("sum"),
                        at.of("mean"),
                        at.of("rstd"),
                        at.of("weight"),
                        rows,
                        C,
                        0,
                        0,
                        SEED,
                        STREAM,
                        false,
                        false,
                        dtype)));
        assertRows(
            dout.get("dinp"), begin, rows, N, back.run(target.backend()).values().get("dinp"));
      }
    }
  }

  /** The widest row of the contract's kernels, and one token. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void wideRows(Target target) {
    for (DType dtype : DTYPES) {
      forward(2, 20_001, true, Sum.APART, 0.1f, 0, dtype).verify(target.backend(), 0);
      backward(2, 20_001, Outputs.BOTH, false, true, 0.1f, 0, dtype).verify(target.backend(), 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase forward = forward(3, 5, true, Sum.APART, 0, 0, DType.F32);
    assertNullsRefused(target, forward, "out", "inp", "weight");
    forward.instead(call(-1, 5, 0, 0, DType.F32)).assertRefused(target.backend(), "N", -1);
    forward.instead(call(3, 0, 0, 0, DType.F32)).assertRefused(target.backend(), "C", 0);
    forward.instead(call(3, 5, 1, 0, DType.F32)).assertRefused(target.backend(), "pInp", 1);
    forward.instead(call(3, 5, 0, -0.5f, DType.F32)).assertRefused(target.backend(), "pOut", -0.5);
    forward
        .instead(call(3, 5, 0, 0, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
    KernelCase backward = backward(3, 5, Outputs.BOTH, true, false, 0, 0, DType.F32);
    assertNullsRefused(target, backward, "dout", "sum", "mean", "rstd", "weight");
    // A frozen norm wants neither gradient; that of the bias alone is a mistake.
    backward.leavingOut(Set.of("dweight")).assertRefused(target.backend(), "dbias", "dweight");
    // One address for both gradients is allowed only where they are equal.
    backward(3, 5, Outputs.ONE, false, false, 0.1f, 0, DType.F32)
        .assertRefused(target.backend(), "dresidual", "pInp");
  }

  /**
   * A row of one element has no variance: out is the bias, the layer norm passes no gradient. In
   * f32 that holds to rounding times rstd, which is 1 / sqrt(eps) here.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aRowOfOneElementPassesNothing(Target target) {
    double rounding = 8 * 0x1p-23 / Math.sqrt(EPS);
    for (DType dtype : DTYPES) {
      KernelCase forward = forward(6, 1, true, Sum.APART, 0.1f, 0, dtype);
      double bias = Storage.of(dtype).round(forward.initial("bias")[0]);
      for (double out : forward.run(target.backend()).values().get("out")) {
        assertEquals(bias, out, rounding);
      }
      KernelCase backward = backward(6, 1, Outputs.BOTH, true, false, 0, 0, dtype);
      double[] extra = backward.initial("dsumExtra");
      Map<String, double[]> result = backward.run(target.backend()).values();
      for (int n = 0; n < 6; n++) {
        double one = Math.max(rounding, Math.abs(extra[n]) * 0x1p-8);
        assertEquals(extra[n], result.get("dinp")[n], one);
        assertEquals(extra[n], result.get("dresidual")[n], one);
      }
      assertEquals(0, result.get("dweight")[0], rounding);
    }
  }
}
