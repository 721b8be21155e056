package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.ref.ActivationRef;
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
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ActivationTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private static final List<Integer> FEW_COUNTS = List.of(0, 7, 33, 1000);

  static ActivationRef ref(Activation activation) {
    return ActivationRef.valueOf(activation.name());
  }

  private static KernelCase forward(
      Activation activation, double[] values, int count, DType dtype, boolean inPlace) {
    KernelCase k =
        KernelCase.forward(
            dtype, "activationForward %s count=%d inPlace=%b", activation, count, inPlace);
    double[] inp = values == null ? k.normal("inp", dtype, count) : k.input("inp", dtype, values);
    if (inPlace) {
      k.inPlace("out", "inp");
    } else {
      k.overwritten("out", dtype, count);
    }
    return k.calls(
            (backend, at) ->
                backend.run(
                    new ActivationCall.Forward(
                        at.of("out"), at.of("inp"), count, activation, dtype)))
        .gives(p -> Map.of("out", ref(activation).forward(p, inp)));
  }

  private static KernelCase backward(
      Activation activation,
      double[] values,
      int count,
      DType dtype,
      boolean accumulate,
      boolean inPlace) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "activationBackward %s count=%d accumulate=%b inPlace=%b",
            activation,
            count,
            accumulate,
            inPlace);
    double[] inp = values == null ? k.normal("inp", dtype, count) : k.input("inp", dtype, values);
    double[] dout = k.normal("dout", dtype, count);
    double[] old = null;
    if (inPlace) {
      k.inPlace("dinp", "dout");
    } else {
      old = k.gradient("dinp", dtype, count, accumulate);
    }
    double[] before = old;
    return k.calls(
            (backend, at) ->
                backend.run(
                    new ActivationCall.Backward(
                        at.of("dinp"),
                        at.of("dout"),
                        at.of("inp"),
                        count,
                        activation,
                        accumulate,
                        dtype)))
        .gives(p -> Map.of("dinp", ref(activation).backward(p, dout, inp, before)));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.add(0);
    counts.add(1000);
    Shapes.random("activation", 20, 3000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        // One loop of lanes serves all: those that few models have are tried at a few lengths.
        for (int count : activation.isFused() ? counts : FEW_COUNTS) {
          cases.add(forward(activation, null, count, dtype, count % 3 == 0));
          cases.add(backward(activation, null, count, dtype, count % 2 == 0, count % 2 == 1));
        }
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        cases.add(forward(activation, null, 20_011, dtype, true));
        cases.add(backward(activation, null, 20_011, dtype, true, false));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (Activation activation : LinearCases.FUSED) {
        cases.add(forward(activation, null, 512 * 3072, dtype, false));
        cases.add(backward(activation, null, 512 * 3072, dtype, false, false));
      }
    }
    return cases;
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void referenceDerivativeIsTheSlope(Activation activation) {
    double[] inp = Gradients.normal("activation " + activation, 40);
    double[] dout = Gradients.normal("activation dout", 40);
    Gradients.check(
        "inp",
        inp,
        ref(activation).backward(Precision.EXACT, dout, inp, null),
        x -> Gradients.dot(ref(activation).forward(Precision.EXACT, x), dout));
  }

  @Test
  void referenceAgreesWithPublishedValues() {
    assertEquals(0.8411919906082768, value(Activation.GELU_TANH, 1), 1e-15);
    assertEquals(0.8413447460685429, value(Activation.GELU, 1), 1e-15);
    assertEquals(-0.15865525393145707, value(Activation.GELU, -1), 1e-15);
    assertEquals(-0.00404969409489028, value(Activation.GELU, -3), 1e-15);
    assertEquals(-4.97676845941746e-15, value(Activation.GELU, -8), 1e-25);
    assertEquals(0.7615941559557649, value(Activation.TANH, 1), 1e-15);
  }

  /** At -2.5, -0.7, 1.3 and 12, of ACT2FN in float64: which function a name of a config means. */
  @ParameterizedTest
  @CsvSource({
    "gelu gelu_python, -0.0155241633, -0.169374557, 1.17415937, 12",
    "gelu_new gelu_fast gelu_accurate gelu_pytorch_tanh gelu_python_tanh,"
        + " -0.0150842661, -0.169429865, 1.17392901, 12",
    "quick_gelu, -0.034986165, -0.163106048, 1.17178789, 12",
    "gelu_10, -0.0155241633, -0.169374557, 1.17415937, 10",
    "relu, 0, 0, 1.3, 12",
    "relu6, 0, 0, 1.3, 6",
    "relu2, 0, 0, 1.69, 144",
    "leaky_relu, -0.025, -0.007, 1.3, 12",
    "silu swish, -0.18964545, -0.232268559, 1.02158548, 11.9999263",
    "hardswish, -0.208333333, -0.268333333, 0.931666667, 12",
    "mish, -0.196816204, -0.267870235, 1.18597657, 12",
    "tanh, -0.986614298, -0.604367777, 0.861723159, 1",
    "sigmoid, 0.07585818, 0.331812228, 0.785834983, 0.999993856",
    "laplace, 0, 3.04941947e-07, 0.982212384, 1",
    "linear, -2.5, -0.7, 1.3, 12"
  })
  void namesMeanTheFunctionsOfTransformers(
      String names, double first, double second, double third, double fourth) {
    double[] points = {-2.5, -0.7, 1.3, 12};
    double[] values = {first, second, third, fourth};
    for (String name : names.split(" ")) {
      Activation activation = Activation.named(name).orElseThrow();
      for (int i = 0; i < points.length; i++) {
        double near = 1e-8 * Math.max(1, values[i]);
        assertEquals(values[i], value(activation, points[i]), near, name + " of " + points[i]);
      }
    }
  }

  private static double value(Activation activation, double x) {
    return ref(activation).value(Precision.EXACT, x);
  }

  /** The whole line, including where exp under- and overflows; accuracy relative to x. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void agreesFromTailToTail(Target target) {
    double[] line = new double[8001];
    for (int i = 0; i < line.length; i++) {
      line[i] = (i - 4000) / 200.0;
    }
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        cases.add(forward(activation, line, line.length, dtype, false));
        cases.add(backward(activation, line, line.length, dtype, false, false));
      }
    }
    each(cases, kernelCase -> kernelCase.verify(target.backend(), 0));
  }

  /** Far out the activations are their asymptotes, exactly; zeros and subnormals are harmless. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void extremesGiveTheAsymptotes(Target target) {
    double[] extremes = {1e4, -1e4, 1e30, -1e30, 0, -0.0, 1e-40, -1e-40, 100, -100};
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        double[] inp = new double[extremes.length];
        for (int i = 0; i < inp.length; i++) {
          inp[i] = Storage.of(dtype).round(extremes[i]);
        }
        KernelCase forward = forward(activation, extremes, extremes.length, dtype, false);
        double[] out = forward.run(target.backend()).values().get("out");
        KernelCase backward = backward(activation, extremes, extremes.length, dtype, false, false);
        double[] dinp = backward.run(target.backend()).values().get("dinp");
        String label = activation + " " + dtype + " on " + target;
        for (int i = 0; i < inp.length; i++) {
          double right = ref(activation).value(Precision.EXACT, inp[i]);
          String here = label + " of " + inp[i];
          if (Math.abs(right) > Float.MAX_VALUE) {
            assertEquals(Math.signum(right) * Double.POSITIVE_INFINITY, out[i], here);
          } else {
            // silu(-100) is subnormal: right as that, and as 0. libtorch's 1 + erf cancels.
            double near = (dtype == DType.F32 ? 1e-6 : 4e-3) * Math.abs(right);
            double least = target.isOurs() ? Float.MIN_NORMAL : 1e-7;
            assertEquals(right, out[i], Math.max(least, near), here);
          }
          // libtorch's own slope of the tanh form is 0 * infinity where the square overflows.
          boolean overflows = Math.abs(inp[i]) > 1e19 && !target.isOurs();
          assertTrue(overflows || Double.isFinite(dinp[i]), label + " slope at " + inp[i]);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberComesThrough(Target target) {
    double[] values = new double[37];
    values[3] = Double.NaN;
    values[36] = Double.NaN;
    for (DType dtype : DTYPES) {
      for (Activation activation : Activation.values()) {
        KernelCase forward = forward(activation, values, values.length, dtype, false);
        double[] out = forward.run(target.backend()).values().get("out");
        for (int i = 0; i < out.length; i++) {
          assertEquals(
              Double.isNaN(values[i]), Double.isNaN(out[i]), activation + " " + dtype + " " + i);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase forward = forward(Activation.GELU, null, 9, DType.F32, false);
    assertNullsRefused(target, forward, "out", "inp");
    KernelCase backward = backward(Activation.GELU, null, 9, DType.F32, false, false);
    assertNullsRefused(target, backward, "dinp", "dout", "inp");
    for (DType dtype : new DType[] {DType.F32, DType.I32}) {
      String argument = dtype == DType.F32 ? "count" : "dtype";
      Object value = dtype == DType.F32 ? -1 : dtype;
      long count = dtype == DType.F32 ? -1 : 9;
      forward
          .instead(
              (b, at) ->
                  b.run(
                      new ActivationCall.Forward(
                          at.of("out"), at.of("inp"), count, Activation.GELU, dtype)))
          .assertRefused(target.backend(), argument, value);
      backward
          .instead(
              (b, at) ->
                  b.run(
                      new ActivationCall.Backward(
                          at.of("dinp"),
                          at.of("dout"),
                          at.of("inp"),
                          count,
                          Activation.GELU,
                          false,
                          dtype)))
          .assertRefused(target.backend(), argument, value);
    }
  }
}
