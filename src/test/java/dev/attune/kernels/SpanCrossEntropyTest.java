package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.SpanCrossEntropyCall;
import dev.attune.ref.Precision;
import dev.attune.ref.SpanCrossEntropyRef;
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

class SpanCrossEntropyTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  /** Where the gradient goes. */
  private enum Gradient {
    NONE,
    APART,
    IN_PLACE
  }

  private static KernelCase loss(Gradient gradient, DType dtype, int... lengths) {
    KernelCase k =
        KernelCase.forward(
            dtype, "spanCrossEntropy %s gradient=%s", Arrays.toString(lengths), gradient);
    int[] cu = Shapes.offsets(lengths);
    double[] logits = k.draw(Storage.of(dtype), 2 * cu[lengths.length]);
    int[][] positions = new int[2][lengths.length];
    for (int b = 0; b < lengths.length; b++) {
      // Some starts before their sequence, some ends behind it.
      int rows = lengths[b];
      positions[0][b] = b % 5 == 3 || rows == 0 ? -1 : k.random().nextInt(rows);
      positions[1][b] = b % 5 == 4 || rows == 0 ? rows : k.random().nextInt(rows);
    }
    return loss(k, logits, cu, positions, gradient, dtype);
  }

  private static KernelCase loss(
      KernelCase k,
      double[] values,
      int[] cuSeqlens,
      int[][] positions,
      Gradient gradient,
      DType dtype) {
    int B = cuSeqlens.length - 1;
    double[] logits = k.input("logits", dtype, values);
    k.ints("cuSeqlens", cuSeqlens);
    k.ints("starts", positions[0]);
    k.ints("ends", positions[1]);
    k.overwritten("losses", Storage.F32, 2 * B);
    if (gradient == Gradient.APART) {
      k.overwritten("dlogits", dtype, logits.length);
    } else if (gradient == Gradient.IN_PLACE) {
      k.inPlace("dlogits", "logits");
    }
    return k.calls(with(B, 0.5f, dtype))
        .gives(
            p -> {
              SpanCrossEntropyRef.Result result =
                  SpanCrossEntropyRef.apply(
                      p, logits, cuSeqlens, positions, new double[] {0.5, 0.25});
              return Map.of("losses", result.losses(), "dlogits", result.dlogits());
            });
  }

  private static KernelCase.Call with(long B, float startScale, DType dtype) {
    return (backend, at) ->
        backend.run(
            new SpanCrossEntropyCall(
                at.of("losses"),
                at.of("dlogits"),
                at.of("logits"),
                at.of("cuSeqlens"),
                at.of("starts"),
                at.of("ends"),
                B,
                startScale,
                0.25f,
                dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int T : Shapes.rows()) {
        cases.add(loss(Gradient.APART, dtype, T));
        cases.add(loss(Gradient.IN_PLACE, dtype, 3, T, 1, T, 8));
        cases.add(loss(Gradient.NONE, dtype, T, T));
      }
      cases.add(loss(Gradient.APART, dtype));
      cases.add(loss(Gradient.APART, dtype, 0, 5, 0, 0, 9, 0));
      int[] many = new int[70];
      Arrays.setAll(many, b -> 1 + b % 9);
      cases.add(loss(Gradient.APART, dtype, many));
      for (int[] shape : Shapes.random("spanCrossEntropy " + dtype, 20, 200, 60, 9)) {
        cases.add(loss(Gradient.IN_PLACE, dtype, shape[0], shape[1], shape[2]));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    int[] lengths = new int[300];
    Arrays.setAll(lengths, b -> 20 + b * 7 % 101);
    for (DType dtype : DTYPES) {
      cases.add(loss(Gradient.IN_PLACE, dtype, lengths));
      cases.add(loss(Gradient.APART, dtype, 5003, 3001));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    int[] windows = new int[32];
    Arrays.fill(windows, 384);
    for (DType dtype : DTYPES) {
      cases.add(loss(Gradient.IN_PLACE, dtype, windows));
    }
    return cases;
  }

  @Test
  void referenceGradientIsTheSlope() {
    int[] cu = {0, 3, 3, 8};
    int[][] positions = {{1, 0, -1}, {2, 0, 4}};
    double[] scales = {0.3, 0.7};
    double[] logits = Gradients.normal("span cross entropy", 16);
    Gradients.check(
        "logits",
        logits,
        SpanCrossEntropyRef.apply(Precision.EXACT, logits, cu, positions, scales).dlogits(),
        x -> {
          double[] losses =
              SpanCrossEntropyRef.apply(Precision.EXACT, x, cu, positions, scales).losses();
          double sum = 0;
          for (int i = 0; i < losses.length; i++) {
            sum += losses[i] * scales[i % 2];
          }
          return sum;
        });
  }

  /** Uniform scores over T rows cost log T, for the start and for the end. */
  @Test
  void referenceOfUniformScoresIsLogOfTheRows() {
    double[] losses =
        SpanCrossEntropyRef.apply(
                Precision.EXACT,
                new double[14],
                new int[] {0, 7},
                new int[][] {{2}, {6}},
                new double[] {1, 1})
            .losses();
    assertEquals(Math.log(7), losses[0], 1e-15);
    assertEquals(Math.log(7), losses[1], 1e-15);
  }

  /** Positions outside their sequence cost nothing and move nothing, whatever the scores are. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void positionsOutsideTheSequenceAreIgnored(Target target) {
    int[] cu = {0, 5, 9};
    int[][] positions = {{-1, 4}, {5, -100}};
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "spanCrossEntropy all ignored");
      double[] logits = k.draw(Storage.of(dtype), 18);
      logits[3] = Double.NaN;
      Map<String, double[]> result =
          loss(k, logits, cu, positions, Gradient.APART, dtype).run(target.backend()).values();
      assertValues(new double[4], result.get("losses"));
      assertValues(new double[18], result.get("dlogits"));
    }
  }

  /** A NaN reaches its own column of its own sequence. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsColumn(Target target) {
    int[] cu = {0, 40, 75};
    int[][] positions = {{3, 5}, {7, 0}};
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "spanCrossEntropy with NaN");
      double[] logits = k.draw(Storage.of(dtype), 150);
      logits[2 * 20] = Double.NaN;
      double[] losses =
          loss(k, logits, cu, positions, Gradient.APART, dtype)
              .run(target.backend())
              .values()
              .get("losses");
      for (int i = 0; i < 4; i++) {
        assertEquals(i == 0, Double.isNaN(losses[i]), "loss " + i);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = loss(Gradient.APART, DType.F32, 4, 3);
    assertNullsRefused(target, k, "losses", "logits", "cuSeqlens", "starts", "ends");
    k.with("cuSeqlens", 1, 8).assertRefused(target.backend(), "cuSeqlens[2]", 7);
    k.instead(with(-1, 1, DType.F32)).assertRefused(target.backend(), "B", -1);
    k.instead(with(2, Float.NaN, DType.F32))
        .assertRefused(target.backend(), "startScale", Float.NaN);
    k.instead(with(2, 1, DType.I32)).assertRefused(target.backend(), "dtype", DType.I32);
  }
}
