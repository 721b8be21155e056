package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.ref.AdamWRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AdamWTest extends KernelContract {
  private static final float LR = 1e-2f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPS = 1e-8f;
  private static final long SEED = 0x9E3779B97F4A7C15L;
  private static final long STREAM = 7;

  /** The corrections of a step, as the caller computes them. */
  private record Options(
      int step, float weightDecay, int targets, float meanWeight, float lrFactor) {
    Options(int step, float weightDecay, int targets) {
      this(step, weightDecay, targets, 1, 1);
    }

    float correction1() {
      return (float) (1 - Math.pow(BETA1, step));
    }

    float correction2() {
      return (float) (1 - Math.pow(BETA2, step));
    }

    AdamWRef.Step reference() {
      return new AdamWRef.Step(
          LR * lrFactor,
          BETA1,
          BETA2,
          EPS,
          weightDecay,
          correction1(),
          correction2(),
          (float) (1.0 / (targets * (double) meanWeight)));
    }

    StepCall.Update values() {
      return new StepCall.Update(LR, correction1(), correction2(), targets, meanWeight);
    }
  }

  private static final Options USUAL = new Options(3, 0.01f, 3);

  private static KernelCase adamw(int count, boolean shadow, Options options) {
    return adamw(count, shadow, options, DType.F32, 0);
  }

  private static KernelCase adamw(
      int count, boolean shadow, Options options, DType moments, long first) {
    KernelCase k =
        KernelCase.forward(
            DType.F32,
            "adamw count=%d shadow=%b %s moments=%s first=%d",
            count,
            shadow,
            options,
            moments,
            first);
    double[] weight = k.updated("weight", Storage.F32, count);
    double[] m = k.updated("m", moments, count);
    double[] v = k.updated("v", Storage.of(moments), squares(k, Storage.of(moments), count));
    double[] grad = k.normal("grad", Storage.F32, count);
    if (shadow) {
      k.overwritten("shadow", Storage.BF16, count);
    }
    return adamw(k, count, weight, m, v, grad, options, moments, first);
  }

  private static KernelCase adamw(
      KernelCase k,
      int count,
      double[] weight,
      double[] m,
      double[] v,
      double[] grad,
      Options options) {
    return adamw(k, count, weight, m, v, grad, options, DType.F32, 0);
  }

  private static KernelCase adamw(
      KernelCase k,
      int count,
      double[] weight,
      double[] m,
      double[] v,
      double[] grad,
      Options options,
      DType moments,
      long first) {
    return k.calls(
            (backend, at) -> {
              backend.run(options.values());
              backend.run(
                  new AdamWCall.Flat(
                      at.of("weight"),
                      at.of("m"),
                      at.of("v"),
                      at.of("shadow"),
                      at.of("grad"),
                      count,
                      BETA1,
                      BETA2,
                      EPS,
                      options.weightDecay,
                      options.lrFactor,
                      SEED,
                      STREAM,
                      first,
                      moments));
            })
        .gives(
            p -> {
              double[] w = weight.clone();
              double[] newM = m.clone();
              double[] newV = v.clone();
              AdamWRef.apply(p, w, newM, newV, grad, options.reference());
              if (moments == DType.BF16) {
                AdamWRef.roundAtRandom(newM, newV, SEED, STREAM, first);
              }
              double[] rounded = Arrays.stream(w).map(Precision::bf16).toArray();
              return Map.of("weight", w, "m", newM, "v", newV, "shadow", rounded);
            });
  }

  /** Squared gradients: not negative, and not so small that m / sqrt(v) explodes. */
  private static double[] squares(KernelCase k, Storage storage, int count) {
    return Arrays.stream(k.draw(storage, count)).map(x -> storage.round(0.1 + x * x)).toArray();
  }

  /** Rows of the three states in turn; those that never had a gradient have m = v = 0. */
  private static KernelCase adamwRows(int V, int C, Options options) {
    return adamwRows(V, C, options, DType.F32);
  }

  private static KernelCase adamwRows(int V, int C, Options options, DType moments) {
    KernelCase k =
        KernelCase.forward(DType.F32, "adamwRows V=%d C=%d %s moments=%s", V, C, options, moments);
    Storage stored = Storage.of(moments);
    double[] state = new double[V];
    for (int row = 0; row < V; row++) {
      state[row] = k.random().nextInt(3);
    }
    double[] weight = k.draw(Storage.F32, V * C);
    double[] m = k.draw(stored, V * C);
    double[] v = squares(k, stored, V * C);
    double[] grad = k.draw(Storage.F32, V * C);
    double[] dense = grad.clone();
    for (int i = 0; i < V * C; i++) {
      if (state[i / C] == 0) {
        m[i] = 0;
        v[i] = 0;
      }
      if (state[i / C] != 2) {
        // Must not be read.
        grad[i] = Double.NaN;
        dense[i] = 0;
      }
    }
    k.updated("weight", Storage.F32, weight);
    k.updated("m", stored, m);
    k.updated("v", stored, v);
    k.input("grad", Storage.F32, grad);
    k.input("rowState", Storage.U8, state);
    return k.calls(
            (backend, at) -> {
              backend.run(options.values());
              backend.run(
                  new AdamWCall.Rows(
                      at.of("weight"),
                      at.of("m"),
                      at.of("v"),
                      at.of("grad"),
                      at.of("rowState"),
                      V,
                      C,
                      BETA1,
                      BETA2,
                      EPS,
                      options.weightDecay,
                      options.lrFactor,
                      SEED,
                      STREAM,
                      moments));
            })
        .gives(
            p -> {
              double[] w = weight.clone();
              double[] newM = m.clone();
              double[] newV = v.clone();
              AdamWRef.apply(p, w, newM, newV, dense, options.reference());
              if (moments == DType.BF16) {
                // Those of rows without a gradient are zeros, which stay so.
                AdamWRef.roundAtRandom(newM, newV, SEED, STREAM, 0);
                for (int i = 0; i < V * C; i++) {
                  newM[i] = state[i / C] == 0 ? 0 : newM[i];
                  newV[i] = state[i / C] == 0 ? 0 : newV[i];
                }
              }
              return Map.of("weight", w, "m", newM, "v", newV);
            });
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("shadow"));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.add(0);
    Shapes.random("adamw", 20, 3000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (int count : counts) {
      cases.add(adamw(count, count % 2 == 0, USUAL));
    }
    for (int count : new int[] {1, 7, 37, 300, 1500, 2100}) {
      cases.add(adamw(count, count % 2 == 1, USUAL, DType.BF16, 0));
      cases.add(adamw(count, true, USUAL, DType.BF16, (1L << 35) + count % 5));
    }
    cases.add(adamwRows(7, 37, USUAL, DType.BF16));
    cases.add(adamwRows(61, 18, USUAL, DType.BF16));
    cases.add(adamw(300, true, new Options(1, 0, 1)));
    cases.add(adamw(300, true, new Options(4, 0.1f, 7, 1.7f, 0.43f)));
    cases.add(adamw(37, false, new Options(4, 0.1f, 7, 0.3f, 0)));
    cases.add(adamwRows(7, 37, new Options(4, 0.1f, 7, 1.7f, 0.43f)));
    cases.add(adamw(300, true, new Options(100_000, 0.1f, 1000)));
    for (int C : Shapes.widths()) {
      cases.add(adamwRows(7, C, USUAL));
    }
    for (int V : Shapes.rows()) {
      cases.add(adamwRows(V, 18, new Options(1, 0, 1)));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(
        adamw(40_013, true, USUAL),
        adamw(40_013, false, USUAL),
        adamw(40_013, true, USUAL, DType.BF16, 3),
        adamwRows(311, 129, USUAL),
        adamwRows(311, 129, USUAL, DType.BF16));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(adamw(768 * 3072, true, USUAL), adamwRows(30_522, 64, USUAL));
  }

  /** Two steps of torch.optim.AdamW on one weight, worked out by hand from the paper. */
  @Test
  void referenceFollowsThePaper() {
    double[] w = {1};
    double[] m = {0};
    double[] v = {0};
    AdamWRef.Step first = new AdamWRef.Step(0.1, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1);
    AdamWRef.apply(Precision.EXACT, w, m, v, new double[] {2}, first);
    // The first step moves by lr whatever the gradient: 1 - 0.1 * 0.01 - 0.1.
    assertEquals(0.899, w[0], 1e-8);
    AdamWRef.Step second =
        new AdamWRef.Step(0.1, 0.9, 0.999, 1e-8, 0.01, 1 - 0.81, 1 - 0.999 * 0.999, 1);
    AdamWRef.apply(Precision.EXACT, w, m, v, new double[] {-1}, second);
    double mHat = (0.9 * 0.2 - 0.1) / 0.19;
    double vHat = (0.999 * 0.004 + 0.001) / (1 - 0.999 * 0.999);
    assertEquals(0.899 * 0.999 - 0.1 * mHat / Math.sqrt(vHat), w[0], 1e-8);
  }

  /** The same numbers through both kernels: equal bits. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void rowsEqualTheDenseKernelBitForBit(Target target) {
    for (DType moments : List.of(DType.F32, DType.BF16)) {
      for (int C : new int[] {1, 15, 16, 17, 50, 128}) {
        int V = 41;
        KernelCase rows = adamwRows(V, C, USUAL, moments);
        KernelCase twin = KernelCase.forward(DType.F32, "adamw twin of the rows");
        rows.copyTensorsTo(twin, "weight", "m", "v");
        double[] grad = rows.initial("grad");
        double[] state = rows.initial("rowState");
        for (int i = 0; i < grad.length; i++) {
          grad[i] = state[i / C] == 2 ? grad[i] : 0;
        }
        twin.input("grad", Storage.F32, grad);
        adamw(twin, V * C, grad, grad, grad, grad, USUAL, moments, 0);
        twin.checkSameBits(
            "through adamwRows, C=" + C, twin.run(target.backend()), rows.run(target.backend()));
      }
    }
  }

  /**
   * A second moment of 1 that shrinks by a thousandth a step: rounded to the nearest it would stay
   * 1 for ever, at random it goes where f32 goes, in the mean.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void bf16MomentsAreRightInTheMean(Target target) {
    int count = 4096;
    double[] m = new double[count];
    double[] v = new double[count];
    double[] zeros = new double[count];
    Arrays.fill(m, 1);
    Arrays.fill(v, 1);
    for (int step = 1; step <= 20; step++) {
      KernelCase k = KernelCase.forward(DType.F32, "adamw step %d in bf16", step);
      k.updated("weight", Storage.F32, zeros);
      k.updated("m", Storage.BF16, m);
      k.updated("v", Storage.BF16, v);
      k.input("grad", Storage.F32, zeros);
      long first = (long) step * count;
      KernelCase.Result result =
          adamw(k, count, zeros, m, v, zeros, USUAL, DType.BF16, first).run(target.backend());
      m = result.values().get("m");
      v = result.values().get("v");
    }
    double meanM = Arrays.stream(m).average().orElseThrow();
    double meanV = Arrays.stream(v).average().orElseThrow();
    // Of one element the errors of twenty roundings are below 20 * 2^-8 * 0.3; of the mean, a 64th.
    assertEquals(Math.pow(BETA1, 20), meanM, 1e-3);
    assertEquals(Math.pow(BETA2, 20), meanV, 1e-3);
  }

  /** An element's rounding goes by its number, whatever call it is in. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void partsRoundAsTheWhole(Target target) {
    int count = 2500;
    int cut = 1021;
    KernelCase whole = adamw(count, true, USUAL, DType.BF16, 11);
    KernelCase.Result all = whole.run(target.backend());
    for (int part = 0; part < 2; part++) {
      int begin = part * cut;
      int end = part == 0 ? cut : count;
      KernelCase k = KernelCase.forward(DType.F32, "part %d of adamw in bf16", part);
      double[] weight =
          k.updated("weight", Storage.F32, slice(whole.initial("weight"), begin, end));
      double[] m = k.updated("m", Storage.BF16, slice(whole.initial("m"), begin, end));
      double[] v = k.updated("v", Storage.BF16, slice(whole.initial("v"), begin, end));
      double[] grad = k.input("grad", Storage.F32, slice(whole.initial("grad"), begin, end));
      KernelCase.Result result =
          adamw(k, end - begin, weight, m, v, grad, USUAL, DType.BF16, 11 + begin)
              .run(target.backend());
      for (String tensor : List.of("weight", "m", "v")) {
        assertArrayEquals(
            slice(all.values().get(tensor), begin, end), result.values().get(tensor), tensor);
      }
    }
  }

  private static double[] slice(double[] values, int begin, int end) {
    return Arrays.copyOfRange(values, begin, end);
  }

  /** The shadow is the new weight rounded, not the old one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void shadowIsTheNewWeightRounded(Target target) {
    KernelCase.Result result = adamw(1003, true, USUAL).run(target.backend());
    double[] rounded = Arrays.stream(result.values().get("weight")).map(Precision::bf16).toArray();
    assertValues(rounded, result.values().get("shadow"));
  }

  /** No gradient yet and none now: 0 / (0 + eps) is no step, only the decay. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void withoutGradientsOnlyTheDecayApplies(Target target) {
    double[] zeros = new double[37];
    KernelCase k = KernelCase.forward(DType.F32, "adamw without gradients");
    double[] weight = k.updated("weight", Storage.F32, 37);
    k.updated("m", Storage.F32, zeros);
    k.updated("v", Storage.F32, zeros);
    k.input("grad", Storage.F32, zeros);
    KernelCase.Result result =
        adamw(k, 37, weight, zeros, zeros, zeros, USUAL).run(target.backend());
    assertValues(zeros, result.values().get("m"));
    assertValues(zeros, result.values().get("v"));
    double[] w = result.values().get("weight");
    for (int i = 0; i < 37; i++) {
      assertEquals(weight[i] * (1 - LR * 0.01), w[i], 1e-6);
    }
  }

  /** Gradients whose squares underflow in f32 move the weight by finite steps. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void tinyAndHugeGradientsGiveFiniteSteps(Target target) {
    double[] zeros = new double[4];
    KernelCase k = KernelCase.forward(DType.F32, "adamw tiny gradients");
    double[] weight = k.updated("weight", Storage.F32, new double[] {1, 1, 1, 1});
    k.updated("m", Storage.F32, zeros);
    k.updated("v", Storage.F32, zeros);
    double[] grad = k.input("grad", Storage.F32, new double[] {1e-30, 1e-40, 1e15, -1e15});
    Options first = new Options(1, 0, 1);
    double[] w =
        adamw(k, 4, weight, zeros, zeros, grad, first).run(target.backend()).values().get("weight");
    assertEquals(1, w[0], 1e-6);
    assertEquals(1, w[1], 1e-6);
    assertEquals(1 - LR, w[2], 1e-6);
    assertEquals(1 + LR, w[3], 1e-6);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase flat = adamw(9, true, USUAL);
    assertNullsRefused(target, flat, "weight", "m", "v", "grad");
    flat.instead(with(-1, EPS)).assertRefused(target.backend(), "count", -1);
    flat.instead(with(9, 0)).assertRefused(target.backend(), "eps", 0);
    KernelCase rows = adamwRows(5, 3, USUAL);
    assertNullsRefused(target, rows, "weight", "m", "v", "grad", "rowState");
    rows.with("rowState", 2, 3).assertRefused(target.backend(), "rowState[2]", 3);
  }

  private static KernelCase.Call with(long count, float eps) {
    return (b, at) ->
        b.run(
            new AdamWCall.Flat(
                at.of("weight"),
                at.of("m"),
                at.of("v"),
                at.of("shadow"),
                at.of("grad"),
                count,
                BETA1,
                BETA2,
                eps,
                0,
                1));
  }
}
