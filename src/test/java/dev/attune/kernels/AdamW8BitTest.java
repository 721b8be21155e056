package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.cpu.Isa;
import dev.attune.ref.AdamW8BitRef;
import dev.attune.ref.AdamWRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AdamW8BitTest extends KernelContract {
  private static final int BLOCK = AdamW8BitRef.BLOCK;
  private static final float LR = 1e-2f;
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPS = 1e-8f;

  private record Options(int step, float weightDecay, int targets, float lrFactor) {
    StepCall.Update values() {
      return new StepCall.Update(LR, correction(BETA1), correction(BETA2), targets);
    }

    AdamWRef.Step reference() {
      return new AdamWRef.Step(
          LR * lrFactor,
          BETA1,
          BETA2,
          EPS,
          weightDecay,
          correction(BETA1),
          correction(BETA2),
          (float) (1.0 / targets));
    }

    private float correction(float beta) {
      return (float) (1 - Math.pow(beta, step));
    }
  }

  private static final Options USUAL = new Options(3, 0.01f, 3, 1);

  /** Moments of all magnitudes, and gradients that leave no code in doubt. */
  private static KernelCase adamw(int count, boolean shadow, Options options) {
    KernelCase k =
        KernelCase.forward(DType.F32, "adamw 8bit count=%d shadow=%b %s", count, shadow, options);
    int blocks = (count + BLOCK - 1) / BLOCK;
    SplittableRandom random = k.random();
    double[] weight = k.updated("weight", Storage.F32, count);
    double[] m = random.ints(count, 0, 256).asDoubleStream().toArray();
    double[] v = random.ints(count, 40, 256).asDoubleStream().toArray();
    double[] mScale = random.doubles(blocks, 0.1, 2).map(x -> (float) x).toArray();
    double[] vScale = random.doubles(blocks, 0.1, 2).map(x -> (float) x).toArray();
    double[] grad = decided(k, m, mScale, v, vScale, options);
    k.updated("m", Storage.U8, m);
    k.updated("mScale", Storage.F32, mScale);
    k.updated("v", Storage.U8, v);
    k.updated("vScale", Storage.F32, vScale);
    k.input("grad", Storage.F32, grad);
    if (shadow) {
      k.overwritten("shadow", Storage.BF16, count);
    }
    return of(k, weight, m, mScale, v, vScale, grad, options);
  }

  private static double[] decided(
      KernelCase k, double[] m, double[] mScale, double[] v, double[] vScale, Options options) {
    double[] grad = k.draw(Storage.F32, m.length);
    for (int round = 0; round < 50; round++) {
      double[] newM = AdamW8BitRef.decode(Precision.EXACT, true, m, mScale);
      double[] newV = AdamW8BitRef.decode(Precision.EXACT, false, v, vScale);
      AdamWRef.apply(Precision.EXACT, new double[m.length], newM, newV, grad, options.reference());
      double[] mostM = AdamW8BitRef.scales(newM);
      double[] mostV = AdamW8BitRef.scales(newV);
      boolean isDecided = true;
      for (int i = 0; i < m.length; i++) {
        if (AdamW8BitRef.isUndecided(true, newM[i], mostM[i / BLOCK])
            || AdamW8BitRef.isUndecided(false, newV[i], mostV[i / BLOCK])) {
          grad[i] = (float) (k.random().nextDouble() - 0.5);
          isDecided = false;
        }
      }
      if (isDecided) {
        return grad;
      }
    }
    throw new AssertionError("no gradients leave all codes beyond doubt");
  }

  private static KernelCase of(
      KernelCase k,
      double[] weight,
      double[] m,
      double[] mScale,
      double[] v,
      double[] vScale,
      double[] grad,
      Options options) {
    return k.calls(
            (backend, at) -> {
              backend.run(options.values());
              backend.run(call(at, weight.length, options));
            })
        .gives(
            p -> {
              double[] w = weight.clone();
              double[] newM = AdamW8BitRef.decode(p, true, m, mScale);
              double[] newV = AdamW8BitRef.decode(p, false, v, vScale);
              AdamWRef.apply(p, w, newM, newV, grad, options.reference());
              return Map.of(
                  "weight",
                  w,
                  "m",
                  AdamW8BitRef.encode(true, newM),
                  "mScale",
                  AdamW8BitRef.scales(newM),
                  "v",
                  AdamW8BitRef.encode(false, newV),
                  "vScale",
                  AdamW8BitRef.scales(newV),
                  "shadow",
                  Arrays.stream(w).map(Precision::bf16).toArray());
            });
  }

  private static AdamWCall.EightBit call(KernelCase.Addresses at, long count, Options options) {
    return new AdamWCall.EightBit(
        at.of("weight"),
        at.of("m"),
        at.of("mScale"),
        at.of("v"),
        at.of("vScale"),
        at.of("shadow"),
        at.of("grad"),
        count,
        BETA1,
        BETA2,
        EPS,
        options.weightDecay,
        options.lrFactor);
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("shadow"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (int count : new int[] {0, 1, 3, 7, 8, 15, 16, 17, 33, 255, 256, 257, 511, 600, 1025}) {
      cases.add(adamw(count, count % 2 == 0, USUAL));
    }
    cases.add(adamw(300, true, new Options(1, 0, 1, 1)));
    cases.add(adamw(300, true, new Options(100, 0.1f, 7, 0.43f)));
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(adamw(40_013, true, USUAL), adamw(20_480, false, USUAL));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(adamw(768 * 384, true, USUAL));
  }

  /**
   * A run may go on at another level: all that can fuse a product into a sum give the same bits.
   */
  @Test
  void levelsGiveTheSameBits() {
    List<Isa> levels = fusing();
    for (KernelCase k : largeCases()) {
      KernelCase.Result expected = k.run(Backends.cpu(2, levels.get(0)));
      for (Isa level : levels) {
        k.checkSameBits("at " + level.label(), expected, k.run(Backends.cpu(2, level)));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void devicesGiveTheBitsOfTheCpu(Target target) {
    for (KernelCase k : largeCases()) {
      KernelCase.Result expected = k.run(Backends.cpu(2, fusing().get(0)));
      k.checkSameBits("on " + target, expected, k.run(target.backend()));
    }
  }

  private static List<Isa> fusing() {
    List<Isa> levels = Backends.levels().stream().filter(isa -> isa != Isa.PORTABLE).toList();
    Assumptions.assumeFalse(levels.isEmpty(), "no level here fuses a product into a sum");
    return levels;
  }

  /** The map is that of the paper: 256 values each, the least of them as stated. */
  @Test
  void theReferencesMapIsThePapers() {
    double[] signed = AdamW8BitRef.dynamicMap(true);
    double[] unsigned = AdamW8BitRef.dynamicMap(false);
    assertEquals(256, signed.length);
    assertEquals(256, unsigned.length);
    assertEquals(0, signed[127]);
    assertEquals(5.5e-7, signed[128], 1e-12);
    assertEquals(-0.99296875, signed[0], 1e-12);
    assertEquals(3.25e-7, unsigned[1], 1e-12);
    assertEquals(1, unsigned[255]);
  }

  /** With gradients of zero and betas of almost 1, each code stays what it is. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void everyCodeStaysItself(Target target) {
    double[] codes = new double[512];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = i % BLOCK;
    }
    double[] scales = {1, 3};
    KernelCase k = KernelCase.forward(DType.F32, "adamw 8bit on every code");
    k.updated("weight", Storage.F32, 512);
    k.updated("m", Storage.U8, codes);
    k.updated("mScale", Storage.F32, scales);
    k.updated("v", Storage.U8, codes);
    k.updated("vScale", Storage.F32, scales);
    k.input("grad", Storage.F32, new double[512]);
    float almostOne = Math.nextDown(1f);
    k.calls(
        (backend, at) -> {
          backend.run(USUAL.values());
          AdamWCall.EightBit usual = call(at, 512, USUAL);
          backend.run(
              new AdamWCall.EightBit(
                  usual.weight(),
                  usual.m(),
                  usual.mScale(),
                  usual.v(),
                  usual.vScale(),
                  0,
                  usual.grad(),
                  512,
                  almostOne,
                  almostOne,
                  EPS,
                  0,
                  1));
        });
    Map<String, double[]> values = k.run(target.backend()).values();
    assertValues(codes, values.get("m"));
    assertValues(codes, values.get("v"));
  }

  /**
   * A second moment far below the largest of its block is not lost: its weight would take a step
   * without bounds when its gradient is next small.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aSecondMomentAboveZeroNeverBecomesZero(Target target) {
    double[] grad = {1, 1e-9, 0, -1e-15};
    KernelCase k = fresh(grad);
    double[] v = k.run(target.backend()).values().get("v");
    assertValues(new double[] {255, 1, 0, 1}, v);
  }

  /** All zeros are moments of 0, and 0 / (0 + eps) is no step, only the decay. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void withoutGradientsOnlyTheDecayApplies(Target target) {
    KernelCase k = fresh(new double[300]);
    KernelCase.Result result = k.run(target.backend());
    double[] weight = k.initial("weight");
    for (int i = 0; i < weight.length; i++) {
      assertEquals(weight[i] * (1 - LR * 0.01), result.values().get("weight")[i], 1e-6);
    }
    assertValues(new double[2], result.values().get("mScale"));
    assertValues(new double[2], result.values().get("vScale"));
  }

  /** Gradients whose squares leave what f32 holds move the weight by finite steps, twice. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void tinyAndHugeGradientsGiveFiniteSteps(Target target) {
    for (double size : new double[] {1e-40, 1e-30, 1e-20, 1e15, 1e25}) {
      double[] grad = {(float) size, (float) -size, 0, (float) (size / 1000)};
      KernelCase k = fresh(grad);
      k.calls(
          (backend, at) -> {
            for (int step = 1; step <= 2; step++) {
              Options now = new Options(step, 0, 1, 1);
              backend.run(now.values());
              backend.run(call(at, grad.length, now));
            }
          });
      double[] weight = k.run(target.backend()).values().get("weight");
      for (int i = 0; i < weight.length; i++) {
        double moved = Math.abs(weight[i] - k.initial("weight")[i]);
        assertTrue(moved < 2.5 * LR, "of " + grad[i] + ": moved by " + moved);
      }
    }
  }

  private static KernelCase fresh(double[] grad) {
    KernelCase k = KernelCase.forward(DType.F32, "adamw 8bit from zeros");
    int blocks = (grad.length + BLOCK - 1) / BLOCK;
    double[] weight = k.updated("weight", Storage.F32, grad.length);
    double[] zeros = new double[grad.length];
    double[] noScales = new double[blocks];
    k.updated("m", Storage.U8, zeros);
    k.updated("mScale", Storage.F32, noScales);
    k.updated("v", Storage.U8, zeros);
    k.updated("vScale", Storage.F32, noScales);
    k.input("grad", Storage.F32, grad);
    return of(k, weight, zeros, noScales, zeros, noScales, grad, new Options(1, 0.01f, 1, 1));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = adamw(9, true, USUAL);
    assertNullsRefused(target, k, "weight", "m", "mScale", "v", "vScale", "grad");
    k.instead((backend, at) -> backend.run(call(at, -1, USUAL)))
        .assertRefused(target.backend(), "count", -1);
  }
}
