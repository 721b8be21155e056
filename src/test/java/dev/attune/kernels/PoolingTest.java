package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.core.DType;
import dev.attune.ref.PoolingRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PoolingTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  private static KernelCase gatherForward(int N, int C, int[] rows, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "gatherRowsForward N=%d M=%d C=%d", N, rows.length, C);
    double[] inp = k.normal("inp", dtype, N * C);
    k.ints("rows", rows);
    k.overwritten("out", dtype, rows.length * C);
    return k.calls(
            (backend, at) ->
                backend.run(new GatherRowsCall.Forward(
                    at.of("out"), at.of("inp"), at.of("rows"), rows.length, C, dtype)))
        .gives(p -> Map.of("out", PoolingRef.gather(inp, rows, C)))
        .exactly("out");
  }

  private static KernelCase gatherBackward(
      int N, int C, int[] rows, boolean accumulate, DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "gatherRowsBackward N=%d M=%d C=%d accumulate=%b",
            N,
            rows.length,
            C,
            accumulate);
    double[] dout = k.normal("dout", dtype, rows.length * C);
    k.ints("rows", rows);
    double[] old = k.gradient("dinp", dtype, N * C, accumulate);
    return k.calls(
            (backend, at) ->
                backend.run(new GatherRowsCall.Backward(
                    at.of("dinp"),
                    at.of("dout"),
                    at.of("rows"),
                    N,
                    rows.length,
                    C,
                    accumulate,
                    dtype)))
        .gives(p -> Map.of("dinp", PoolingRef.gatherBackward(p, dout, rows, old, N, C)))
        .exactly("dinp");
  }

  private static KernelCase meanForward(int[] cuSeqlens, int C, DType dtype) {
    int B = cuSeqlens.length - 1;
    KernelCase k =
        KernelCase.forward(dtype, "meanPoolForward %s C=%d", Arrays.toString(cuSeqlens), C);
    double[] inp = k.normal("inp", dtype, cuSeqlens[B] * C);
    k.ints("cuSeqlens", cuSeqlens);
    k.overwritten("out", dtype, B * C);
    return k.calls(
            (backend, at) ->
                backend.run(new MeanPoolCall.Forward(
                    at.of("out"), at.of("inp"), at.of("cuSeqlens"), B, C, dtype)))
        .gives(p -> Map.of("out", PoolingRef.mean(p, inp, cuSeqlens, C)));
  }

  private static KernelCase meanBackward(int[] cuSeqlens, int C, boolean accumulate, DType dtype) {
    int B = cuSeqlens.length - 1;
    KernelCase k =
        KernelCase.backward(
            dtype,
            "meanPoolBackward %s C=%d accumulate=%b",
            Arrays.toString(cuSeqlens),
            C,
            accumulate);
    double[] dout = k.normal("dout", dtype, B * C);
    k.ints("cuSeqlens", cuSeqlens);
    double[] old = k.gradient("dinp", dtype, cuSeqlens[B] * C, accumulate);
    return k.calls(
            (backend, at) ->
                backend.run(new MeanPoolCall.Backward(
                    at.of("dinp"), at.of("dout"), at.of("cuSeqlens"), B, C, accumulate, dtype)))
        .gives(p -> Map.of("dinp", PoolingRef.meanBackward(p, dout, cuSeqlens, old, C)));
  }

  /** M distinct rows of 0..N-1, in no order. */
  private static int[] someRows(int N, int M) {
    SplittableRandom random = new SplittableRandom(31L * N + M);
    int[] rows = new int[N];
    for (int n = 0; n < N; n++) {
      int at = random.nextInt(n + 1);
      rows[n] = rows[at];
      rows[at] = n;
    }
    return Arrays.copyOf(rows, M);
  }

  private static void addAll(List<KernelCase> cases, int N, int M, int C, DType dtype) {
    int[] rows = someRows(N, M);
    cases.add(gatherForward(N, C, rows, dtype));
    cases.add(gatherBackward(N, C, rows, false, dtype));
    cases.add(gatherBackward(N, C, rows, true, dtype));
  }

  private static void addAll(List<KernelCase> cases, int[] cuSeqlens, int C, DType dtype) {
    cases.add(meanForward(cuSeqlens, C, dtype));
    cases.add(meanBackward(cuSeqlens, C, false, dtype));
    cases.add(meanBackward(cuSeqlens, C, true, dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int C : Shapes.widths()) {
        addAll(cases, 11, 4, C, dtype);
        addAll(cases, Shapes.offsets(3, 1, 7), C, dtype);
      }
      for (int N : Shapes.rows()) {
        addAll(cases, N, N, 17, dtype);
        addAll(cases, N, N / 2, 17, dtype);
        addAll(cases, Shapes.offsets(0, N, 2, 0), 17, dtype);
      }
      addAll(cases, Shapes.offsets(), 17, dtype);
      for (int[] shape : Shapes.random("pooling " + dtype, 20, 60, 60, 100)) {
        addAll(cases, shape[0], Math.min(shape[0], shape[1]), shape[2], dtype);
        addAll(cases, Shapes.offsets(shape[0], shape[1], 1), shape[2], dtype);
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      addAll(cases, 301, 151, 131, dtype);
      addAll(cases, Shapes.offsets(150, 3, 40, 107, 1, 90), 131, dtype);
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    addAll(cases, 2048, 32, 768, DType.BF16);
    addAll(cases, Shapes.offsets(512, 128, 37, 512, 300), 1024, DType.BF16);
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int[] cuSeqlens = {0, 3, 3, 5};
    double[] inp = Gradients.normal("pooling inp", 5 * 3);
    double[] dout = Gradients.normal("pooling dout", 3 * 3);
    Gradients.check(
        "inp of the mean",
        inp,
        PoolingRef.meanBackward(Precision.EXACT, dout, cuSeqlens, null, 3),
        x -> Gradients.dot(PoolingRef.mean(Precision.EXACT, x, cuSeqlens, 3), dout));
    int[] rows = {4, 0, 2};
    Gradients.check(
        "inp of the gather",
        inp,
        PoolingRef.gatherBackward(Precision.EXACT, dout, rows, null, 5, 3),
        x -> Gradients.dot(PoolingRef.gather(x, rows, 3), dout));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aSequenceWithoutRowsHasMeanZero(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase k = meanForward(Shapes.offsets(2, 0, 3), 19, dtype);
      double[] out = k.run(target.backend()).values().get("out");
      assertValues(new double[19], Arrays.copyOfRange(out, 19, 38));
    }
  }

  /** A NaN stays in its sequence. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aPackedBatchKeepsItsSequencesApart(Target target) {
    for (DType dtype : DTYPES) {
      int[] cuSeqlens = Shapes.offsets(2, 3, 4);
      int C = 21;
      KernelCase k = KernelCase.forward(dtype, "meanPoolForward with NaN");
      double[] values = k.draw(dev.attune.testkit.Storage.of(dtype), 9 * C);
      Arrays.fill(values, 2 * C, 5 * C, Double.NaN);
      k.input("inp", dtype, values);
      k.ints("cuSeqlens", cuSeqlens);
      k.overwritten("out", dtype, 3 * C);
      k.calls(
          (backend, at) ->
              backend.run(new MeanPoolCall.Forward(at.of("out"), at.of("inp"), at.of("cuSeqlens"), 3, C, dtype)));
      double[] out = k.run(target.backend()).values().get("out");
      for (int i = 0; i < out.length; i++) {
        assertEquals(i / C == 1, Double.isNaN(out[i]), "element " + i);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    DType f32 = DType.F32;
    KernelCase gather = gatherForward(5, 3, new int[] {4, 0}, f32);
    assertNullsRefused(target, gather, "out", "inp", "rows");
    gather.with("rows", 1, -1).assertRefused(target.backend(), "rows[1]", -1);
    gather
        .instead(
            (b, at) -> b.run(new GatherRowsCall.Forward(at.of("out"), at.of("inp"), at.of("rows"), 2, 0, f32)))
        .assertRefused(target.backend(), "C", 0);
    KernelCase scatter = gatherBackward(5, 3, new int[] {4, 0}, false, f32);
    assertNullsRefused(target, scatter, "dinp", "dout", "rows");
    scatter.with("rows", 0, 5).assertRefused(target.backend(), "rows[0]", 5);
    scatter.with("rows", 1, -1).assertRefused(target.backend(), "rows[1]", -1);
    KernelCase mean = meanForward(new int[] {0, 2, 5}, 3, f32);
    assertNullsRefused(target, mean, "out", "inp", "cuSeqlens");
    mean.with("cuSeqlens", 1, 6).assertRefused(target.backend(), "cuSeqlens[2]", 5);
    mean.instead(
            (b, at) ->
                b.run(new MeanPoolCall.Forward(at.of("out"), at.of("inp"), at.of("cuSeqlens"), -1, 3, f32)))
        .assertRefused(target.backend(), "B", -1);
    KernelCase spread = meanBackward(new int[] {0, 2, 5}, 3, false, f32);
    assertNullsRefused(target, spread, "dinp", "dout", "cuSeqlens");
    spread.with("cuSeqlens", 1, 6).assertRefused(target.backend(), "cuSeqlens[2]", 5);
  }
}
