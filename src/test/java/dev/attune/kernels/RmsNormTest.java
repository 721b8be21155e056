package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.RmsNormCall;
import dev.attune.core.DType;
import dev.attune.ref.Precision;
import dev.attune.ref.RmsNormRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RmsNormTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final float EPS = 1e-5f;

  /** Rows of G groups of C, between which and after which there may be other elements. */
  private record Layout(int N, int G, int C, int inpStride, int outStride) {
    static Layout dense(int N, int C) {
      return new Layout(N, 1, C, C, C);
    }

    static Layout heads(int N, int G, int C, int inpGap, int outGap) {
      return new Layout(N, G, C, G * C + inpGap, G * C + outGap);
    }

    int groups() {
      return N * G;
    }

    /** Elements that a tensor with this stride spans: none lie after its last group. */
    int span(int stride) {
      return N == 0 ? 0 : (N - 1) * stride + G * C;
    }

    /** Dense groups, taken from where they lie. */
    double[] gather(double[] spread, int stride) {
      double[] groups = new double[N * G * C];
      for (int n = 0; n < N; n++) {
        System.arraycopy(spread, n * stride, groups, n * G * C, G * C);
      }
      return groups;
    }

    /** Dense groups where they lie; in between what was there before, null: poison. */
    double[] spread(double[] groups, int stride, double[] before) {
      double[] spread = before == null ? new double[span(stride)] : before.clone();
      if (before == null) {
        Arrays.fill(spread, Double.NaN);
      }
      for (int n = 0; n < N; n++) {
        System.arraycopy(groups, n * G * C, spread, n * stride, G * C);
      }
      return spread;
    }
  }

  /** Where the results of forward go. */
  private enum Forward {
    /** No residual, out apart. */
    PLAIN,
    /** No residual, out is inp. */
    IN_PLACE,
    /** No residual, and rstd is not wanted. */
    INFERENCE,
    /** Residual, sum apart. */
    SUM,
    /** Residual, sum is residual. */
    SUM_IN_RESIDUAL,
    /** Residual, sum is inp. */
    SUM_IN_INP;

    boolean residual() {
      return compareTo(SUM) >= 0;
    }
  }

  private static KernelCase forward(Layout l, Forward mode, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "rmsNormForward %s %s", l, mode);
    double[] inp = k.draw(Storage.of(dtype), l.span(l.inpStride));
    return forward(k, inp, l, mode, dtype);
  }

  private static KernelCase forward(
      KernelCase k, double[] values, Layout l, Forward mode, DType dtype) {
    double[] inp = k.input("inp", dtype, values);
    double[] residual = mode.residual() ? k.normal("residual", dtype, l.N * l.C) : null;
    double[] weight = k.normal("weight", Storage.F32, l.C);
    return calls(k, inp, residual, weight, l, mode, dtype);
  }

  private static KernelCase calls(
      KernelCase k,
      double[] inp,
      double[] residual,
      double[] weight,
      Layout l,
      Forward mode,
      DType dtype) {
    if (mode == Forward.IN_PLACE) {
      k.inPlace("out", "inp");
    } else {
      k.overwritten("out", dtype, l.span(l.outStride));
    }
    switch (mode) {
      case SUM -> k.overwritten("sum", dtype, l.N * l.C);
      case SUM_IN_RESIDUAL -> k.inPlace("sum", "residual");
      case SUM_IN_INP -> k.inPlace("sum", "inp");
      default -> {}
    }
    if (mode != Forward.INFERENCE) {
      k.overwritten("rstd", Storage.F32, l.groups());
    }
    return k.calls(forwardCall(l, EPS, dtype))
        .gives(
            p -> {
              RmsNormRef.Forward f =
                  RmsNormRef.forward(
                      p, l.gather(inp, l.inpStride), residual, weight, l.groups(), l.C, EPS);
              double[] before = mode == Forward.IN_PLACE ? inp : null;
              double[] out = l.spread(f.out(), l.outStride, before);
              return Map.of("out", out, "sum", f.sum(), "rstd", f.rstd());
            });
  }

  private static KernelCase.Call forwardCall(Layout l, float eps, DType dtype) {
    return (backend, at) ->
        backend.run(new RmsNormCall.Forward(
            at.of("out"),
            at.of("sum"),
            at.of("rstd"),
            at.of("inp"),
            at.of("residual"),
            at.of("weight"),
            l.N,
            l.G,
            l.C,
            l.inpStride,
            l.outStride,
            eps,
            dtype));
  }

  /** Where dinp goes. */
  private enum Dinp {
    APART,
    /** dinp is dsumExtra. */
    EXTRA,
    /** dinp is dout. */
    DOUT
  }

  private static KernelCase backward(
      Layout l, Dinp where, boolean extra, Boolean accumulate, DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "rmsNormBackward %s dinp=%s extra=%b accumulate=%s",
            l,
            where,
            extra,
            accumulate);
    double[] dout = k.normal("dout", dtype, l.span(l.outStride));
    double[] dsumExtra = extra ? k.normal("dsumExtra", dtype, l.span(l.inpStride)) : null;
    double[] sum = k.normal("sum", dtype, l.span(l.inpStride));
    double[] ones = new double[l.C];
    Arrays.fill(ones, 1);
    double[] groups = l.gather(sum, l.inpStride);
    double[] exactRstd =
        RmsNormRef.forward(Precision.EXACT, groups, null, ones, l.groups(), l.C, EPS).rstd();
    double[] rstd = k.input("rstd", Storage.F32, exactRstd);
    double[] weight = k.normal("weight", Storage.F32, l.C);
    switch (where) {
      case APART -> k.overwritten("dinp", dtype, l.span(l.inpStride));
      case EXTRA -> k.inPlace("dinp", "dsumExtra");
      case DOUT -> k.inPlace("dinp", "dout");
    }
    // null: the weight is frozen.
    double[] old = accumulate == null ? null : k.gradient("dweight", Storage.F32, l.C, accumulate);
    return k.calls(backwardCall(l, accumulate != null && accumulate, dtype))
        .gives(
            p -> {
              RmsNormRef.Backward b =
                  RmsNormRef.backward(
                      p,
                      l.gather(dout, l.outStride),
                      extra ? l.gather(dsumExtra, l.inpStride) : null,
                      groups,
                      p == Precision.EXACT ? exactRstd : rstd,
                      weight,
                      l.groups(),
                      l.C,
                      old);
              double[] before =
                  switch (where) {
                    case APART -> null;
                    case EXTRA -> dsumExtra;
                    case DOUT -> dout;
                  };
              Map<String, double[]> results = new HashMap<>();
              results.put("dinp", l.spread(b.dinp(), l.inpStride, before));
              results.put("dweight", b.dweight());
              return results;
            });
  }

  private static KernelCase.Call backwardCall(Layout l, boolean accumulate, DType dtype) {
    return (backend, at) ->
        backend.run(new RmsNormCall.Backward(
            at.of("dinp"),
            at.of("dweight"),
            at.of("dout"),
            at.of("dsumExtra"),
            at.of("sum"),
            at.of("rstd"),
            at.of("weight"),
            l.N,
            l.G,
            l.C,
            l.inpStride,
            l.outStride,
            accumulate,
            dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int C : Shapes.widths()) {
        cases.add(forward(Layout.dense(5, C), Forward.PLAIN, dtype));
        cases.add(forward(Layout.dense(6, C), Forward.SUM_IN_RESIDUAL, dtype));
        cases.add(forward(Layout.heads(3, 3, C, 7, 2), Forward.INFERENCE, dtype));
        cases.add(backward(Layout.dense(5, C), Dinp.APART, false, false, dtype));
        cases.add(backward(Layout.dense(6, C), Dinp.EXTRA, true, true, dtype));
        cases.add(backward(Layout.heads(3, 3, C, 7, 2), Dinp.APART, true, true, dtype));
      }
      for (int N : Shapes.rows()) {
        for (Forward mode : Forward.values()) {
          cases.add(forward(Layout.dense(N, 50), mode, dtype));
        }
        cases.add(forward(Layout.heads(N, 2, 18, 9, 9), Forward.IN_PLACE, dtype));
        cases.add(backward(Layout.dense(N, 50), Dinp.APART, true, null, dtype));
        cases.add(backward(Layout.dense(N, 50), Dinp.DOUT, true, false, dtype));
        cases.add(backward(Layout.heads(N, 2, 18, 9, 9), Dinp.DOUT, false, true, dtype));
        cases.add(backward(Layout.heads(N, 2, 18, 9, 0), Dinp.EXTRA, true, null, dtype));
      }
      for (int[] shape : Shapes.random("rmsNorm " + dtype, 20, 40, 300, 5)) {
        cases.add(forward(Layout.dense(shape[0], shape[1]), Forward.SUM_IN_INP, dtype));
        Layout heads = Layout.heads(shape[0], shape[2], shape[1], shape[2], 0);
        cases.add(forward(heads, Forward.PLAIN, dtype));
        cases.add(backward(heads, Dinp.APART, true, true, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(Layout.dense(307, 131), Forward.SUM, dtype));
      cases.add(backward(Layout.heads(307, 3, 131, 5, 0), Dinp.APART, true, true, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int C : new int[] {768, 2048, 4096}) {
        cases.add(forward(Layout.dense(777, C), Forward.SUM_IN_RESIDUAL, dtype));
        cases.add(backward(Layout.dense(777, C), Dinp.EXTRA, true, false, dtype));
      }
      cases.add(forward(Layout.heads(777, 16, 128, 2048, 2048), Forward.IN_PLACE, dtype));
      cases.add(backward(Layout.heads(777, 16, 128, 2048, 2048), Dinp.DOUT, false, true, dtype));
    }
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int N = 3;
    int C = 7;
    double[] inp = Gradients.normal("rms norm inp", N * C);
    double[] residual = Gradients.normal("rms norm residual", N * C);
    double[] weight = Gradients.normal("rms norm weight", C);
    double[] dout = Gradients.normal("rms norm dout", N * C);
    double[] extra = Gradients.normal("rms norm extra", N * C);
    RmsNormRef.Forward f = RmsNormRef.forward(Precision.EXACT, inp, residual, weight, N, C, EPS);
    RmsNormRef.Backward b =
        RmsNormRef.backward(Precision.EXACT, dout, extra, f.sum(), f.rstd(), weight, N, C, null);
    // The loss reaches sum through out and directly, as in a pre-norm model.
    Gradients.check("inp", inp, b.dinp(), x -> loss(x, residual, weight, dout, extra, N, C));
    Gradients.check("residual", residual, b.dinp(), x -> loss(inp, x, weight, dout, extra, N, C));
    Gradients.check("weight", weight, b.dweight(), x -> loss(inp, residual, x, dout, extra, N, C));
  }

  private static double loss(
      double[] inp,
      double[] residual,
      double[] weight,
      double[] dout,
      double[] extra,
      int N,
      int C) {
    RmsNormRef.Forward f = RmsNormRef.forward(Precision.EXACT, inp, residual, weight, N, C, EPS);
    return Gradients.dot(f.out(), dout) + Gradients.dot(f.sum(), extra);
  }

  /** rstd belongs to the sum as stored, rounded: held to f32 accuracy against it. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void rstdIsThatOfTheStoredSum(Target target) {
    int N = 20;
    int C = 83;
    for (Forward mode : List.of(Forward.SUM, Forward.SUM_IN_INP, Forward.SUM_IN_RESIDUAL)) {
      KernelCase k = forward(Layout.dense(N, C), mode, DType.BF16);
      Map<String, double[]> result = k.run(target.backend()).values();
      for (int n = 0; n < N; n++) {
        double squares =
            Arrays.stream(result.get("sum"), n * C, (n + 1) * C).map(x -> x * x / C).sum();
        assertEquals(1 / Math.sqrt(squares + EPS), result.get("rstd")[n], 1e-6, "row " + n);
      }
    }
  }

  /** A row of zeros gives zeros, and rstd 1 / sqrt(eps). */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aRowOfZerosGivesZeros(Target target) {
    for (DType dtype : DTYPES) {
      Layout l = Layout.dense(2, 50);
      KernelCase k = KernelCase.forward(dtype, "rmsNormForward zeros");
      forward(k, new double[2 * 50], l, Forward.PLAIN, dtype);
      Map<String, double[]> result = k.run(target.backend()).values();
      assertValues(new double[2 * 50], result.get("out"));
      assertEquals(1 / Math.sqrt(EPS), result.get("rstd")[1], 1e-3);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsGroup(Target target) {
    Layout l = Layout.heads(9, 2, 37, 0, 0);
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "rmsNormForward NaN");
      double[] values = k.draw(Storage.of(dtype), 9 * 2 * 37);
      values[4 * 37 + 36] = Double.NaN;
      forward(k, values, l, Forward.PLAIN, dtype);
      double[] out = k.run(target.backend()).values().get("out");
      for (int i = 0; i < out.length; i++) {
        assertEquals(i / 37 == 4, Double.isNaN(out[i]), "element " + i);
      }
    }
  }

  /** Rows know nothing of each other: a batch equals its rows run one by one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aBatchEqualsItsRowsBitForBit(Target target) {
    int N = 7;
    int C = 77;
    for (DType dtype : DTYPES) {
      KernelCase whole = forward(Layout.dense(N, C), Forward.SUM, dtype);
      KernelCase gradient = backward(Layout.dense(N, C), Dinp.APART, true, null, dtype);
      Map<String, double[]> out = whole.run(target.backend()).values();
      double[] dinp = gradient.run(target.backend()).values().get("dinp");
      for (int n = 0; n < N; n++) {
        int row = n;
        Layout one = Layout.dense(1, C);
        KernelCase part = KernelCase.forward(dtype, "rmsNormForward alone");
        whole.copyRowsTo(part, n, 1, N, "inp", "residual");
        whole.copyTensorsTo(part, "weight");
        calls(part, null, null, null, one, Forward.SUM, dtype);
        part.run(target.backend())
            .values()
            .forEach((name, values) -> assertRows(out.get(name), row, 1, N, values));
        KernelCase back = KernelCase.backward(dtype, "rmsNormBackward alone");
        gradient.copyRowsTo(back, n, 1, N, "dout", "dsumExtra", "sum", "rstd");
        gradient.copyTensorsTo(back, "weight");
        back.overwritten("dinp", dtype, C);
        back.calls(backwardCall(one, false, dtype));
        assertRows(dinp, n, 1, N, back.run(target.backend()).values().get("dinp"));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void wideRows(Target target) {
    for (DType dtype : DTYPES) {
      Layout l = Layout.dense(2, 20_001);
      forward(l, Forward.SUM, dtype).verify(target.backend(), 0);
      backward(l, Dinp.APART, true, true, dtype).verify(target.backend(), 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Layout l = Layout.dense(3, 5);
    KernelCase forward = forward(l, Forward.SUM, DType.F32);
    assertNullsRefused(target, forward, "out", "sum", "inp", "residual", "weight");
    KernelCase backward = backward(l, Dinp.APART, true, true, DType.F32);
    assertNullsRefused(target, backward, "dinp", "dout", "sum", "rstd", "weight");
    refuse(target, new Layout(-1, 1, 5, 5, 5), "N", -1);
    refuse(target, new Layout(3, 0, 5, 5, 5), "G", 0);
    refuse(target, new Layout(3, 1, 0, 5, 5), "C", 0);
    refuse(target, new Layout(3, 1, 5, 4, 5), "inpStride", 4);
    refuse(target, new Layout(3, 1, 5, 5, 4), "outStride", 4);
    forward
        .instead(forwardCall(new Layout(1, 2, 5, 10, 10), EPS, DType.F32))
        .assertRefused(target.backend(), "G", 2);
    forward.instead(forwardCall(l, -1, DType.F32)).assertRefused(target.backend(), "eps", -1);
    forward
        .instead(forwardCall(l, EPS, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static void refuse(Target target, Layout bad, String argument, Object value) {
    Layout good = Layout.dense(3, 5);
    forward(good, Forward.PLAIN, DType.F32)
        .instead(forwardCall(bad, EPS, DType.F32))
        .assertRefused(target.backend(), argument, value);
    backward(good, Dinp.APART, false, false, DType.F32)
        .instead(backwardCall(bad, false, DType.F32))
        .assertRefused(target.backend(), argument, value);
  }
}
