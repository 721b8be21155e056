package dev.attune.kernels;

import dev.attune.kernels.calls.CastCall;
import dev.attune.core.DType;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CastTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  /** A cast rounds once, an accumulating cast adds in f32 and rounds once: exact answers. */
  private static KernelCase cast(
      double[] values, int count, boolean accumulate, DType outDtype, DType inpDtype) {
    KernelCase k =
        KernelCase.forward(
            outDtype, "cast count=%d accumulate=%b from %s to", count, accumulate, inpDtype);
    double[] inp =
        values == null ? k.normal("inp", inpDtype, count) : k.input("inp", inpDtype, values);
    double[] old = k.gradient("out", outDtype, count, accumulate);
    return k.calls(
            (backend, at) ->
                backend.run(new CastCall(at.of("out"), at.of("inp"), count, accumulate, outDtype, inpDtype)))
        .gives(
            p -> {
              double[] out = new double[count];
              for (int i = 0; i < count; i++) {
                double sum = old == null ? inp[i] : p.f32(old[i] + inp[i]);
                out[i] = p == Precision.EXACT ? sum : Storage.of(outDtype).round(sum);
              }
              return Map.of("out", out);
            })
        .exactly("out");
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.add(0);
    Shapes.random("cast", 20, 3000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (DType outDtype : DTYPES) {
      for (DType inpDtype : DTYPES) {
        for (int count : counts) {
          cases.add(cast(null, count, false, outDtype, inpDtype));
          cases.add(cast(null, count, true, outDtype, inpDtype));
        }
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType outDtype : DTYPES) {
      for (DType inpDtype : DTYPES) {
        cases.add(cast(null, 40_013, false, outDtype, inpDtype));
        cases.add(cast(null, 40_013, true, outDtype, inpDtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(cast(null, 768 * 3072, false, DType.BF16, DType.F32));
  }

  /** Ties to even, infinities, NaN, the largest numbers, carries into the exponent. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void roundsToNearestEven(Target target) {
    double[] values = {
      0,
      -0.0,
      1,
      1 + 0x1p-8,
      1 + 3 * 0x1p-8,
      1 + 0x1p-8 + 0x1p-20,
      1 + 0x1p-8 - 0x1p-20,
      -1 - 0x1p-8,
      2 - 0x1p-9,
      Double.POSITIVE_INFINITY,
      Double.NEGATIVE_INFINITY,
      Double.NaN,
      Float.MAX_VALUE,
      -Float.MAX_VALUE,
      0x1p-126,
      3.38953139e38,
      1e-30
    };
    for (DType outDtype : DTYPES) {
      for (DType inpDtype : DTYPES) {
        cast(values, values.length, false, outDtype, inpDtype).verify(target.backend(), 0);
      }
    }
  }

  /** A NaN whose payload lies in the low half must not become an infinity. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void quietsNotANumber(Target target) {
    double[] values = new double[33];
    java.util.Arrays.fill(values, Float.intBitsToFloat(0x7FC00001));
    cast(values, values.length, false, DType.BF16, DType.F32).verify(target.backend(), 0);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = cast(null, 9, false, DType.F32, DType.BF16);
    assertNullsRefused(target, k, "out", "inp");
    k.instead((b, at) -> b.run(new CastCall(at.of("out"), at.of("inp"), -1, false, DType.F32, DType.F32)))
        .assertRefused(target.backend(), "count", -1);
    k.instead((b, at) -> b.run(new CastCall(at.of("out"), at.of("inp"), 9, false, DType.I32, DType.F32)))
        .assertRefused(target.backend(), "outDtype", DType.I32);
    k.instead((b, at) -> b.run(new CastCall(at.of("out"), at.of("inp"), 9, false, DType.F32, DType.I32)))
        .assertRefused(target.backend(), "inpDtype", DType.I32);
  }
}
