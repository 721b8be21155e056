package dev.attune.kernels;

import static dev.attune.kernels.LinearCases.CODED;
import static dev.attune.kernels.LinearCases.DTYPES;
import static dev.attune.kernels.LinearCases.FUSED;
import static dev.attune.kernels.LinearCases.addAll;
import static dev.attune.kernels.LinearCases.backwardInput;
import static dev.attune.kernels.LinearCases.backwardWeight;
import static dev.attune.kernels.LinearCases.callBackwardInput;
import static dev.attune.kernels.LinearCases.callForward;
import static dev.attune.kernels.LinearCases.forward;
import static dev.attune.kernels.LinearCases.ref;
import static dev.attune.kernels.LinearCases.weight;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ref.LinearRef;
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
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class LinearTest extends KernelContract {
  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("pre"), Set.of("dbias"), Set.of("squares"), Set.of("actOut"));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int size : Shapes.widths()) {
        addAll(cases, 7, size, 19, dtype, DType.F32);
        addAll(cases, 7, 19, size, dtype, DType.F32);
        addAll(cases, 50, size, size, dtype, DType.F32);
      }
      for (int N : Shapes.rows()) {
        addAll(cases, N, 33, 18, dtype, DType.F32);
        addAll(cases, N, 48, 64, dtype, dtype);
      }
      for (int[] shape : Shapes.random("linear " + dtype, 20, 70, 130, 130)) {
        addAll(cases, shape[0], shape[1], shape[2], dtype, DType.F32);
      }
      for (Activation activation : FUSED) {
        cases.add(forward(9, 20, 35, activation, true, true, dtype, DType.F32));
        cases.add(forward(9, 20, 35, activation, false, false, dtype, DType.BF16));
        boolean act = activation != Activation.NONE;
        cases.add(backwardInput(9, 35, 20, activation, act, false, dtype, DType.F32));
        cases.add(backwardInput(9, 35, 20, activation, false, true, dtype, DType.BF16));
      }
      // Few rows: depths of one block, of several, and with a rest.
      for (DType weightDtype : List.of(DType.F32, DType.BF16)) {
        for (int C : new int[] {256, 1024, 1030, 2115}) {
          for (int N : new int[] {1, 3, 8, 16}) {
            cases.add(forward(N, C, 21, Activation.NONE, true, false, dtype, weightDtype));
          }
        }
      }
      for (DType coded : CODED) {
        for (int N : new int[] {0, 1, 2, 3, 8, 15, 16, 17, 50}) {
          addCoded(cases, N, 192, 50, dtype, coded);
        }
        for (int F : Shapes.widths()) {
          addCoded(cases, 3, 64, F, dtype, coded);
          addCoded(cases, 20, 128, F, dtype, coded);
        }
        for (int C : new int[] {64, 128, 320, 704, 2112}) {
          addCoded(cases, 2, C, 17, dtype, coded);
          addCoded(cases, 18, C, 17, dtype, coded);
        }
      }
    }
    return cases;
  }

  private static void addCoded(
      List<KernelCase> cases, int N, int C, int F, DType dtype, DType coded) {
    cases.add(forward(N, C, F, Activation.NONE, true, false, dtype, coded));
    cases.add(backwardInput(N, C, F, Activation.NONE, false, N % 2 == 0, dtype, coded));
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(211, 131, 307, Activation.GELU, true, true, dtype, DType.F32));
      cases.add(backwardInput(211, 307, 131, Activation.GELU, true, true, dtype, DType.F32));
      for (DType coded : CODED) {
        cases.add(forward(5, 448, 307, Activation.SILU, true, true, dtype, coded));
        cases.add(backwardInput(67, 448, 307, Activation.SILU, true, true, dtype, coded));
      }
      cases.add(backwardWeight(311, 131, 207, true, true, dtype));
      cases.add(backwardWeight(777, 31, 17, true, false, dtype));
      // Past each block of the packed products: of rows, of the depth, of columns.
      cases.add(forward(1603, 66, 21, Activation.NONE, true, false, dtype, DType.F32));
      cases.add(forward(199, 523, 403, Activation.NONE, true, false, dtype, DType.F32));
      cases.add(backwardInput(199, 523, 403, Activation.NONE, false, false, dtype, DType.F32));
      cases.add(backwardWeight(523, 403, 107, true, false, dtype));
      // Matrix tiles: rows of whole pages, several blocks of the depth, weights that are read where
      // they lie.
      cases.add(forward(70, 2048, 37, Activation.NONE, true, false, dtype, DType.F32));
      cases.add(backwardInput(70, 33, 1100, Activation.NONE, false, false, dtype, DType.F32));
      cases.add(backwardWeight(1100, 40, 69, true, true, dtype));
      for (int N : new int[] {16, 32, 48, 64}) {
        cases.add(forward(N, 96, 141, Activation.GELU, true, true, dtype, DType.BF16));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(389, 768, 3072, Activation.GELU, true, true, dtype, DType.F32));
      cases.add(forward(389, 3072, 768, Activation.NONE, true, false, dtype, DType.F32));
      cases.add(forward(389, 1024, 1024, Activation.TANH, true, false, dtype, DType.F32));
      cases.add(forward(40, 768, 30_522, Activation.NONE, true, false, dtype, DType.F32));
      cases.add(backwardInput(389, 3072, 768, Activation.GELU, true, false, dtype, DType.F32));
      cases.add(backwardInput(40, 768, 30_522, Activation.NONE, false, false, dtype, DType.F32));
      cases.add(backwardWeight(389, 768, 3072, true, false, dtype));
      cases.add(backwardWeight(3001, 768, 256, true, true, dtype));
      cases.add(backwardWeight(40, 768, 30_522, true, false, dtype));
    }
    return cases;
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void referenceGradientsAreTheSlopes(Activation activation) {
    int N = 4;
    int C = 5;
    int F = 3;
    double[] pre = Gradients.normal("linear pre " + activation, N * C);
    double[] weight = Gradients.normal("linear weight", F * C);
    double[] bias = Gradients.normal("linear bias", F);
    double[] dout = Gradients.normal("linear dout", N * F);
    Precision p = Precision.EXACT;
    double[] inp = ref(activation).forward(p, pre);
    // The gradient reaches through the activation in front, as backwardInput fuses it.
    Gradients.check(
        "pre",
        pre,
        LinearRef.backwardInput(p, dout, weight, pre, null, N, C, F, ref(activation)),
        x ->
            Gradients.dot(
                LinearRef.pre(p, ref(activation).forward(p, x), weight, bias, N, C, F), dout));
    Gradients.check(
        "weight",
        weight,
        LinearRef.backwardWeight(p, dout, inp, null, N, C, F),
        x -> Gradients.dot(LinearRef.pre(p, inp, x, bias, N, C, F), dout));
    Gradients.check(
        "bias",
        bias,
        LinearRef.backwardBias(p, dout, null, N, F),
        x -> Gradients.dot(LinearRef.pre(p, inp, weight, x, N, C, F), dout));
  }

  /** The activation sees pre as stored: out is act of the rounded pre, to one rounding. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void activationIsOfThePreActivationAsStored(Target target) {
    for (Activation activation : FUSED) {
      KernelCase k = forward(13, 70, 90, activation, true, true, DType.BF16, DType.F32);
      Map<String, double[]> result = k.run(target.backend()).values();
      double[] pre = result.get("pre");
      for (int i = 0; i < pre.length; i++) {
        double exact = ref(activation).value(Precision.EXACT, pre[i]);
        double half = 0x1p15 * Math.ulp((float) exact);
        assertEquals(exact, result.get("out")[i], half + 1e-6, activation + " of " + pre[i]);
      }
    }
  }

  /** Storing pre is a choice of the caller's and changes nothing else. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void outIsTheSameWithAndWithoutPre(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase with = forward(31, 70, 90, Activation.GELU, true, true, dtype, DType.F32);
      KernelCase without = KernelCase.forward(dtype, "linearForward without pre");
      with.copyTensorsTo(without, "inp", "weight", "bias", "out");
      callForward(without, 31, 70, 90, Activation.GELU, dtype, DType.F32);
      assertValues(
          with.run(target.backend()).values().get("out"),
          without.run(target.backend()).values().get("out"));
    }
  }

  /**
   * A frozen bf16 weight and its f32 twin with the same values give the same bits, but where few
   * rows of f32 meet the one on tiles and the other in dot products.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void theTypeOfTheWeightDoesNotMatterWhereItsValuesAreTheSame(Target target) {
    for (DType dtype : DTYPES) {
      for (int N : new int[] {1, 2, 3, 16, 31}) {
        for (int C : new int[] {70, 2115}) {
          KernelCase narrow = forward(N, C, 90, Activation.NONE, true, false, dtype, DType.BF16);
          KernelCase wide = KernelCase.forward(dtype, "linearForward widened weight");
          narrow.copyTensorsTo(wide, "inp", "bias", "out");
          wide.input("weight", DType.F32, narrow.initial("weight"));
          callForward(wide, N, C, 90, Activation.NONE, dtype, DType.F32);
          double[] out = narrow.run(target.backend()).values().get("out");
          double[] twin = wide.run(target.backend()).values().get("out");
          boolean differs = target.multipliesInParts() && dtype == DType.F32 && N <= 16;
          // Of sums of C products of about one: some units in the last place of sqrt(C).
          assertArrayEquals(
              twin, out, differs ? 4e-7 * Math.sqrt(C) : 0, "N=%d C=%d".formatted(N, C));
        }
      }
    }
  }

  /**
   * Rows know nothing of each other: a batch equals its sequences run one by one, as long as none
   * of them has so few rows that another kernel takes them.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aPackedBatchEqualsItsSequencesBitForBit(Target target) {
    int[] cuSeqlens = Shapes.offsets(49, 17, 30, 23, 100);
    int N = cuSeqlens[5];
    int C = 77;
    int F = 83;
    for (DType dtype : DTYPES) {
      KernelCase forward = forward(N, C, F, Activation.GELU, true, true, dtype, DType.F32);
      KernelCase backward = backwardInput(N, C, F, Activation.GELU, true, false, dtype, DType.F32);
      Map<String, double[]> out = forward.run(target.backend()).values();
      Map<String, double[]> dinp = backward.run(target.backend()).values();
      for (int b = 0; b < 5; b++) {
        int begin = cuSeqlens[b];
        int rows = cuSeqlens[b + 1] - begin;
        KernelCase one = KernelCase.forward(dtype, "linearForward alone");
        forward.copyRowsTo(one, begin, rows, N, "inp", "out", "pre");
        forward.copyTensorsTo(one, "weight", "bias");
        callForward(one, rows, C, F, Activation.GELU, dtype, DType.F32)
            .run(target.backend())
            .values()
            .forEach((name, values) -> assertRows(out.get(name), begin, rows, N, values));
        KernelCase other = KernelCase.backward(dtype, "linearBackwardInput alone");
        backward.copyRowsTo(other, begin, rows, N, "dout", "pre", "dinp", "actOut");
        backward.copyTensorsTo(other, "weight");
        callBackwardInput(other, rows, C, F, Activation.GELU, false, dtype, DType.F32)
            .run(target.backend())
            .values()
            .forEach((name, values) -> assertRows(dinp.get(name), begin, rows, N, values));
      }
    }
  }

  /**
   * One row has the same bits in a call of its own and among up to 16: a text does not depend on
   * those that are decoded beside it. The depths are several blocks, and not whole vectors.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aRowIsTheSameAmongFew(Target target) {
    assertSameAmong(target, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }

  /**
   * One row has the same bits among 17 and among more: what a prompt shares a pass with is free.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aRowIsTheSameAmongMany(Target target) {
    assertSameAmong(target, 40, 17, 25);
  }

  /** The last rows of N, as many as each of `counts`, have the bits that they have among all N. */
  private static void assertSameAmong(Target target, int N, int... counts) {
    int F = 53;
    for (DType dtype : DTYPES) {
      for (DType weightDtype : List.of(DType.F32, DType.BF16, DType.NF4, DType.INT8)) {
        for (int C :
            CODED.contains(weightDtype) ? new int[] {64, 2112} : new int[] {31, 64, 2115}) {
          KernelCase all = forward(N, C, F, Activation.SILU, true, true, dtype, weightDtype);
          Map<String, double[]> expected = all.run(target.backend()).values();
          for (int rows : counts) {
            int begin = N - rows;
            KernelCase some = KernelCase.forward(dtype, "linearForward of some rows");
            all.copyRowsTo(some, begin, rows, N, "inp", "out", "pre");
            all.copyTensorsTo(some, "weight", "bias");
            callForward(some, rows, C, F, Activation.SILU, dtype, weightDtype)
                .run(target.backend())
                .values()
                .forEach((name, values) -> assertRows(expected.get(name), begin, rows, N, values));
          }
        }
      }
    }
  }

  /** A NaN or an infinity in one row reaches all of its outputs and no other row. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsRow(Target target) {
    int N = 51;
    int C = 35;
    int F = 50;
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "linearForward with NaN");
      double[] values = k.draw(Storage.of(dtype), N * C);
      values[48 * C + 34] = Double.NaN;
      values[3 * C] = Double.POSITIVE_INFINITY;
      k.input("inp", dtype, values);
      weight(k, F, C, C, dtype, DType.F32);
      k.overwritten("out", dtype, N * F);
      callForward(k, N, C, F, Activation.NONE, dtype, DType.F32);
      double[] out = k.run(target.backend()).values().get("out");
      for (int i = 0; i < N * F; i++) {
        // In parts of bf16 an infinity makes NaN.
        boolean isInParts = dtype == DType.F32 && target.multipliesInParts();
        boolean isInfinite = i / F == 3 && !isInParts;
        assertEquals(
            i / F == 48 || (i / F == 3 && isInParts), Double.isNaN(out[i]), "element " + i);
        assertEquals(isInfinite, Double.isInfinite(out[i]), "element " + i);
      }
    }
  }

  /** No rows: gradients of weights are zeroed where overwritten and kept where accumulated. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void noRowsGiveZeroGradients(Target target) {
    for (DType dtype : DTYPES) {
      Map<String, double[]> zero =
          backwardWeight(0, 33, 17, true, false, dtype).run(target.backend()).values();
      assertValues(new double[33 * 17], zero.get("dweight"));
      assertValues(new double[17], zero.get("dbias"));
      KernelCase kept = backwardWeight(0, 33, 17, true, true, dtype);
      assertValues(kept.initial("dweight"), kept.run(target.backend()).values().get("dweight"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Activation gelu = Activation.GELU;
    DType f32 = DType.F32;
    KernelCase forward = forward(3, 5, 7, gelu, true, true, f32, f32);
    assertNullsRefused(target, forward, "out", "inp", "weight");
    KernelCase input = backwardInput(3, 5, 7, gelu, true, false, f32, f32);
    assertNullsRefused(target, input, "dinp", "dout", "weight", "pre");
    KernelCase weight = backwardWeight(3, 5, 7, true, false, f32);
    assertNullsRefused(target, weight, "dweight", "dout", "inp");
    for (int bad = 0; bad < 3; bad++) {
      int N = bad == 0 ? -1 : 3;
      int C = bad == 1 ? 0 : 5;
      int F = bad == 2 ? 0 : 7;
      String argument = List.of("N", "C", "F").get(bad);
      int value = bad == 0 ? -1 : 0;
      callForward(forward.instead(null), N, C, F, gelu, f32, f32)
          .assertRefused(target.backend(), argument, value);
      callBackwardInput(input.instead(null), N, C, F, gelu, false, f32, f32)
          .assertRefused(target.backend(), argument, value);
      weight
          .instead(
              (b, at) ->
                  b.run(
                      new LinearCall.BackwardWeight(
                          at.of("dweight"),
                          at.of("dbias"),
                          at.of("dout"),
                          at.of("inp"),
                          N,
                          C,
                          F,
                          false,
                          f32)))
          .assertRefused(target.backend(), argument, value);
    }
    Object i32 = DType.I32;
    callForward(forward.instead(null), 3, 5, 7, gelu, DType.I32, f32)
        .assertRefused(target.backend(), "dtype", i32);
    callForward(forward.instead(null), 3, 5, 7, gelu, f32, DType.I32)
        .assertRefused(target.backend(), "weightDtype", i32);
    callBackwardInput(input.instead(null), 3, 5, 7, gelu, false, f32, DType.I32)
        .assertRefused(target.backend(), "weightDtype", i32);
  }
}
