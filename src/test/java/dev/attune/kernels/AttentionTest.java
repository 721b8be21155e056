package dev.attune.kernels;

import static dev.attune.kernels.AttentionCases.DTYPES;
import static dev.attune.kernels.AttentionCases.SEED;
import static dev.attune.kernels.AttentionCases.STREAM;
import static dev.attune.kernels.AttentionCases.addBoth;
import static dev.attune.kernels.AttentionCases.backward;
import static dev.attune.kernels.AttentionCases.biased;
import static dev.attune.kernels.AttentionCases.forward;
import static dev.attune.kernels.AttentionCases.problem;
import static dev.attune.kernels.AttentionCases.self;

import dev.attune.core.DType;
import dev.attune.kernels.AttentionCases.Layout;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.ref.AttentionRef;
import dev.attune.ref.AttentionRef.Problem;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Seeds;
import dev.attune.testkit.Shapes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The claims of every kernel, of attention; what it refuses. */
class AttentionTest extends KernelContract {
  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int D : new int[] {8, 16, 24, 32, 40, 64, 80, 96, 128}) {
        addBoth(cases, self(2, 2, D, false, 5, 17, 1), dtype);
        addBoth(cases, self(2, 1, D, true, 5, 17, 1), dtype);
      }
      for (int T : Shapes.rows()) {
        addBoth(cases, self(2, 2, 16, false, T), dtype);
        addBoth(cases, self(1, 1, 32, true, 3, T), dtype);
      }
      addBoth(cases, self(3, 3, 64, false, 63, 64, 65), dtype);
      addBoth(cases, self(1, 1, 64, true, 127, 129), dtype);
      addBoth(cases, self(2, 2, 16, false), dtype);
      addBoth(cases, self(2, 2, 16, false, 0, 4, 0, 0, 3, 0), dtype);
      addBoth(cases, self(6, 2, 16, true, 20, 9), dtype);
      addBoth(cases, self(4, 1, 32, false, 30), dtype);
      // Offsets inside the reach and beyond it, with all that a mask can do.
      for (int reach : new int[] {0, 3, 40, 200}) {
        int[] cu = Shapes.offsets(17, 1, 90);
        boolean causal = reach == 40;
        addBoth(cases, biased(problem(cu, cu, 4, 2, 32, causal, 0, 0), reach), dtype);
        addBoth(cases, biased(problem(cu, cu, 2, 2, 16, causal, 20, 0.2f), reach), dtype);
      }
      addBoth(cases, biased(self(2, 2, 16, false), 3), dtype);
      addBoth(cases, biased(self(2, 2, 64, false, 0, 4, 0, 0, 3, 0), 3), dtype);
      // Queries and keys of different counts: more keys (a cache), fewer, none.
      int[] cuQ = Shapes.offsets(3, 20, 1, 5, 0);
      int[] cuK = Shapes.offsets(20, 3, 50, 0, 7);
      for (boolean causal : new boolean[] {false, true}) {
        addBoth(cases, problem(cuQ, cuK, 2, 2, 16, causal, 0, 0), dtype);
        addBoth(cases, problem(cuQ, cuK, 4, 2, 16, causal, 4, 0.2f), dtype);
        addBoth(cases, biased(problem(cuQ, cuK, 4, 2, 16, causal, 0, 0), 6), dtype);
        for (int window : new int[] {1, 5, 16, 64}) {
          int[] cu = Shapes.offsets(70, 13);
          addBoth(cases, problem(cu, cu, 2, 2, 16, causal, window, 0), dtype);
        }
        for (float p : new float[] {0.1f, 0.5f}) {
          int[] cu = Shapes.offsets(33, 7, 49);
          addBoth(cases, problem(cu, cu, 3, 3, 32, causal, 0, p), dtype);
        }
      }
      SplittableRandom random = Seeds.random("attention " + dtype);
      for (int i = 0; i < 20; i++) {
        int[] lengths = new int[1 + random.nextInt(4)];
        Arrays.setAll(lengths, b -> random.nextInt(90));
        int Hkv = 1 + random.nextInt(2);
        int[] cu = Shapes.offsets(lengths);
        addBoth(
            cases,
            problem(
                cu,
                cu,
                Hkv * (1 + random.nextInt(3)),
                Hkv,
                8 * (1 + random.nextInt(10)),
                random.nextBoolean(),
                random.nextInt(3) == 0 ? 1 + random.nextInt(40) : 0,
                random.nextInt(3) == 0 ? 0.1f : 0),
            dtype);
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    int[] cu = Shapes.offsets(130, 5, 71);
    for (DType dtype : DTYPES) {
      addBoth(cases, problem(cu, cu, 4, 4, 32, false, 0, 0.1f), dtype);
      addBoth(cases, problem(cu, cu, 4, 2, 32, true, 0, 0), dtype);
      addBoth(cases, biased(problem(cu, cu, 4, 2, 32, false, 0, 0.1f), 50), dtype);
      addBoth(cases, problem(cu, cu, 4, 4, 32, false, 33, 0), dtype);
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      int[] cu = Shapes.offsets(512, 128, 37);
      addBoth(cases, problem(cu, cu, 12, 12, 64, false, 0, 0.1f), dtype);
      addBoth(cases, problem(cu, cu, 8, 2, 128, true, 0, 0), dtype);
      int[] one = Shapes.offsets(1025);
      addBoth(cases, problem(one, one, 2, 2, 64, true, 256, 0), dtype);
      addBoth(cases, problem(one, one, 2, 2, 64, false, 65, 0), dtype);
      addBoth(cases, biased(problem(cu, cu, 12, 12, 64, false, 0, 0.1f), 128), dtype);
    }
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int[] cuQ = {0, 3, 3, 7};
    int[] cuK = {0, 4, 5, 8};
    for (Problem a :
        List.of(
            problem(cuQ, cuK, 4, 2, 3, false, 0, 0),
            problem(cuQ, cuK, 4, 2, 3, true, 2, 0.3f),
            problem(cuQ, cuK, 2, 2, 3, true, 0, 0.3f),
            biased(problem(cuQ, cuK, 4, 2, 3, false, 2, 0.3f), 1),
            biased(problem(cuQ, cuK, 2, 2, 3, true, 0, 0), 5))) {
      double[] q = Gradients.normal("attention q", 7 * a.H() * 3);
      double[] k = Gradients.normal("attention k", 8 * a.Hkv() * 3);
      double[] v = Gradients.normal("attention v", 8 * a.Hkv() * 3);
      double[] dout = Gradients.normal("attention dout", 7 * a.H() * 3);
      AttentionRef.Forward f = AttentionRef.forward(Precision.EXACT, a, q, k, v);
      AttentionRef.Backward b =
          AttentionRef.backward(Precision.EXACT, a, dout, q, k, v, f.out(), f.lse());
      Gradients.check("q", q, b.dq(), x -> loss(a, x, k, v, dout));
      Gradients.check("k", k, b.dk(), x -> loss(a, q, x, v, dout));
      Gradients.check("v", v, b.dv(), x -> loss(a, q, k, x, dout));
      if (a.bias() != null) {
        Gradients.check(
            "bias", a.bias(), b.dbias(), x -> loss(a.withBias(a.reach(), x), q, k, v, dout));
      }
    }
  }

  private static double loss(Problem a, double[] q, double[] k, double[] v, double[] dout) {
    return Gradients.dot(AttentionRef.forward(Precision.EXACT, a, q, k, v).out(), dout);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Problem a = self(2, 1, 8, false, 4, 3);
    KernelCase forward = forward(a, Layout.APART, 1, DType.F32);
    assertNullsRefused(target, forward, "out", "lse", "q", "k", "v", "cuQ", "cuK");
    KernelCase backward = backward(a, Layout.APART, 1, DType.F32);
    assertNullsRefused(
        target, backward, "dq", "dk", "dv", "dout", "q", "k", "v", "out", "lse", "cuQ", "cuK");
    for (KernelCase k : List.of(forward, backward)) {
      k.with("cuQ", 1, 8).assertRefused(target.backend(), "cuQ[2]", 7);
      k.with("cuK", 1, 8).assertRefused(target.backend(), "cuK[2]", 7);
    }
    forward(biased(a, 3), Layout.APART, 1, DType.F32)
        .without("bias")
        .assertRefused(target.backend(), "reach", 3);
    Arguments usual = new Arguments(16, 8, 2, 2, 1, 8, 1, 0, 0, DType.F32);
    usual.with("B", -1).assertRefused(target, forward, "B", -1);
    usual.with("D", 0).assertRefused(target, forward, "D", 0);
    usual.with("H", 0).assertRefused(target, forward, "H", 0);
    usual.with("Hkv", 0).assertRefused(target, forward, "Hkv", 0);
    usual
        .with("H", 3)
        .with("Hkv", 2)
        .with("qStride", 24)
        .with("kvStride", 16)
        .assertRefused(target, forward, "H", 3);
    usual.with("qStride", 15).assertRefused(target, forward, "qStride", 15);
    usual.with("kvStride", 7).assertRefused(target, forward, "kvStride", 7);
    usual.with("window", -1).assertRefused(target, forward, "window", -1);
    usual.with("scale", Double.NaN).assertRefused(target, forward, "scale", "NaN");
    usual.with("p", 1).assertRefused(target, forward, "p", 1);
    usual.with("p", -0.5).assertRefused(target, forward, "p", -0.5);
    Arguments ints = new Arguments(16, 8, 2, 2, 1, 8, 1, 0, 0, DType.I32);
    ints.assertRefused(target, forward, "dtype", DType.I32);
  }

  /** The arguments of a forward call that are not addresses. */
  private record Arguments(
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      long window,
      float p,
      DType dtype) {
    Arguments with(String name, double value) {
      return new Arguments(
          name.equals("qStride") ? (long) value : qStride,
          name.equals("kvStride") ? (long) value : kvStride,
          name.equals("B") ? (long) value : B,
          name.equals("H") ? (long) value : H,
          name.equals("Hkv") ? (long) value : Hkv,
          name.equals("D") ? (long) value : D,
          name.equals("scale") ? (float) value : scale,
          name.equals("window") ? (long) value : window,
          name.equals("p") ? (float) value : p,
          dtype);
    }

    void assertRefused(Target target, KernelCase k, String argument, Object value) {
      k.instead(
              (b, at) ->
                  b.run(
                      new AttentionCall.Forward(
                          at.of("out"),
                          at.of("lse"),
                          at.of("q"),
                          at.of("k"),
                          at.of("v"),
                          at.of("cuQ"),
                          at.of("cuK"),
                          new AttentionCall.Problem(
                              qStride, kvStride, B, 8, H, Hkv, D, scale, false, window, p, SEED,
                              STREAM, dtype))))
          .assertRefused(target.backend(), argument, value);
    }
  }
}
