package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.PairLossCall;
import dev.attune.ref.PairLossRef;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class PairLossTest extends KernelContract {
  private static final float SCALE = 0.25f;

  private static float value(PairLossKind kind) {
    return kind == PairLossKind.RANKING ? 20 : 0.5f;
  }

  /** Unit vectors, as losses of dot products see them. */
  private static double[] vectors(KernelCase k, int rows, int D) {
    double[] values = k.draw(Storage.F32, rows * D);
    for (int row = 0; row < rows; row++) {
      double squares = 0;
      for (int c = 0; c < D; c++) {
        squares += values[row * D + c] * values[row * D + c];
      }
      for (int c = 0; c < D; c++) {
        values[row * D + c] /= Math.sqrt(squares);
      }
    }
    return values;
  }

  private static KernelCase loss(PairLossKind kind, int B, int D, boolean gradient) {
    KernelCase k =
        KernelCase.forward(DType.F32, "pairLoss %s B=%d D=%d gradient=%b", kind, B, D, gradient);
    double[] inp = k.input("inp", Storage.F32, vectors(k, kind.columns() * B, D));
    double[] drawn = k.draw(Storage.F32, B);
    // Some targets are equal.
    double[] targets =
        k.input(
            "targets", Storage.F32, Arrays.stream(drawn).map(x -> Math.rint(4 * x) / 8).toArray());
    k.overwritten("losses", Storage.F32, B);
    if (gradient) {
      k.overwritten("dinp", Storage.F32, inp.length);
    }
    return k.calls(with(kind, B, D, SCALE))
        .gives(
            p -> {
              PairLossRef.Result result =
                  PairLossRef.apply(p, inp, targets, B, D, kind, value(kind), SCALE);
              return Map.of("losses", result.losses(), "dinp", result.dinp());
            });
  }

  private static KernelCase.Call with(PairLossKind kind, long B, long D, float scale) {
    return (backend, at) ->
        backend.run(
            new PairLossCall(
                at.of("losses"),
                at.of("dinp"),
                at.of("inp"),
                at.of("targets"),
                B,
                D,
                kind,
                value(kind),
                scale));
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("dinp"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (PairLossKind kind : PairLossKind.values()) {
      for (int D : Shapes.widths()) {
        cases.add(loss(kind, 5, D, true));
      }
      for (int B : Shapes.rows()) {
        cases.add(loss(kind, B, 24, true));
        cases.add(loss(kind, B, 7, false));
      }
      for (int[] shape : Shapes.random("pairLoss " + kind, 10, 60, 70)) {
        cases.add(loss(kind, shape[0], shape[1], true));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return Arrays.stream(PairLossKind.values()).map(kind -> loss(kind, 300, 384, true)).toList();
  }

  @Override
  protected List<KernelCase> realCases() {
    return Arrays.stream(PairLossKind.values()).map(kind -> loss(kind, 1024, 768, true)).toList();
  }

  @ParameterizedTest
  @EnumSource
  void referenceGradientIsTheSlope(PairLossKind kind) {
    double[] inp = Gradients.normal("pair loss " + kind, kind.columns() * 4 * 3);
    double[] targets = {0.5, 1, 0, 0.5};
    double value = kind == PairLossKind.RANKING ? 2 : 0.5;
    Gradients.check(
        "inp",
        inp,
        PairLossRef.apply(Precision.EXACT, inp, targets, 4, 3, kind, value, 0.3).dinp(),
        x ->
            0.3
                * Arrays.stream(
                        PairLossRef.apply(Precision.EXACT, x, targets, 4, 3, kind, value, 1)
                            .losses())
                    .sum());
  }

  /** An anchor that is its positive: PyTorch's gradient of the distance would be NaN. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void noDistanceHasNoDirection(Target target) {
    KernelCase k = KernelCase.forward(DType.F32, "pairLoss of equals");
    k.input("inp", Storage.F32, new double[] {1, 2, 1, 2, 1, 0});
    k.overwritten("losses", Storage.F32, 1);
    k.overwritten("dinp", Storage.F32, 6);
    KernelCase.Result result =
        k.calls(with(PairLossKind.TRIPLET_EUCLIDEAN, 1, 2, 1)).run(target.backend());
    assertValues(new double[1], result.values().get("losses"));
    for (double gradient : result.values().get("dinp")) {
      assertEquals(0, gradient, Double.MIN_VALUE);
    }
    k = KernelCase.forward(DType.F32, "pairLoss of near equals");
    k.input("inp", Storage.F32, new double[] {1, 2, 1, 2, 1, 1.75});
    k.overwritten("losses", Storage.F32, 1);
    k.overwritten("dinp", Storage.F32, 6);
    result = k.calls(with(PairLossKind.TRIPLET_EUCLIDEAN, 1, 2, 1)).run(target.backend());
    assertValues(new double[] {0.25}, result.values().get("losses"));
    assertValues(new double[] {0, -1, 0, 0, 0, 1}, result.values().get("dinp"));
  }

  /** Where no target is below another there is nothing to rank. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void equalTargetsRankNothing(Target target) {
    KernelCase k = KernelCase.forward(DType.F32, "pairLoss of one target");
    k.input("inp", Storage.F32, vectors(k, 80, 8));
    k.input("targets", Storage.F32, new double[40]);
    k.overwritten("losses", Storage.F32, 40);
    k.overwritten("dinp", Storage.F32, 80 * 8);
    KernelCase.Result result = k.calls(with(PairLossKind.RANKING, 40, 8, 1)).run(target.backend());
    assertValues(new double[40], result.values().get("losses"));
    for (double gradient : result.values().get("dinp")) {
      assertEquals(0, gradient, Double.MIN_VALUE);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = loss(PairLossKind.RANKING, 9, 8, true);
    assertNullsRefused(target, k, "losses", "inp", "targets");
    k.instead(with(PairLossKind.RANKING, -1, 8, 1)).assertRefused(target.backend(), "B", -1);
    k.instead(with(PairLossKind.RANKING, 300_000, 8, 1))
        .assertRefused(target.backend(), "B", 300_000);
    k.instead(with(PairLossKind.RANKING, 9, 0, 1)).assertRefused(target.backend(), "D", 0);
    k.instead(with(PairLossKind.RANKING, 9, 8, Float.NaN))
        .assertRefused(target.backend(), "scale", Float.NaN);
  }
}
