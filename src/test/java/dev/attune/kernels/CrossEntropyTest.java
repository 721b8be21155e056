package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.DType;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.ref.CrossEntropyRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CrossEntropyTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final int IGNORE = -100;

  /** Where the gradient goes. */
  private enum Gradient {
    NONE,
    APART,
    IN_PLACE
  }

  private static KernelCase crossEntropy(
      int N, int K, float smoothing, float scale, Gradient gradient, DType dtype) {
    return crossEntropy(N, K, false, smoothing, scale, gradient, dtype);
  }

  private static KernelCase crossEntropy(
      int N,
      int K,
      boolean weighted,
      float smoothing,
      float scale,
      Gradient gradient,
      DType dtype) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "crossEntropy N=%d K=%d weighted=%b smoothing=%s scale=%s gradient=%s",
            N,
            K,
            weighted,
            smoothing,
            scale,
            gradient);
    double[] logits = k.draw(Storage.of(dtype), N * K);
    int[] labels = new int[N];
    for (int n = 0; n < N; n++) {
      labels[n] = n % 5 == 3 ? IGNORE : k.random().nextInt(K);
    }
    double[] weights = new double[K];
    Arrays.setAll(weights, i -> 0.5 + i % 5);
    return crossEntropy(
        k, logits, labels, weighted ? weights : null, K, smoothing, scale, gradient, dtype);
  }

  private static KernelCase crossEntropy(
      KernelCase k,
      double[] values,
      int[] labels,
      double[] weights,
      int K,
      float smoothing,
      float scale,
      Gradient gradient,
      DType dtype) {
    int N = labels.length;
    double[] logits = k.input("logits", dtype, values);
    k.ints("labels", labels);
    double[] classWeight = weights == null ? null : k.input("classWeight", Storage.F32, weights);
    k.overwritten("losses", Storage.F32, N);
    if (gradient == Gradient.APART) {
      k.overwritten("dlogits", dtype, N * K);
    } else if (gradient == Gradient.IN_PLACE) {
      k.inPlace("dlogits", "logits");
    }
    return k.calls(
            (backend, at) ->
                backend.run(
                    new CrossEntropyCall(
                        at.of("losses"),
                        at.of("dlogits"),
                        at.of("logits"),
                        at.of("labels"),
                        at.of("classWeight"),
                        N,
                        K,
                        IGNORE,
                        smoothing,
                        scale,
                        dtype)))
        .gives(
            p -> {
              CrossEntropyRef.Result result =
                  CrossEntropyRef.apply(
                      p, logits, labels, classWeight, N, K, IGNORE, smoothing, scale);
              return Map.of("losses", result.losses(), "dlogits", result.dlogits());
            });
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("dlogits"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int K : Shapes.widths()) {
        cases.add(crossEntropy(7, K, 0, 1, Gradient.APART, dtype));
        cases.add(crossEntropy(7, K, 0.1f, 2, Gradient.IN_PLACE, dtype));
        cases.add(crossEntropy(7, K, true, 0, 2, Gradient.IN_PLACE, dtype));
        cases.add(crossEntropy(7, K, true, 0.1f, 1, Gradient.APART, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(crossEntropy(N, 3, 0, 0.5f, Gradient.IN_PLACE, dtype));
        cases.add(crossEntropy(N, 37, 0.1f, 1, Gradient.NONE, dtype));
        cases.add(crossEntropy(N, 2, 0, 1, Gradient.APART, dtype));
        cases.add(crossEntropy(N, 3, true, 0.1f, 1, Gradient.NONE, dtype));
      }
      for (int[] shape : Shapes.random("crossEntropy " + dtype, 20, 40, 400)) {
        cases.add(crossEntropy(shape[0], shape[1], 0, 1, Gradient.IN_PLACE, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(crossEntropy(211, 301, 0.1f, 1, Gradient.IN_PLACE, dtype));
      cases.add(crossEntropy(5003, 3, 0, 1, Gradient.APART, dtype));
      cases.add(crossEntropy(101, 4301, true, 0.1f, 1, Gradient.APART, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(crossEntropy(80, 30_522, 0, 1, Gradient.IN_PLACE, dtype));
      cases.add(crossEntropy(20, 50_257, 0.1f, 1, Gradient.APART, dtype));
    }
    return cases;
  }

  @Test
  void referenceGradientIsTheSlope() {
    int[] labels = {2, IGNORE, 0, 4};
    double[] logits = Gradients.normal("cross entropy", 4 * 5);
    for (double[] weights : new double[][] {null, {1, 3, 0.5, 2, 0.25}}) {
      for (double smoothing : new double[] {0, 0.2}) {
        Gradients.check(
            "logits",
            logits,
            CrossEntropyRef.apply(
                    Precision.EXACT, logits, labels, weights, 4, 5, IGNORE, smoothing, 0.3)
                .dlogits(),
            x ->
                0.3
                    * Arrays.stream(
                            CrossEntropyRef.apply(
                                    Precision.EXACT, x, labels, weights, 4, 5, IGNORE, smoothing, 1)
                                .losses())
                        .sum());
      }
    }
  }

  /** Uniform logits over K classes cost log K, whatever their level. */
  @Test
  void referenceOfUniformLogitsIsLogK() {
    double[] logits = new double[8];
    Arrays.fill(logits, 700);
    double[] losses =
        CrossEntropyRef.apply(Precision.EXACT, logits, new int[] {3}, null, 1, 8, IGNORE, 0, 1)
            .losses();
    assertEquals(Math.log(8), losses[0], 1e-15);
  }

  private static KernelCase.Result run(
      Target target, double[] logits, int[] labels, int K, float smoothing, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "crossEntropy %s", Arrays.toString(labels));
    return crossEntropy(k, logits, labels, null, K, smoothing, 1, Gradient.APART, dtype)
        .verify(target.backend(), 0);
  }

  /** torch.nn.CrossEntropyLoss with weight, of which tools/make_option_goldens.py took the mean. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void weightsOfClassesAreThoseOfPyTorch(Target target) {
    JsonNode golden = Goldens.json(Path.of("src/test/resources/options.json"));
    double[] weights = numbers(golden.get("weights"));
    JsonNode loss = golden.get("loss");
    int[] labels = Arrays.stream(numbers(loss.get("labels"))).mapToInt(x -> (int) x).toArray();
    double divisor =
        Arrays.stream(labels).filter(l -> l != IGNORE).mapToDouble(l -> weights[l]).sum();
    assertEquals(2, loss.get("cases").size());
    for (JsonNode item : loss.get("cases")) {
      KernelCase k = KernelCase.forward(DType.F32, "crossEntropy of PyTorch");
      Map<String, double[]> result =
          crossEntropy(
                  k,
                  numbers(loss.get("logits")),
                  labels,
                  weights,
                  weights.length,
                  (float) item.get("smoothing").asDouble(),
                  (float) (1 / divisor),
                  Gradient.APART,
                  DType.F32)
              .run(target.backend())
              .values();
      double mean = Arrays.stream(result.get("losses")).sum() / divisor;
      assertEquals(item.get("loss").asDouble(), mean, 1e-6);
      double[] gradient = numbers(item.get("gradient"));
      for (int i = 0; i < gradient.length; i++) {
        assertEquals(gradient[i], result.get("dlogits")[i], 1e-7, "gradient " + i);
      }
    }
  }

  private static double[] numbers(JsonNode list) {
    double[] values = new double[list.size()];
    Arrays.setAll(values, i -> list.get(i).asDouble());
    return values;
  }

  /** Logits far apart: a certain answer costs nothing, a wrong one the whole distance. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void largeLogitsDoNotOverflow(Target target) {
    double[] logits = {1e4, -1e4, 0, 1e4, -1e4, 0, 3e38, -3e38, 0};
    for (DType dtype : DTYPES) {
      KernelCase.Result result = run(target, logits, new int[] {0, 2, 0}, 3, 0, dtype);
      double ten = Storage.of(dtype).round(1e4);
      assertValues(new double[] {0, ten, 0}, result.values().get("losses"));
      assertValues(new double[] {0, 0, 0, 1, 0, -1, 0, 0, 0}, result.values().get("dlogits"));
    }
  }

  /** A class that is ruled out (-infinity) gets no probability and no gradient. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void anExcludedClassTakesNoPart(Target target) {
    double no = Double.NEGATIVE_INFINITY;
    double[] logits = {0, no, 0, no, no, 5};
    for (DType dtype : DTYPES) {
      KernelCase.Result result = run(target, logits, new int[] {0, 2}, 3, 0, dtype);
      assertEquals(Math.log(2), result.values().get("losses")[0], 1e-6);
      assertEquals(0, result.values().get("losses")[1], Double.MIN_VALUE);
      assertValues(new double[] {-0.5, 0, 0.5, 0, 0, 0}, result.values().get("dlogits"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void ignoredRowsCostNothing(Target target) {
    int[] labels = new int[23];
    Arrays.fill(labels, IGNORE);
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "crossEntropy all ignored");
      double[] logits = k.draw(Storage.of(dtype), 23 * 19);
      logits[5] = Double.NaN;
      KernelCase.Result result =
          crossEntropy(k, logits, labels, null, 19, 0.1f, 1, Gradient.APART, dtype)
              .run(target.backend());
      assertValues(new double[23], result.values().get("losses"));
      assertValues(new double[23 * 19], result.values().get("dlogits"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void oneClassIsCertain(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase.Result result =
          run(target, new double[] {3, -50, 0}, new int[] {0, 0, IGNORE}, 1, 0, dtype);
      assertValues(new double[3], result.values().get("losses"));
      assertValues(new double[3], result.values().get("dlogits"));
    }
  }

  /** NaN in one row reaches the loss of that row and of no other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsRow(Target target) {
    for (DType dtype : DTYPES) {
      for (int K : new int[] {3, 40}) {
        KernelCase k = KernelCase.forward(dtype, "crossEntropy with NaN K=%d", K);
        double[] logits = k.draw(Storage.of(dtype), 5 * K);
        logits[2 * K + 1] = Double.NaN;
        KernelCase.Result result =
            crossEntropy(k, logits, new int[] {0, 1, 2, 0, 1}, null, K, 0, 1, Gradient.APART, dtype)
                .run(target.backend());
        for (int n = 0; n < 5; n++) {
          assertEquals(n == 2, Double.isNaN(result.values().get("losses")[n]), "row " + n);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = KernelCase.forward(DType.F32, "crossEntropy refused");
    crossEntropy(
        k, k.draw(Storage.F32, 6), new int[] {1, IGNORE}, null, 3, 0, 1, Gradient.APART, DType.F32);
    assertNullsRefused(target, k, "losses", "logits", "labels");
    k.with("labels", 0, 3).assertRefused(target.backend(), "labels[0]", 3);
    k.with("labels", 1, -1).assertRefused(target.backend(), "labels[1]", -1);
    k.instead(with(2, 0, 0, DType.F32)).assertRefused(target.backend(), "K", 0);
    k.instead(with(-1, 3, 0, DType.F32)).assertRefused(target.backend(), "N", -1);
    k.instead(with(2, 3, 1.5f, DType.F32)).assertRefused(target.backend(), "labelSmoothing", 1.5);
    k.instead(with(2, 3, 0, DType.I32)).assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static KernelCase.Call with(long N, long K, float smoothing, DType dtype) {
    return (b, at) ->
        b.run(
            new CrossEntropyCall(
                at.of("losses"),
                at.of("dlogits"),
                at.of("logits"),
                at.of("labels"),
                N,
                K,
                IGNORE,
                smoothing,
                1,
                dtype));
  }
}
