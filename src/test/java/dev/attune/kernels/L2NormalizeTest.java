package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.kernels.calls.L2NormalizeCall;
import dev.attune.ref.L2NormalizeRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class L2NormalizeTest extends KernelContract {
  private static final float SCALE = 1.5f;

  /** Elements that rows span: none lie after the last. */
  private static int span(int N, int D, int stride) {
    return N == 0 ? 0 : (N - 1) * stride + D;
  }

  private static KernelCase forward(int N, int D, int stride) {
    KernelCase k =
        KernelCase.forward(DType.F32, "l2NormalizeForward N=%d D=%d stride=%d", N, D, stride);
    double[] inp = k.normal("inp", Storage.F32, span(N, D, stride));
    k.overwritten("out", Storage.F32, N * D);
    k.overwritten("rnorm", Storage.F32, N);
    return k.calls(forwardCall(N, D, stride, SCALE))
        .gives(
            p -> {
              L2NormalizeRef.Forward f = L2NormalizeRef.forward(p, inp, N, D, stride, SCALE);
              return Map.of("out", f.out(), "rnorm", f.rnorm());
            });
  }

  private static KernelCase.Call forwardCall(long N, long D, long stride, float scale) {
    return (backend, at) ->
        backend.run(
            new L2NormalizeCall.Forward(
                at.of("out"), at.of("rnorm"), at.of("inp"), N, D, stride, scale));
  }

  private static KernelCase backward(int N, int D, int stride) {
    KernelCase k =
        KernelCase.backward(DType.F32, "l2NormalizeBackward N=%d D=%d stride=%d", N, D, stride);
    double[] inp = k.normal("inp", Storage.F32, span(N, D, stride));
    double[] dout = k.normal("dout", Storage.F32, N * D);
    double[] rnorm =
        k.input(
            "rnorm",
            Storage.F32,
            L2NormalizeRef.forward(Precision.F32, inp, N, D, stride, 1).rnorm());
    double[] before = k.updated("dinp", Storage.F32, inp.length);
    return k.calls(
            (backend, at) ->
                backend.run(
                    new L2NormalizeCall.Backward(
                        at.of("dinp"),
                        at.of("dout"),
                        at.of("inp"),
                        at.of("rnorm"),
                        N,
                        D,
                        stride,
                        SCALE)))
        .gives(
            p ->
                Map.of(
                    "dinp",
                    L2NormalizeRef.backward(p, before, dout, inp, rnorm, N, D, stride, SCALE)));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (int D : Shapes.widths()) {
      cases.add(forward(3, D, D));
      cases.add(backward(3, D, D + 5));
    }
    for (int N : Shapes.rows()) {
      cases.add(forward(N, 24, 32));
      cases.add(backward(N, 24, 24));
    }
    for (int[] shape : Shapes.random("l2Normalize", 10, 50, 300, 40)) {
      cases.add(forward(shape[0], shape[1], shape[1] + shape[2]));
      cases.add(backward(shape[0], shape[1], shape[1] + shape[2]));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(forward(600, 256, 384), backward(600, 256, 384));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(forward(2048, 768, 768), backward(2048, 768, 768));
  }

  @Test
  void referenceGradientIsTheSlope() {
    double[] inp = Gradients.normal("l2 normalize inp", 14);
    double[] dout = Gradients.normal("l2 normalize dout", 6);
    double[] rnorm = L2NormalizeRef.forward(Precision.EXACT, inp, 2, 3, 7, 1).rnorm();
    Gradients.check(
        "inp",
        inp,
        L2NormalizeRef.backward(Precision.EXACT, new double[14], dout, inp, rnorm, 2, 3, 7, SCALE),
        x -> {
          double[] out = L2NormalizeRef.forward(Precision.EXACT, x, 2, 3, 7, SCALE).out();
          double sum = 0;
          for (int i = 0; i < out.length; i++) {
            sum += out[i] * dout[i];
          }
          return sum;
        });
  }

  /** As torch.nn.functional.normalize: what has no direction stays without. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aZeroVectorStaysZero(Target target) {
    KernelCase k = KernelCase.forward(DType.F32, "l2Normalize of zero");
    k.input("inp", Storage.F32, new double[] {0, 0, 0, 3, 0, 4});
    k.overwritten("out", Storage.F32, 6);
    k.overwritten("rnorm", Storage.F32, 2);
    double[] out = k.calls(forwardCall(2, 3, 3, 1)).run(target.backend()).values().get("out");
    assertValues(new double[] {0, 0, 0, 0.6f, 0, 0.8f}, out);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = forward(9, 8, 8);
    assertNullsRefused(target, k, "out", "rnorm", "inp");
    assertNullsRefused(target, backward(9, 8, 8), "dinp", "dout", "inp", "rnorm");
    k.instead(forwardCall(-1, 8, 8, 1)).assertRefused(target.backend(), "N", -1);
    k.instead(forwardCall(9, 8, 7, 1)).assertRefused(target.backend(), "stride", 7);
    k.instead(forwardCall(9, 8, 8, Float.NaN)).assertRefused(target.backend(), "scale", Float.NaN);
  }
}
