package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.BinaryCrossEntropyCall;
import dev.attune.ref.BinaryCrossEntropyRef;
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

class BinaryCrossEntropyTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  /** Where the gradient goes. */
  private enum Gradient {
    NONE,
    APART,
    IN_PLACE
  }

  private static KernelCase loss(
      int N, int K, boolean weighted, float scale, Gradient gradient, DType dtype) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "binaryCrossEntropy N=%d K=%d weighted=%b scale=%s gradient=%s",
            N,
            K,
            weighted,
            scale,
            gradient);
    double[] logits = k.draw(Storage.of(dtype), N * K);
    double[] targets = new double[N * K];
    Arrays.setAll(targets, i -> i % 7 == 3 ? 0.25 : k.random().nextInt(2));
    double[] weights = new double[K];
    Arrays.setAll(weights, i -> 0.5 + i % 5);
    return loss(k, logits, targets, weighted ? weights : null, K, scale, gradient, dtype);
  }

  private static KernelCase loss(
      KernelCase k,
      double[] values,
      double[] labels,
      double[] weights,
      int K,
      float scale,
      Gradient gradient,
      DType dtype) {
    int N = labels.length / K;
    double[] logits = k.input("logits", dtype, values);
    double[] targets = k.input("targets", Storage.F32, labels);
    double[] posWeight = weights == null ? null : k.input("posWeight", Storage.F32, weights);
    k.overwritten("losses", Storage.F32, N);
    if (gradient == Gradient.APART) {
      k.overwritten("dlogits", dtype, N * K);
    } else if (gradient == Gradient.IN_PLACE) {
      k.inPlace("dlogits", "logits");
    }
    return k.calls(with(N, K, scale, dtype))
        .gives(
            p -> {
              BinaryCrossEntropyRef.Result result =
                  BinaryCrossEntropyRef.apply(p, logits, targets, posWeight, N, K, scale);
              return Map.of("losses", result.losses(), "dlogits", result.dlogits());
            });
  }

  private static KernelCase.Call with(long N, long K, float scale, DType dtype) {
    return (backend, at) ->
        backend.run(
            new BinaryCrossEntropyCall(
                at.of("losses"),
                at.of("dlogits"),
                at.of("logits"),
                at.of("targets"),
                at.of("posWeight"),
                N,
                K,
                scale,
                dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int K : Shapes.widths()) {
        cases.add(loss(7, K, false, 1, Gradient.APART, dtype));
        cases.add(loss(7, K, true, 2, Gradient.IN_PLACE, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(loss(N, 3, true, 0.5f, Gradient.IN_PLACE, dtype));
        cases.add(loss(N, 37, false, 1, Gradient.NONE, dtype));
        cases.add(loss(N, 1, false, 1, Gradient.APART, dtype));
      }
      for (int[] shape : Shapes.random("binaryCrossEntropy " + dtype, 20, 40, 400)) {
        cases.add(loss(shape[0], shape[1], true, 1, Gradient.IN_PLACE, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(loss(211, 301, true, 1, Gradient.IN_PLACE, dtype));
      cases.add(loss(2003, 19, false, 1, Gradient.APART, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      // Fine-grained emotions, and an extreme multi-label task.
      cases.add(loss(64, 28, false, 1, Gradient.IN_PLACE, dtype));
      cases.add(loss(32, 4_271, true, 1, Gradient.APART, dtype));
    }
    return cases;
  }

  @Test
  void referenceGradientIsTheSlope() {
    double[] logits = Gradients.normal("binary cross entropy", 3 * 4);
    double[] targets = {1, 0, 0.25, 1, 0, 0, 1, 1, 0.5, 1, 0, 0};
    for (double[] weights : new double[][] {null, {1, 3, 0.5, 2}}) {
      Gradients.check(
          "logits",
          logits,
          BinaryCrossEntropyRef.apply(Precision.EXACT, logits, targets, weights, 3, 4, 0.3)
              .dlogits(),
          x ->
              0.3
                  * Arrays.stream(
                          BinaryCrossEntropyRef.apply(Precision.EXACT, x, targets, weights, 3, 4, 1)
                              .losses())
                      .sum());
    }
  }

  /** A logit of 0 says one half and costs log 2, whatever the label. */
  @Test
  void referenceOfIndifferenceIsLogTwo() {
    double[] losses =
        BinaryCrossEntropyRef.apply(
                Precision.EXACT, new double[4], new double[] {1, 0, 1, 1}, null, 2, 2, 1)
            .losses();
    assertEquals(Math.log(2), losses[0], 1e-15);
    assertEquals(Math.log(2), losses[1], 1e-15);
  }

  private static Map<String, double[]> run(Target target, double[] logits, double[] targets) {
    KernelCase k = KernelCase.forward(DType.F32, "binaryCrossEntropy of given logits");
    return loss(k, logits, targets, null, 1, 1, Gradient.APART, DType.F32)
        .run(target.backend())
        .values();
  }

  /** A certain answer costs next to nothing, a wrong one its logit; neither overflows. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void largeLogitsDoNotOverflow(Target target) {
    Map<String, double[]> result =
        run(target, new double[] {30, -30, 200, -200, 3e38}, new double[] {1, 0, 0, 1, 0});
    double tiny = Math.exp(-30);
    double[] losses = result.get("losses");
    assertEquals(tiny, losses[0], tiny * 1e-5);
    assertEquals(tiny, losses[1], tiny * 1e-5);
    assertValues(new double[] {200, 200, (float) 3e38}, Arrays.copyOfRange(losses, 2, 5));
    assertValues(new double[] {1, -1, 1}, Arrays.copyOfRange(result.get("dlogits"), 2, 5));
  }

  /** An infinite logit costs infinitely much where it is wrong; where it is right: 0 times that. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void infiniteLogitsAreSeen(Target target) {
    double inf = Double.POSITIVE_INFINITY;
    double[] losses =
        run(
                target,
                new double[] {inf, -inf, inf, -inf, Double.NaN, 1},
                new double[] {0, 1, 1, 0, 0, 1})
            .get("losses");
    assertEquals(inf, losses[0]);
    assertEquals(inf, losses[1]);
    assertEquals(Double.NaN, losses[2]);
    assertEquals(Double.NaN, losses[3]);
    assertEquals(Double.NaN, losses[4]);
    assertEquals(Math.log1p(Math.exp(-1)), losses[5], 1e-6);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = loss(2, 3, true, 1, Gradient.APART, DType.F32);
    assertNullsRefused(target, k, "losses", "logits", "targets");
    k.instead(with(2, 0, 1, DType.F32)).assertRefused(target.backend(), "K", 0);
    k.instead(with(-1, 3, 1, DType.F32)).assertRefused(target.backend(), "N", -1);
    k.instead(with(2, 3, Float.NaN, DType.F32)).assertRefused(target.backend(), "scale", Float.NaN);
    k.instead(with(2, 3, 1, DType.I32)).assertRefused(target.backend(), "dtype", DType.I32);
  }
}
