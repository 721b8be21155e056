package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.MseCall;
import dev.attune.core.DType;
import dev.attune.ref.MseRef;
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
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MseTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private static KernelCase mse(int N, float scale, boolean gradient, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "mse N=%d scale=%s gradient=%b", N, scale, gradient);
    double[] pred = k.normal("pred", dtype, N);
    double[] targets = k.normal("targets", Storage.F32, N);
    k.overwritten("losses", Storage.F32, N);
    if (gradient) {
      k.overwritten("dpred", dtype, N);
    }
    return k.calls(
            (backend, at) ->
                backend.run(new MseCall(
                    at.of("losses"),
                    at.of("dpred"),
                    at.of("pred"),
                    at.of("targets"),
                    N,
                    scale,
                    dtype)))
        .gives(
            p ->
                Map.of(
                    "losses", MseRef.losses(p, pred, targets),
                    "dpred", MseRef.gradient(p, pred, targets, scale)));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.addAll(Shapes.rows());
    Shapes.random("mse", 20, 500).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int count : counts) {
        cases.add(mse(count, 0.25f, true, dtype));
        cases.add(mse(count, 1, false, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(mse(20_011, 0.5f, true, DType.F32), mse(20_011, 0.5f, true, DType.BF16));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(mse(100_000, 0.5f, true, DType.F32));
  }

  @Test
  void referenceGradientIsTheSlope() {
    double[] pred = Gradients.normal("mse pred", 10);
    double[] targets = Gradients.normal("mse targets", 10);
    Gradients.check(
        "pred",
        pred,
        MseRef.gradient(Precision.EXACT, pred, targets, 0.3),
        x -> 0.3 * Arrays.stream(MseRef.losses(Precision.EXACT, x, targets)).sum());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aPerfectPredictionHasNoLoss(Target target) {
    double[] values = {1, -2, 1e30, 1e-30, 0};
    KernelCase k = KernelCase.forward(DType.F32, "mse perfect");
    k.input("pred", Storage.F32, values);
    k.input("targets", Storage.F32, values);
    k.overwritten("losses", Storage.F32, values.length);
    k.overwritten("dpred", Storage.F32, values.length);
    k.calls(
        (backend, at) ->
            backend.run(new MseCall(
                at.of("losses"),
                at.of("dpred"),
                at.of("pred"),
                at.of("targets"),
                values.length,
                1,
                DType.F32)));
    KernelCase.Result result = k.run(target.backend());
    assertValues(new double[values.length], result.values().get("losses"));
    for (double gradient : result.values().get("dpred")) {
      assertEquals(0, gradient, Double.MIN_VALUE);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = mse(9, 1, true, DType.F32);
    assertNullsRefused(target, k, "losses", "pred", "targets");
    k.instead(
            (b, at) ->
                b.run(new MseCall(
                    at.of("losses"),
                    at.of("dpred"),
                    at.of("pred"),
                    at.of("targets"),
                    -1,
                    1,
                    DType.F32)))
        .assertRefused(target.backend(), "N", -1);
    k.instead(
            (b, at) ->
                b.run(new MseCall(
                    at.of("losses"),
                    at.of("dpred"),
                    at.of("pred"),
                    at.of("targets"),
                    9,
                    1,
                    DType.I32)))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }
}
