package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LoraCall;
import dev.attune.ref.LoraRef;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LoraTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final float SCALE = 0.625f;

  /** Rows of out and of low with other elements after each. */
  private record Layout(int N, int F, int R, int outStride, int lowStride) {
    static Layout dense(int N, int F, int R) {
      return new Layout(N, F, R, F, R);
    }

    static double[] gather(double[] spread, int N, int width, int stride) {
      double[] dense = new double[N * width];
      for (int n = 0; n < N; n++) {
        System.arraycopy(spread, n * stride, dense, n * width, width);
      }
      return dense;
    }

    /** Dense rows where they lie; in between what was there before, null: poison. */
    static double[] spread(double[] dense, int N, int width, int stride, double[] before) {
      double[] spread = before == null ? new double[N * stride] : before.clone();
      if (before == null) {
        Arrays.fill(spread, Double.NaN);
      }
      for (int n = 0; n < N; n++) {
        System.arraycopy(dense, n * width, spread, n * stride, width);
      }
      return spread;
    }
  }

  private static KernelCase forward(Layout l, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "loraForward %s", l);
    double[] out = k.updated("out", dtype, l.N * l.outStride);
    double[] low = k.normal("low", dtype, l.N * l.lowStride);
    double[] up = k.normal("up", Storage.F32, l.F * l.R);
    return k.calls(forwardCall(l, SCALE, dtype))
        .gives(
            p -> {
              double[] old = Layout.gather(out, l.N, l.F, l.outStride);
              double[] narrow = Layout.gather(low, l.N, l.R, l.lowStride);
              double[] sum = LoraRef.forward(p, old, narrow, up, l.N, l.F, l.R, SCALE);
              return Map.of("out", Layout.spread(sum, l.N, l.F, l.outStride, out));
            });
  }

  private static KernelCase.Call forwardCall(Layout l, float scale, DType dtype) {
    return (backend, at) ->
        backend.run(
            new LoraCall.Forward(
                at.of("out"),
                at.of("low"),
                at.of("up"),
                l.N,
                l.F,
                l.R,
                l.outStride,
                l.lowStride,
                scale,
                dtype));
  }

  private static KernelCase backward(Layout l, boolean accumulate, DType dtype) {
    KernelCase k = KernelCase.backward(dtype, "loraBackward %s accumulate=%b", l, accumulate);
    double[] dout = k.normal("dout", dtype, l.N * l.outStride);
    double[] low = k.normal("low", dtype, l.N * l.lowStride);
    double[] up = k.normal("up", Storage.F32, l.F * l.R);
    k.overwritten("dlow", dtype, l.N * l.lowStride);
    double[] old = k.gradient("dup", Storage.F32, l.F * l.R, accumulate);
    return k.calls(backwardCall(l, SCALE, accumulate, dtype))
        .gives(
            p -> {
              double[] upstream = Layout.gather(dout, l.N, l.F, l.outStride);
              double[] narrow = Layout.gather(low, l.N, l.R, l.lowStride);
              LoraRef.Backward b =
                  LoraRef.backward(p, upstream, narrow, up, old, l.N, l.F, l.R, SCALE);
              double[] dlow = Layout.spread(b.dlow(), l.N, l.R, l.lowStride, null);
              return Map.of("dlow", dlow, "dup", b.dup());
            });
  }

  private static KernelCase.Call backwardCall(
      Layout l, float scale, boolean accumulate, DType dtype) {
    return (backend, at) ->
        backend.run(
            new LoraCall.Backward(
                at.of("dlow"),
                at.of("dup"),
                at.of("dout"),
                at.of("low"),
                at.of("up"),
                l.N,
                l.F,
                l.R,
                l.outStride,
                l.lowStride,
                scale,
                accumulate,
                dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int width : Shapes.widths()) {
        cases.add(forward(Layout.dense(9, width, 8), dtype));
        cases.add(forward(new Layout(5, 34, width, 39, width + 3), dtype));
        cases.add(backward(Layout.dense(9, width, 8), false, dtype));
        cases.add(backward(new Layout(5, 34, width, 39, width + 3), true, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(forward(new Layout(N, 50, 5, 55, 9), dtype));
        cases.add(backward(new Layout(N, 50, 5, 55, 9), N % 2 == 0, dtype));
      }
      for (int[] shape : Shapes.random("lora " + dtype, 20, 120, 500, 40, 20)) {
        int F = shape[1];
        int R = shape[2];
        Layout l = new Layout(shape[0], F, R, F + shape[3], R + shape[3]);
        cases.add(forward(l, dtype));
        cases.add(backward(l, shape[3] % 2 == 0, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(new Layout(131, 307, 16, 320, 16), dtype));
      cases.add(backward(new Layout(131, 431, 16, 440, 16), true, dtype));
      // The largest rank: partial sums of dlow fill the workspace after some rows.
      cases.add(forward(Layout.dense(97, 53, 256), dtype));
      cases.add(backward(Layout.dense(131, 1601, 256), false, dtype));
      // And so wide that there is no room for the rows that stay in the cache.
      cases.add(backward(Layout.dense(3, 16001, 256), false, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(Layout.dense(512, 2048, 16), dtype));
      cases.add(backward(Layout.dense(512, 2048, 16), false, dtype));
      cases.add(backward(Layout.dense(2048, 8192, 8), false, dtype));
      cases.add(backward(Layout.dense(300, 12001, 256), true, dtype));
    }
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int N = 3;
    int F = 5;
    int R = 2;
    double[] old = Gradients.normal("lora old", N * F);
    double[] low = Gradients.normal("lora low", N * R);
    double[] up = Gradients.normal("lora up", F * R);
    double[] dout = Gradients.normal("lora dout", N * F);
    Precision p = Precision.EXACT;
    LoraRef.Backward b = LoraRef.backward(p, dout, low, up, null, N, F, R, 0.3);
    Gradients.check(
        "low",
        low,
        b.dlow(),
        x -> Gradients.dot(LoraRef.forward(p, old, x, up, N, F, R, 0.3), dout));
    Gradients.check(
        "up", up, b.dup(), x -> Gradients.dot(LoraRef.forward(p, old, low, x, N, F, R, 0.3), dout));
  }

  /** Rows know nothing of each other: a batch equals its rows run one by one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aBatchEqualsItsRowsBitForBit(Target target) {
    int N = 11;
    for (DType dtype : DTYPES) {
      KernelCase whole = forward(Layout.dense(N, 77, 9), dtype);
      KernelCase gradient = backward(Layout.dense(N, 400, 9), false, dtype);
      double[] out = whole.run(target.backend()).values().get("out");
      double[] dlow = gradient.run(target.backend()).values().get("dlow");
      for (int n = 0; n < N; n++) {
        KernelCase part = KernelCase.forward(dtype, "loraForward alone");
        whole.copyRowsTo(part, n, 1, N, "out", "low");
        whole.copyTensorsTo(part, "up");
        part.calls(forwardCall(Layout.dense(1, 77, 9), SCALE, dtype));
        assertRows(out, n, 1, N, part.run(target.backend()).values().get("out"));
        KernelCase back = KernelCase.backward(dtype, "loraBackward alone");
        gradient.copyRowsTo(back, n, 1, N, "dout", "low", "dlow");
        gradient.copyTensorsTo(back, "up", "dup");
        back.calls(backwardCall(Layout.dense(1, 400, 9), SCALE, false, dtype));
        assertRows(dlow, n, 1, N, back.run(target.backend()).values().get("dlow"));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Layout l = Layout.dense(3, 5, 2);
    KernelCase forward = forward(l, DType.F32);
    assertNullsRefused(target, forward, "out", "low", "up");
    KernelCase backward = backward(l, true, DType.F32);
    assertNullsRefused(target, backward, "dlow", "dup", "dout", "low", "up");
    refuse(target, new Layout(-1, 5, 2, 5, 2), "N", -1);
    refuse(target, new Layout(3, 0, 2, 5, 2), "F", 0);
    refuse(target, new Layout(3, 5, 0, 5, 2), "R", 0);
    refuse(target, new Layout(3, 5, 257, 5, 257), "R", 257);
    refuse(target, new Layout(3, 5, 2, 4, 2), "outStride", 4);
    refuse(target, new Layout(3, 5, 2, 5, 1), "lowStride", 1);
    forward
        .instead(forwardCall(l, Float.NaN, DType.F32))
        .assertRefused(target.backend(), "scale", "nan");
    backward
        .instead(backwardCall(l, SCALE, true, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static void refuse(Target target, Layout bad, String argument, Object value) {
    Layout good = Layout.dense(3, 5, 2);
    forward(good, DType.F32)
        .instead(forwardCall(bad, SCALE, DType.F32))
        .assertRefused(target.backend(), argument, value);
    backward(good, true, DType.F32)
        .instead(backwardCall(bad, SCALE, true, DType.F32))
        .assertRefused(target.backend(), argument, value);
  }
}
