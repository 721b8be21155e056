package dev.attune.kernels;

import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.ZeroRowsCall;
import dev.attune.core.DType;
import dev.attune.ref.EmbeddingRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class EmbeddingTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final int P = 13;
  private static final int T = 2;

  /** Which of the optional tables take part. */
  private enum Tables {
    WORD,
    WORD_POSITION,
    ALL;

    boolean position() {
      return this != WORD;
    }

    boolean type() {
      return this == ALL;
    }
  }

  private static int[] indices(KernelCase k, String name, int count, int limit) {
    int[] indices = new int[count];
    for (int n = 0; n < count; n++) {
      indices[n] = k.random().nextInt(limit);
    }
    return k.ints(name, indices);
  }

  private static KernelCase forward(int N, int C, int V, Tables tables, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "embeddingForward N=%d C=%d V=%d %s", N, C, V, tables);
    double[] word = k.normal("word", Storage.F32, V * C);
    int[] ids = indices(k, "ids", N, V);
    double[] position = tables.position() ? k.normal("position", Storage.F32, P * C) : null;
    int[] positions = tables.position() ? indices(k, "positions", N, P) : null;
    double[] type = tables.type() ? k.normal("type", Storage.F32, T * C) : null;
    int[] typeIds = tables.type() ? indices(k, "typeIds", N, T) : null;
    k.overwritten("out", dtype, N * C);
    return k.calls(
            (backend, at) ->
                backend.run(new EmbeddingCall.Forward(
                    at.of("out"),
                    at.of("word"),
                    at.of("position"),
                    at.of("type"),
                    at.of("ids"),
                    at.of("positions"),
                    at.of("typeIds"),
                    N,
                    C,
                    V,
                    P,
                    T,
                    dtype)))
        .gives(
            p ->
                Map.of(
                    "out",
                    EmbeddingRef.forward(p, word, position, type, ids, positions, typeIds, C)));
  }

  /**
   * Sums in row order have one answer: exact. Without the word table (a frozen one) the others
   * still get their gradient.
   */
  private static KernelCase backward(
      int N, int C, int V, boolean wordTable, Tables tables, DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype, "embeddingBackward N=%d C=%d V=%d word=%b %s", N, C, V, wordTable, tables);
    double[] dout = k.normal("dout", dtype, N * C);
    int[] ids = indices(k, "ids", N, V);
    int[] positions = indices(k, "positions", N, P);
    int[] typeIds = indices(k, "typeIds", N, T);
    double[] word = wordTable ? k.updated("dword", Storage.F32, V * C) : null;
    double[] position = tables.position() ? k.updated("dposition", Storage.F32, P * C) : null;
    double[] type = tables.type() ? k.updated("dtokenType", Storage.F32, T * C) : null;
    return k.calls(
            (backend, at) ->
                backend.run(new EmbeddingCall.Backward(
                    at.of("dword"),
                    at.of("dposition"),
                    at.of("dtokenType"),
                    at.of("dout"),
                    at.of("ids"),
                    at.of("positions"),
                    at.of("typeIds"),
                    N,
                    C,
                    dtype)))
        .gives(
            p -> {
              Map<String, double[]> gradients = new HashMap<>();
              if (word != null) {
                gradients.put("dword", EmbeddingRef.backward(p, dout, ids, word, C));
              }
              if (position != null) {
                gradients.put("dposition", EmbeddingRef.backward(p, dout, positions, position, C));
              }
              if (type != null) {
                gradients.put("dtokenType", EmbeddingRef.backward(p, dout, typeIds, type, C));
              }
              return gradients;
            })
        .exactlyOnTheCpu("dword", "dposition", "dtokenType");
  }

  private static KernelCase zeroRows(int V, int C, int... rows) {
    KernelCase k = KernelCase.forward(DType.F32, "zeroRows V=%d C=%d M=%d", V, C, rows.length);
    double[] table = k.updated("table", Storage.F32, V * C);
    k.ints("rows", rows);
    return k.calls((backend, at) -> backend.run(new ZeroRowsCall(at.of("table"), at.of("rows"), rows.length, C)))
        .gives(
            p -> {
              double[] zeroed = table.clone();
              for (int row : rows) {
                Arrays.fill(zeroed, row * C, (row + 1) * C, 0);
              }
              return Map.of("table", zeroed);
            })
        .exactly("table");
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int C : Shapes.widths()) {
        for (Tables tables : Tables.values()) {
          cases.add(forward(9, C, 19, tables, dtype));
        }
        cases.add(backward(30, C, 5, true, Tables.ALL, dtype));
        cases.add(backward(9, C, 19, true, Tables.WORD, dtype));
        cases.add(backward(9, C, 19, false, Tables.ALL, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(forward(N, 18, 7, Tables.ALL, dtype));
        cases.add(backward(N, 18, 7, true, Tables.ALL, dtype));
        cases.add(backward(N, 18, 7, true, Tables.WORD_POSITION, dtype));
      }
      for (int[] shape : Shapes.random("embedding " + dtype, 20, 80, 100, 60)) {
        cases.add(forward(shape[0], shape[1], shape[2], Tables.ALL, dtype));
        cases.add(backward(shape[0], shape[1], shape[2], true, Tables.ALL, dtype));
      }
    }
    for (int C : Shapes.widths()) {
      cases.add(zeroRows(9, C, 8, 0, 3));
      cases.add(zeroRows(9, C));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(300, 131, 50, Tables.ALL, dtype));
      // One row takes almost all tokens, as a padding or class token does.
      cases.add(backward(500, 131, 2, true, Tables.ALL, dtype));
      cases.add(backward(300, 131, 211, true, Tables.ALL, dtype));
    }
    int[] rows = new int[150];
    Arrays.setAll(rows, m -> 2 * m);
    cases.add(zeroRows(301, 131, rows));
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(
        forward(512, 768, 30_522, Tables.ALL, DType.BF16),
        backward(512, 768, 30_522, true, Tables.ALL, DType.BF16));
  }

  @Test
  void referenceGradientIsTheSlope() {
    int[] ids = {1, 0, 1, 3};
    double[] dout = Gradients.normal("embedding dout", 4 * 3);
    double[] word = Gradients.normal("embedding word", 5 * 3);
    Gradients.check(
        "word",
        word,
        EmbeddingRef.backward(Precision.EXACT, dout, ids, new double[5 * 3], 3),
        x ->
            Gradients.dot(
                EmbeddingRef.forward(Precision.EXACT, x, null, null, ids, null, null, 3), dout));
  }

  /** Rows that no token names keep their gradient, whatever it is. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void untouchedRowsStay(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.backward(dtype, "embeddingBackward untouched");
      double[] table = new double[4 * 33];
      Arrays.fill(table, Double.NaN);
      Arrays.fill(table, 2 * 33, 3 * 33, 1);
      k.updated("dword", Storage.F32, table);
      double[] dout = k.normal("dout", dtype, 33);
      k.ints("ids", 2);
      k.calls(
          (backend, at) ->
              backend.run(new EmbeddingCall.Backward(
                  at.of("dword"), 0, 0, at.of("dout"), at.of("ids"), 0, 0, 1, 33, dtype)));
      double[] dword = k.run(target.backend()).values().get("dword");
      for (int c = 0; c < 33; c++) {
        table[2 * 33 + c] = (float) (1 + dout[c]);
      }
      assertValues(table, dword);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase forward = forward(4, 3, 7, Tables.ALL, DType.F32);
    assertNullsRefused(target, forward, "out", "word", "ids", "positions", "typeIds");
    forward.with("ids", 2, 7).assertRefused(target.backend(), "ids[2]", 7);
    forward.with("ids", 1, -1).assertRefused(target.backend(), "ids[1]", -1);
    forward.with("positions", 3, P).assertRefused(target.backend(), "positions[3]", P);
    forward.with("typeIds", 0, T).assertRefused(target.backend(), "typeIds[0]", T);
    KernelCase backward = backward(4, 3, 7, true, Tables.ALL, DType.F32);
    assertNullsRefused(target, backward, "dout", "ids", "positions", "typeIds");
    backward.with("ids", 2, -5).assertRefused(target.backend(), "ids[2]", -5);
    backward.with("typeIds", 2, -5).assertRefused(target.backend(), "typeIds[2]", -5);
    KernelCase zero = zeroRows(5, 3, 1, 4);
    assertNullsRefused(target, zero, "table", "rows");
    zero.with("rows", 1, -2).assertRefused(target.backend(), "rows[1]", -2);
    zero.instead((b, at) -> b.run(new ZeroRowsCall(at.of("table"), at.of("rows"), 2, 0)))
        .assertRefused(target.backend(), "C", 0);
    zero.instead((b, at) -> b.run(new ZeroRowsCall(at.of("table"), at.of("rows"), -2, 3)))
        .assertRefused(target.backend(), "M", -2);
  }
}
