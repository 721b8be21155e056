package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.core.DType;
import dev.attune.ref.ReductionRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ReductionTest extends KernelContract {
  private static KernelCase sumOfSquares(double[] values, int count) {
    KernelCase k = KernelCase.forward(DType.F32, "sumOfSquares count=%d", count);
    double[] inp =
        values == null ? k.normal("inp", Storage.F32, count) : k.input("inp", Storage.F32, values);
    k.overwritten("out", Storage.F64, 1);
    return k.calls((backend, at) -> backend.run(new SumOfSquaresCall.Flat(at.of("out"), at.of("inp"), count)))
        .gives(p -> Map.of("out", new double[] {ReductionRef.sumOfSquares(p, inp)}));
  }

  private static KernelCase sumOfSquaresRows(int V, int C, int... rows) {
    KernelCase k =
        KernelCase.forward(DType.F32, "sumOfSquaresRows V=%d C=%d M=%d", V, C, rows.length);
    double[] table = k.normal("table", Storage.F32, V * C);
    k.ints("rows", rows);
    k.overwritten("out", Storage.F64, 1);
    return k.calls(
            (backend, at) ->
                backend.run(new SumOfSquaresCall.Rows(
                    at.of("out"), at.of("table"), at.of("rows"), rows.length, C)))
        .gives(p -> Map.of("out", new double[] {ReductionRef.sumOfSquaresRows(p, table, rows, C)}));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    int chunk = ReductionRef.CHUNK;
    counts.addAll(List.of(0, chunk - 1, chunk, chunk + 1, 3 * chunk + 2));
    Shapes.random("reduction", 20, 30_000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (int count : counts) {
      cases.add(sumOfSquares(null, count));
    }
    for (int C : Shapes.widths()) {
      cases.add(sumOfSquaresRows(9, C, 8, 0, 3));
      cases.add(sumOfSquaresRows(9, C));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    int[] rows = new int[300];
    for (int m = 0; m < rows.length; m++) {
      rows[m] = m * 7 % 331;
    }
    return List.of(sumOfSquares(null, 100_003), sumOfSquaresRows(331, 129, rows));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(sumOfSquares(null, 768 * 3072));
  }

  /** Infinities and NaN reach the trainer; small numbers vanish in f32 without harm. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void extremes(Target target) {
    double[] values = new double[10_000];
    assertEquals(0, out(target, values));
    values[9_999] = 1e-30;
    assertEquals(0, out(target, values), 1e-38);
    values[4_097] = Double.POSITIVE_INFINITY;
    assertEquals(Double.POSITIVE_INFINITY, out(target, values));
    values[5] = Double.NaN;
    assertEquals(Double.NaN, out(target, values));
  }

  /** Many chunks of ones: their sum is exact, as the total is in double. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void totalIsInDouble(Target target) {
    double[] ones = new double[20_000_003];
    Arrays.fill(ones, 1);
    assertEquals(20_000_003, out(target, ones));
  }

  private static double out(Target target, double[] values) {
    KernelCase k = sumOfSquares(values, values.length);
    return k.run(target.backend()).values().get("out")[0];
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase flat = sumOfSquares(null, 9);
    assertNullsRefused(target, flat, "out", "inp");
    flat.instead((b, at) -> b.run(new SumOfSquaresCall.Flat(at.of("out"), at.of("inp"), -1)))
        .assertRefused(target.backend(), "count", -1);
    KernelCase rows = sumOfSquaresRows(9, 5, 1, 2, 3);
    assertNullsRefused(target, rows, "out", "table", "rows");
    rows.with("rows", 1, -7).assertRefused(target.backend(), "rows[1]", -7);
    rows.instead((b, at) -> b.run(new SumOfSquaresCall.Rows(at.of("out"), at.of("table"), at.of("rows"), -1, 5)))
        .assertRefused(target.backend(), "M", -1);
    rows.instead((b, at) -> b.run(new SumOfSquaresCall.Rows(at.of("out"), at.of("table"), at.of("rows"), 3, 0)))
        .assertRefused(target.backend(), "C", 0);
  }
}
