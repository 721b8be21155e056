package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.GatedCall;
import dev.attune.ref.GatedRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class GatedTest extends KernelContract {
  private static final List<Integer> FEW_WIDTHS = List.of(1, 17, 64);

  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private static KernelCase forward(int N, int F, Activation activation, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "gatedForward N=%d F=%d %s", N, F, activation);
    double[] inp = k.normal("inp", dtype, N * 2 * F);
    k.overwritten("out", dtype, N * F);
    return k.calls(forwardCall(N, F, activation, dtype))
        .gives(p -> Map.of("out", GatedRef.forward(p, ActivationTest.ref(activation), inp, N, F)));
  }

  private static KernelCase.Call forwardCall(long N, long F, Activation activation, DType dtype) {
    return (backend, at) ->
        backend.run(new GatedCall.Forward(at.of("out"), at.of("inp"), N, F, activation, dtype));
  }

  /** Where the results of backward go. */
  private enum Outputs {
    DINP,
    /** dinp and outAgain, each in memory of its own. */
    BOTH,
    /** dinp is inp, outAgain is dout. */
    IN_PLACE
  }

  private static KernelCase backward(
      int N, int F, Activation activation, Outputs outputs, DType dtype) {
    KernelCase k =
        KernelCase.backward(dtype, "gatedBackward N=%d F=%d %s %s", N, F, activation, outputs);
    double[] inp = k.normal("inp", dtype, N * 2 * F);
    double[] dout = k.normal("dout", dtype, N * F);
    if (outputs == Outputs.IN_PLACE) {
      k.inPlace("dinp", "inp");
      k.inPlace("outAgain", "dout");
    } else {
      k.overwritten("dinp", dtype, N * 2 * F);
      if (outputs == Outputs.BOTH) {
        k.overwritten("outAgain", dtype, N * F);
      }
    }
    return k.calls(backwardCall(N, F, activation, dtype))
        .gives(
            p ->
                Map.of(
                    "dinp",
                    GatedRef.backward(p, ActivationTest.ref(activation), dout, inp, N, F),
                    "outAgain",
                    GatedRef.forward(p, ActivationTest.ref(activation), inp, N, F)));
  }

  private static KernelCase.Call backwardCall(long N, long F, Activation activation, DType dtype) {
    return (backend, at) ->
        backend.run(
            new GatedCall.Backward(
                at.of("dinp"),
                at.of("outAgain"),
                at.of("dout"),
                at.of("inp"),
                N,
                F,
                activation,
                dtype));
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("outAgain"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        for (int F : activation.isFused() ? Shapes.widths() : FEW_WIDTHS) {
          cases.add(forward(3, F, activation, dtype));
          cases.add(backward(3, F, activation, Outputs.IN_PLACE, dtype));
        }
      }
      for (int N : Shapes.rows()) {
        cases.add(forward(N, 34, Activation.SILU, dtype));
        cases.add(backward(N, 34, Activation.SILU, Outputs.DINP, dtype));
        cases.add(backward(N, 34, Activation.GELU, Outputs.BOTH, dtype));
      }
      for (int[] shape : Shapes.random("gated " + dtype, 20, 30, 200)) {
        cases.add(forward(shape[0], shape[1], Activation.GELU_TANH, dtype));
        cases.add(backward(shape[0], shape[1], Activation.GELU_TANH, Outputs.BOTH, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(131, 307, Activation.SILU, dtype));
      cases.add(backward(131, 307, Activation.SILU, Outputs.IN_PLACE, dtype));
      // One token whose row is cut into pieces.
      cases.add(forward(1, 20_011, Activation.SILU, dtype));
      cases.add(backward(1, 20_011, Activation.GELU_TANH, Outputs.BOTH, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(512, 8192, Activation.SILU, dtype));
      cases.add(backward(512, 8192, Activation.SILU, Outputs.IN_PLACE, dtype));
    }
    return cases;
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void referenceGradientIsTheSlope(Activation activation) {
    double[] inp = Gradients.normal("gated " + activation, 3 * 2 * 5);
    double[] dout = Gradients.normal("gated dout", 3 * 5);
    var act = ActivationTest.ref(activation);
    Gradients.check(
        "inp",
        inp,
        GatedRef.backward(Precision.EXACT, act, dout, inp, 3, 5),
        x -> Gradients.dot(GatedRef.forward(Precision.EXACT, act, x, 3, 5), dout));
  }

  /** What backward recomputes is what forward stored, bit for bit. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void outAgainIsTheForwardsOut(Target target) {
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        KernelCase back = backward(7, 83, activation, Outputs.BOTH, dtype);
        KernelCase forward = KernelCase.forward(dtype, "gatedForward again");
        back.copyTensorsTo(forward, "inp");
        forward.overwritten("out", dtype, 7 * 83);
        forward.calls(forwardCall(7, 83, activation, dtype));
        assertArrayEquals(
            forward.run(target.backend()).values().get("out"),
            back.run(target.backend()).values().get("outAgain"));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsElement(Target target) {
    int F = 37;
    for (DType dtype : DTYPES) {
      for (int at : new int[] {5, F + 9}) {
        KernelCase k = forward(2, F, Activation.SILU, dtype).with("inp", at, Double.NaN);
        double[] out = k.run(target.backend()).values().get("out");
        for (int i = 0; i < out.length; i++) {
          assertEquals(i == at % F, Double.isNaN(out[i]), "element " + i);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase forward = forward(3, 5, Activation.SILU, DType.F32);
    assertNullsRefused(target, forward, "out", "inp");
    KernelCase backward = backward(3, 5, Activation.SILU, Outputs.BOTH, DType.F32);
    assertNullsRefused(target, backward, "dinp", "dout", "inp");
    for (KernelCase.Call call :
        List.of(
            forwardCall(-1, 5, Activation.SILU, DType.F32),
            backwardCall(-1, 5, Activation.SILU, DType.F32))) {
      backward.instead(call).assertRefused(target.backend(), "N", -1);
    }
    for (KernelCase.Call call :
        List.of(
            forwardCall(3, 0, Activation.SILU, DType.F32),
            backwardCall(3, 0, Activation.SILU, DType.F32))) {
      backward.instead(call).assertRefused(target.backend(), "F", 0);
    }
    forward
        .instead(forwardCall(3, 5, Activation.SILU, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }
}
