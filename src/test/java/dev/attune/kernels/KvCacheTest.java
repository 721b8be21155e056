package dev.attune.kernels;

import dev.attune.kernels.calls.KvCacheWriteCall;
import dev.attune.core.DType;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A copy has one answer, which the case itself states: no reference of its own. */
class KvCacheTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private record Layout(int N, int width, int inpStride, int cacheStride, int cacheRows) {}

  private static KernelCase write(Layout l, DType dtype) {
    KernelCase c = KernelCase.forward(dtype, "kvCacheWrite %s", l);
    double[] k = c.normal("k", dtype, l.N * l.inpStride);
    double[] v = c.normal("v", dtype, l.N * l.inpStride);
    int[] rows = c.random().ints(0, l.cacheRows).distinct().limit(l.N).toArray();
    c.ints("rows", rows);
    double[] kCache = c.updated("kCache", dtype, l.cacheRows * l.cacheStride);
    double[] vCache = c.updated("vCache", dtype, l.cacheRows * l.cacheStride);
    return c.calls(call(l, dtype))
        .gives(
            p -> Map.of("kCache", copied(kCache, k, rows, l), "vCache", copied(vCache, v, rows, l)))
        .exactly("kCache", "vCache");
  }

  private static double[] copied(double[] cache, double[] inp, int[] rows, Layout l) {
    double[] copy = cache.clone();
    for (int n = 0; n < l.N; n++) {
      System.arraycopy(inp, n * l.inpStride, copy, rows[n] * l.cacheStride, l.width);
    }
    return copy;
  }

  private static KernelCase.Call call(Layout l, DType dtype) {
    return (backend, at) ->
        backend.run(new KvCacheWriteCall(
            at.of("kCache"),
            at.of("vCache"),
            at.of("k"),
            at.of("v"),
            at.of("rows"),
            l.N,
            l.width,
            l.inpStride,
            l.cacheStride,
            dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int width : Shapes.widths()) {
        cases.add(write(new Layout(5, width, width, width, 9), dtype));
        cases.add(write(new Layout(5, width, width + 3, width + 5, 9), dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(write(new Layout(N, 18, 20, 18, N + 4), dtype));
      }
      for (int[] shape : Shapes.random("kvCache " + dtype, 20, 40, 100, 30, 30)) {
        int width = shape[1];
        int N = shape[0];
        cases.add(
            write(new Layout(N, width, width + shape[2], width + shape[3], N + shape[2]), dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(write(new Layout(307, 131, 400, 131, 500), dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(write(new Layout(512, 1024, 4096, 1024, 2048), DType.BF16));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = write(new Layout(3, 5, 6, 7, 9), DType.F32);
    assertNullsRefused(target, k, "kCache", "vCache", "k", "v", "rows");
    k.with("rows", 1, -2).assertRefused(target.backend(), "rows[1]", -2);
    refuse(target, k, new Layout(-1, 5, 6, 7, 9), "N", -1);
    refuse(target, k, new Layout(3, 0, 6, 7, 9), "width", 0);
    refuse(target, k, new Layout(3, 5, 4, 7, 9), "inpStride", 4);
    refuse(target, k, new Layout(3, 5, 6, 4, 9), "cacheStride", 4);
    k.instead(call(new Layout(3, 5, 6, 7, 9), DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static void refuse(
      Target target, KernelCase k, Layout bad, String argument, Object value) {
    k.instead(call(bad, DType.F32)).assertRefused(target.backend(), argument, value);
  }
}
