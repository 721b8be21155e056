package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.ref.DoraRef;
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

class DoraTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final List<DType> CODED = List.of(DType.NF4, DType.INT8);
  private static final float SCALE = 0.625f;

  /** Rows firstRow .. firstRow + F of a weight of {@code rows} rows. */
  private record Rows(int rows, int firstRow, int F, int C, int R) {
    static Rows all(int F, int C, int R) {
      return new Rows(F, 0, F, C, R);
    }
  }

  // ---- norms ----

  private static KernelCase gain(Rows l, DType weightDtype) {
    KernelCase k = KernelCase.forward(DType.F32, "doraGain %s of %s", l, weightDtype);
    double[] values = k.draw(Storage.F32, l.rows * l.C);
    double[] weight =
        CODED.contains(weightDtype)
            ? LinearCases.coded(k, values, l.rows, l.C, weightDtype)
            : k.input("weight", weightDtype, values);
    double[] down = k.normal("down", Storage.F32, l.R * l.C);
    double[] up = k.normal("up", Storage.F32, l.F * l.R);
    double[] magnitude = k.normal("magnitude", Storage.F32, l.F);
    k.overwritten("gain", Storage.F32, l.F);
    k.overwritten("excess", Storage.F32, l.F);
    k.overwritten("norm", Storage.F32, l.F);
    double[] rows = Arrays.copyOfRange(weight, l.firstRow * l.C, (l.firstRow + l.F) * l.C);
    return k.calls(gainCall(l, SCALE, weightDtype))
        .gives(
            p -> {
              DoraRef.Gain g = DoraRef.gain(p, rows, down, up, magnitude, l.F, l.C, l.R, SCALE);
              return Map.of("gain", g.gain(), "excess", g.excess(), "norm", g.norm());
            });
  }

  private static KernelCase.Call gainCall(Rows l, float scale, DType weightDtype) {
    return (backend, at) ->
        backend.run(
            new DoraCall.Gain(
                at.of("gain"),
                at.of("excess"),
                at.of("norm"),
                at.of("weight"),
                at.of("down"),
                at.of("up"),
                at.of("magnitude"),
                l.rows,
                l.firstRow,
                l.F,
                l.C,
                l.R,
                scale,
                weightDtype));
  }

  // ---- columns by their gain ----

  private static KernelCase forward(
      int N, int F, boolean hasBias, boolean accumulate, boolean inPlace, DType dtype) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "doraForward N=%d F=%d bias=%b accumulate=%b inPlace=%b",
            N,
            F,
            hasBias,
            accumulate,
            inPlace);
    double[] inp = k.normal("inp", dtype, N * F);
    double[] gain = k.normal("gain", Storage.F32, F);
    double[] bias = hasBias ? k.normal("bias", Storage.F32, F) : null;
    double[] old = inPlace ? inp : null;
    if (inPlace) {
      k.inPlace("out", "inp");
    } else {
      old = k.gradient("out", dtype, N * F, accumulate);
    }
    double[] before = accumulate ? old : null;
    return k.calls(forwardCall(N, F, accumulate, dtype))
        .gives(p -> Map.of("out", DoraRef.forward(p, before, inp, gain, bias, N, F)));
  }

  private static KernelCase.Call forwardCall(long N, long F, boolean accumulate, DType dtype) {
    return (backend, at) ->
        backend.run(
            new DoraCall.Forward(
                at.of("out"), at.of("inp"), at.of("gain"), at.of("bias"), N, F, accumulate, dtype));
  }

  /** Where dinp lies. */
  private enum Place {
    APART,
    DOUT,
    INP
  }

  private static KernelCase backward(
      int N, int F, int stride, boolean accumulate, Place place, DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "doraBackward N=%d F=%d stride=%d accumulate=%b dinp=%s",
            N,
            F,
            stride,
            accumulate,
            place);
    double[] dout = k.normal("dout", dtype, N * stride);
    double[] inp = k.normal("inp", dtype, N * stride);
    double[] gain = k.normal("gain", Storage.F32, F);
    double[] norm = positive(k, F);
    double[] old = k.gradient("dmagnitude", Storage.F32, F, accumulate);
    double[] before = null;
    if (place == Place.APART) {
      k.overwritten("dinp", dtype, N * stride);
    } else {
      String other = place == Place.DOUT ? "dout" : "inp";
      before = place == Place.DOUT ? dout : inp;
      k.inPlace("dinp", other);
    }
    double[] between = before;
    return k.calls(backwardCall(N, F, stride, accumulate, dtype))
        .gives(
            p -> {
              DoraRef.Backward b =
                  DoraRef.backward(
                      p,
                      gather(dout, N, F, stride),
                      gather(inp, N, F, stride),
                      gain,
                      norm,
                      old,
                      N,
                      F);
              return Map.of(
                  "dinp", spread(b.dinp(), N, F, stride, between), "dmagnitude", b.dmagnitude());
            });
  }

  private static double[] positive(KernelCase k, int F) {
    double[] norm = k.draw(Storage.F32, F);
    for (int f = 0; f < F; f++) {
      norm[f] = Math.abs(norm[f]) + 0.5;
    }
    return k.input("norm", Storage.F32, norm);
  }

  private static double[] gather(double[] spread, int N, int F, int stride) {
    double[] dense = new double[N * F];
    for (int n = 0; n < N; n++) {
      System.arraycopy(spread, n * stride, dense, n * F, F);
    }
    return dense;
  }

  /** Dense rows where they lie; in between what was there before, null: poison. */
  private static double[] spread(double[] dense, int N, int F, int stride, double[] before) {
    double[] spread = before == null ? new double[N * stride] : before.clone();
    if (before == null) {
      Arrays.fill(spread, Double.NaN);
    }
    for (int n = 0; n < N; n++) {
      System.arraycopy(dense, n * F, spread, n * stride, F);
    }
    return spread;
  }

  private static KernelCase.Call backwardCall(
      long N, long F, long stride, boolean accumulate, DType dtype) {
    return (backend, at) ->
        backend.run(
            new DoraCall.Backward(
                at.of("dinp"),
                at.of("dmagnitude"),
                at.of("dout"),
                at.of("inp"),
                at.of("gain"),
                at.of("norm"),
                N,
                F,
                stride,
                accumulate,
                dtype));
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("dmagnitude"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int width : Shapes.widths()) {
        cases.add(gain(Rows.all(7, width, 5), dtype));
        cases.add(gain(new Rows(60, 5, 50, 33, width), dtype));
        cases.add(forward(5, width, true, false, false, dtype));
        cases.add(backward(9, width, width, false, Place.APART, dtype));
        cases.add(backward(5, width, width + 3, true, Place.DOUT, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(forward(N, 50, N % 2 == 0, true, false, dtype));
        cases.add(forward(N, 37, true, false, true, dtype));
        cases.add(backward(N, 50, 55, N % 2 == 0, Place.INP, dtype));
        if (N > 0) {
          cases.add(gain(Rows.all(N, 40, 3), dtype));
        }
      }
      for (int[] shape : Shapes.random("dora " + dtype, 20, 120, 900, 40, 20)) {
        cases.add(
            gain(new Rows(shape[0] + shape[3], shape[3], shape[0], shape[1], shape[2]), dtype));
        cases.add(backward(shape[0], shape[1], shape[1] + shape[3], false, Place.APART, dtype));
      }
    }
    for (DType coded : CODED) {
      for (int C : new int[] {64, 128, 832, 1600}) {
        cases.add(gain(new Rows(9, 2, 7, C, 4), coded));
      }
      cases.add(gain(new Rows(131, 60, 67, 192, 17), coded));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(gain(Rows.all(131, 1601, 16), dtype));
      cases.add(gain(Rows.all(97, 307, 256), dtype));
      cases.add(forward(131, 1601, true, false, false, dtype));
      cases.add(backward(307, 431, 440, true, Place.APART, dtype));
    }
    cases.add(gain(Rows.all(131, 1600, 16), DType.NF4));
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(gain(Rows.all(2048, 2048, 16), dtype));
      cases.add(forward(512, 8192, false, false, false, dtype));
      cases.add(backward(2048, 2048, 2048, false, Place.INP, dtype));
    }
    cases.add(gain(Rows.all(2048, 2048, 16), DType.NF4));
    cases.add(gain(Rows.all(2048, 2048, 16), DType.INT8));
    return cases;
  }

  /** The norm is a constant in backward, as the contract says: out is linear in all the rest. */
  @Test
  void referenceGradientsAreTheSlopes() {
    int N = 3;
    int F = 5;
    double[] inp = Gradients.normal("dora inp", N * F);
    double[] bias = Gradients.normal("dora bias", F);
    double[] magnitude = Gradients.normal("dora magnitude", F);
    double[] norm = Arrays.stream(Gradients.normal("dora norm", F)).map(x -> x * x + 0.5).toArray();
    double[] dout = Gradients.normal("dora dout", N * F);
    Precision p = Precision.EXACT;
    double[] gain = divide(magnitude, norm);
    DoraRef.Backward b = DoraRef.backward(p, dout, inp, gain, norm, null, N, F);
    Gradients.check(
        "inp",
        inp,
        b.dinp(),
        x -> Gradients.dot(DoraRef.forward(p, null, x, gain, bias, N, F), dout));
    Gradients.check(
        "magnitude",
        magnitude,
        b.dmagnitude(),
        x -> Gradients.dot(DoraRef.forward(p, null, inp, divide(x, norm), bias, N, F), dout));
  }

  private static double[] divide(double[] a, double[] b) {
    double[] out = new double[a.length];
    Arrays.setAll(out, i -> a[i] / b[i]);
    return out;
  }

  /** A fresh adapter changes nothing: magnitudes that are the norms give a gain of exactly 1. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aMagnitudeThatIsTheNormIsExactlyOne(Target target) {
    for (DType dtype : List.of(DType.F32, DType.BF16, DType.NF4, DType.INT8)) {
      Rows l = new Rows(70, 3, 60, 192, 4);
      KernelCase plain = gain(l, dtype);
      KernelCase norms = plain.without("gain").without("excess").without("magnitude");
      double[] norm = norms.run(target.backend()).values().get("norm");
      KernelCase again = KernelCase.forward(DType.F32, "doraGain of its norm, %s", dtype);
      plain.copyTensorsTo(again, "weight", "down", "up", "gain", "excess", "norm");
      again.input("magnitude", Storage.F32, norm);
      Map<String, double[]> out =
          again.calls(gainCall(l, SCALE, dtype)).run(target.backend()).values();
      for (int f = 0; f < l.F; f++) {
        assertEquals(norm[f], out.get("norm")[f]);
        assertEquals(1, out.get("gain")[f]);
        assertEquals(0, out.get("excess")[f]);
      }
    }
  }

  /** Where an adapter cancels a row, nothing is divided by zero. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aRowOfZerosHasNoGain(Target target) {
    int F = 9;
    int C = 21;
    KernelCase k = KernelCase.forward(DType.F32, "doraGain with rows of zeros");
    double[] down = k.normal("down", Storage.F32, C);
    double[] up = new double[F];
    double[] weight = new double[F * C];
    for (int f = 0; f < F; f++) {
      up[f] = f % 3 == 0 ? -2 : f;
      for (int c = 0; c < C; c++) {
        weight[f * C + c] = f % 3 == 0 ? down[c] : 0.25 * c;
      }
    }
    double[] rows = k.input("weight", Storage.F32, weight);
    k.input("up", Storage.F32, up);
    double[] magnitude = k.normal("magnitude", Storage.F32, F);
    k.overwritten("gain", Storage.F32, F);
    k.overwritten("excess", Storage.F32, F);
    k.overwritten("norm", Storage.F32, F);
    KernelCase.Result result =
        k.calls(gainCall(Rows.all(F, C, 1), 0.5f, DType.F32))
            .gives(
                p -> {
                  DoraRef.Gain g = DoraRef.gain(p, rows, down, up, magnitude, F, C, 1, 0.5);
                  return Map.of("gain", g.gain(), "excess", g.excess(), "norm", g.norm());
                })
            .verify(target.backend(), 0);
    assertEquals(0, result.values().get("gain")[3]);
    assertEquals(-1, result.values().get("excess")[3]);
    KernelCase back = backward(7, F, F, false, Place.APART, DType.F32);
    double[] dmagnitude = back.with("norm", 4, 0).run(target.backend()).values().get("dmagnitude");
    assertEquals(0, dmagnitude[4]);
    assertEquals(
        back.run(target.backend()).values().get("dmagnitude")[5], dmagnitude[5], "another column");
  }

  /** Without a gradient of the magnitude nothing but dout and the gain is read. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theMagnitudeMayBeUnwanted(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase whole = backward(13, 70, 75, false, Place.APART, dtype);
      KernelCase part = whole.without("dmagnitude").without("inp").without("norm");
      assertValues(
          whole.run(target.backend()).values().get("dinp"),
          part.run(target.backend()).values().get("dinp"));
    }
  }

  /** Rows know nothing of each other: a batch equals its rows run one by one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aBatchEqualsItsRowsBitForBit(Target target) {
    int N = 11;
    int F = 77;
    for (DType dtype : DTYPES) {
      KernelCase whole = forward(N, F, true, false, false, dtype);
      double[] out = whole.run(target.backend()).values().get("out");
      for (int n = 0; n < N; n++) {
        KernelCase part = KernelCase.forward(dtype, "doraForward alone");
        whole.copyRowsTo(part, n, 1, N, "out", "inp");
        whole.copyTensorsTo(part, "gain", "bias");
        part.calls(forwardCall(1, F, false, dtype));
        assertRows(out, n, 1, N, part.run(target.backend()).values().get("out"));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Rows l = new Rows(6, 2, 3, 5, 2);
    KernelCase gain = gain(l, DType.F32);
    assertNullsRefused(target, gain, "gain", "excess", "norm", "weight", "down", "up", "magnitude");
    refuse(target, gain, gainCall(new Rows(-1, 2, 3, 5, 2), SCALE, DType.F32), "rows", -1);
    refuse(target, gain, gainCall(new Rows(6, -1, 3, 5, 2), SCALE, DType.F32), "firstRow", -1);
    refuse(target, gain, gainCall(new Rows(6, 4, 3, 5, 2), SCALE, DType.F32), "firstRow", 4);
    refuse(target, gain, gainCall(new Rows(6, 0, 0, 5, 2), SCALE, DType.F32), "F", 0);
    refuse(target, gain, gainCall(new Rows(6, 0, 7, 5, 2), SCALE, DType.F32), "F", 7);
    refuse(target, gain, gainCall(new Rows(6, 2, 3, 0, 2), SCALE, DType.F32), "C", 0);
    refuse(target, gain, gainCall(l, SCALE, DType.NF4), "C", 5);
    refuse(target, gain, gainCall(new Rows(6, 2, 3, 5, 0), SCALE, DType.F32), "R", 0);
    refuse(target, gain, gainCall(new Rows(6, 2, 3, 5, 257), SCALE, DType.F32), "R", 257);
    refuse(target, gain, gainCall(l, Float.NaN, DType.F32), "scale", "nan");
    Object i32 = DType.I32;
    refuse(target, gain, gainCall(l, SCALE, DType.I32), "weightDtype", i32);
    KernelCase forward = forward(3, 5, true, true, false, DType.F32);
    assertNullsRefused(target, forward, "out", "inp", "gain");
    refuse(target, forward, forwardCall(-1, 5, true, DType.F32), "N", -1);
    refuse(target, forward, forwardCall(3, 0, true, DType.F32), "F", 0);
    refuse(target, forward, forwardCall(3, 5, true, DType.I32), "dtype", i32);
    KernelCase backward = backward(3, 5, 5, true, Place.APART, DType.F32);
    assertNullsRefused(target, backward, "dinp", "dout", "inp", "gain", "norm");
    refuse(target, backward, backwardCall(-1, 5, 5, true, DType.F32), "N", -1);
    refuse(target, backward, backwardCall(3, 0, 5, true, DType.F32), "F", 0);
    refuse(target, backward, backwardCall(3, 65537, 65537, true, DType.F32), "F", 65537);
    refuse(target, backward, backwardCall(3, 5, 4, true, DType.F32), "stride", 4);
    refuse(target, backward, backwardCall(3, 5, 5, true, DType.I32), "dtype", i32);
  }

  private static void refuse(
      Target target, KernelCase k, KernelCase.Call call, String argument, Object value) {
    k.instead(call).assertRefused(target.backend(), argument, value);
  }
}
