package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.calls.DropoutCall;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.ref.DropoutRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DropoutTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  /** All 64 bits of both take part. */
  private static final long SEED = 0x9123456789ABCDEFL;

  private static final long STREAM = Philox.stream(7, 0x8000_0003);

  private static KernelCase dropout(
      double[] values, int count, float p, long seed, long stream, DType dtype, boolean inPlace) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "dropout count=%d p=%s seed=%x stream=%x inPlace=%b",
            count,
            p,
            seed,
            stream,
            inPlace);
    double[] inp = values == null ? k.normal("inp", dtype, count) : k.input("inp", dtype, values);
    if (inPlace) {
      k.inPlace("out", "inp");
    } else {
      k.overwritten("out", dtype, count);
    }
    return k.calls(
            (backend, at) ->
                backend.run(new DropoutCall(at.of("out"), at.of("inp"), count, p, seed, stream, dtype)))
        .gives(precision -> Map.of("out", DropoutRef.apply(precision, inp, p, seed, stream)));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.add(0);
    Shapes.random("dropout", 20, 3000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int count : counts) {
        for (float p : new float[] {0, 0.1f, 0.5f, 0.9f}) {
          cases.add(dropout(null, count, p, SEED, STREAM, dtype, count % 2 == 0));
        }
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(dropout(null, 40_013, 0.1f, SEED, STREAM, dtype, true));
      cases.add(dropout(null, 40_013, 0.3f, -1, -1, dtype, false));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(
        dropout(null, 512 * 3072, 0.1f, SEED, STREAM, DType.F32, false),
        dropout(null, 512 * 3072, 0.1f, SEED, STREAM, DType.BF16, false));
  }

  /** The published known answers of Philox4x32-10 (Random123's kat_vectors). */
  @Test
  void generatorGivesThePublishedNumbers() {
    int[] words = new int[4];
    Philox.block(0, 0, 0, words);
    assertEquals(
        List.of(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8),
        Arrays.stream(words).boxed().toList());
    Philox.block(-1, -1, -1, words);
    assertEquals(
        List.of(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd),
        Arrays.stream(words).boxed().toList());
    Philox.block(0x299f31d0_a4093822L, 0x03707344_13198a2eL, 0x85a308d3_243f6a88L, words);
    assertEquals(
        List.of(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1),
        Arrays.stream(words).boxed().toList());
  }

  /** Which elements survive is core.Philox's answer, element by element. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void maskIsThatOfThePhiloxStream(Target target) {
    double[] ones = new double[5003];
    Arrays.fill(ones, 1);
    for (float p : new float[] {0.1f, 0.5f}) {
      KernelCase k = dropout(ones, ones.length, p, SEED, STREAM, DType.F32, false);
      double[] out = k.run(target.backend()).values().get("out");
      int threshold = Philox.dropoutThreshold(p);
      for (int e = 0; e < ones.length; e++) {
        assertEquals(Philox.keeps(SEED, STREAM, e, threshold), out[e] != 0, "element " + e);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void zeroProbabilityCopies(Target target) {
    for (DType dtype : DTYPES) {
      dropout(null, 1003, 0, SEED, STREAM, dtype, false).exactly("out").verify(target.backend(), 0);
    }
  }

  /** So close to 1 that the threshold is 65536 and no element is left: zeros, not NaN. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void nothingLeftGivesZeros(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase k = dropout(null, 1003, 0.999999f, SEED, STREAM, dtype, false);
      for (double value : k.run(target.backend()).values().get("out")) {
        assertEquals(0, value, Double.MIN_VALUE);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void expectationStays(Target target) {
    double[] ones = new double[100_000];
    Arrays.fill(ones, 1);
    KernelCase k = dropout(ones, ones.length, 0.1f, SEED, STREAM, DType.F32, false);
    double mean = Arrays.stream(k.run(target.backend()).values().get("out")).average().orElse(0);
    // Standard deviation of the mean: sqrt(0.1 / 0.9 / 100000) = 0.00105.
    assertTrue(Math.abs(mean - 1) < 0.005, "mean " + mean);
  }

  /** The reference mask has the same scale in double as in f32, to rounding. */
  @Test
  void referenceScaleUndoesTheThreshold() {
    double[] mask = DropoutRef.mask(Precision.EXACT, 64, 0.1f, 1, 2);
    int threshold = Philox.dropoutThreshold(0.1f);
    assertEquals(1, Arrays.stream(mask).max().orElse(0) * (1 - threshold / 65536.0), 1e-15);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = dropout(null, 9, 0.1f, SEED, STREAM, DType.F32, false);
    assertNullsRefused(target, k, "out", "inp");
    Map.of("-0.1", -0.1f, "1", 1f, "2", 2f, "NaN", Float.NaN)
        .forEach(
            (value, p) ->
                k.instead(
                        (b, at) ->
                            b.run(new DropoutCall(at.of("out"), at.of("inp"), 9, p, SEED, STREAM, DType.F32)))
                    .assertRefused(target.backend(), "p", value));
    k.instead((b, at) -> b.run(new DropoutCall(at.of("out"), at.of("inp"), -1, 0, SEED, STREAM, DType.F32)))
        .assertRefused(target.backend(), "count", -1);
    k.instead((b, at) -> b.run(new DropoutCall(at.of("out"), at.of("inp"), 9, 0, SEED, STREAM, DType.I32)))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }
}
