package dev.attune.kernels;

import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.core.DType;
import dev.attune.ref.ArgmaxRef;
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

class ArgmaxTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private static KernelCase argmax(int N, int K, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "argmax N=%d K=%d", N, K);
    return argmax(k, k.draw(Storage.of(dtype), N * K), N, K, dtype);
  }

  private static KernelCase argmax(KernelCase k, double[] values, int N, int K, DType dtype) {
    double[] inp = k.input("inp", dtype, values);
    k.overwritten("out", Storage.I32, N);
    return k.calls(call(N, K, dtype))
        .gives(p -> Map.of("out", ArgmaxRef.of(inp, N, K)))
        .exactly("out");
  }

  private static KernelCase.Call call(long N, long K, DType dtype) {
    return (backend, at) -> backend.run(new ArgmaxCall(at.of("out"), at.of("inp"), N, K, dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int K : Shapes.widths()) {
        cases.add(argmax(9, K, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(argmax(N, 1000, dtype));
      }
      for (int[] shape : Shapes.random("argmax " + dtype, 20, 30, 700)) {
        cases.add(argmax(shape[0], shape[1], dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(argmax(67, 5003, DType.F32), argmax(67, 5003, DType.BF16));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(argmax(8, 50_257, DType.F32), argmax(8, 151_936, DType.BF16));
  }

  /** Every pair of positions holds the two largest elements, which are equal. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theFirstOfEqualsWins(Target target) {
    int K = 53;
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "argmax equals");
      double[] values = new double[K * K * K];
      for (int row = 0; row < K * K; row++) {
        values[row * K + row / K] = 3;
        values[row * K + row % K] = 3;
      }
      argmax(k, values, K * K, K, dtype).verify(target.backend(), 0);
    }
  }

  /** Rows of one value: zeros of both signs, minus infinity, infinity, negative numbers. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void rowsOfOneValueGiveTheirFirstElement(Target target) {
    double[] rows = {0, -0.0, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, -7};
    for (DType dtype : DTYPES) {
      for (int K : new int[] {1, 5, 16, 37}) {
        KernelCase k = KernelCase.forward(dtype, "argmax one value K=%d", K);
        double[] values = new double[rows.length * K];
        for (int n = 0; n < rows.length; n++) {
          Arrays.fill(values, n * K, (n + 1) * K, rows[n]);
        }
        argmax(k, values, rows.length, K, dtype).verify(target.backend(), 0);
      }
    }
  }

  /** A NaN anywhere, infinity beside it or not, marks its row and no other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberGivesMinusOne(Target target) {
    int K = 37;
    for (DType dtype : DTYPES) {
      for (int at : new TreeSet<>(List.of(0, 15, 16, 31, 32, 36))) {
        KernelCase k = KernelCase.forward(dtype, "argmax NaN at %d", at);
        double[] values = k.draw(Storage.of(dtype), 4 * K);
        values[K + at] = Double.NaN;
        values[2 * K + at] = Double.NaN;
        values[2 * K + (at + 5) % K] = Double.POSITIVE_INFINITY;
        argmax(k, values, 4, K, dtype).verify(target.backend(), 0);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = argmax(3, 5, DType.F32);
    assertNullsRefused(target, k, "out", "inp");
    k.instead(call(-1, 5, DType.F32)).assertRefused(target.backend(), "N", -1);
    k.instead(call(3, 0, DType.F32)).assertRefused(target.backend(), "K", 0);
    k.instead(call(3, 5, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }
}
