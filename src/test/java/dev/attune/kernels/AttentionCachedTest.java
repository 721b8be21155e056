package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.AttentionCachedCall;
import dev.attune.core.DType;
import dev.attune.ref.AttentionRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The definition is AttentionRef's, over the rows of the cache that each sequence owns. */
class AttentionCachedTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  /**
   * New rows and keys of each sequence; rows of q and of the caches have {@code gap} elements more
   * than they need.
   */
  private record Problem(int[] queries, int[] keys, int H, int Hkv, int D, int window, int gap) {
    int[] cuQ() {
      return Shapes.offsets(queries);
    }

    int B() {
      return queries.length;
    }

    int rows() {
      return cuQ()[B()];
    }

    /** Sequences lie in the cache in reverse, with two rows that nobody owns before each. */
    int[] kStart() {
      int[] starts = new int[B()];
      int next = 0;
      for (int b = B() - 1; b >= 0; b--) {
        starts[b] = next + 2;
        next += 2 + keys[b];
      }
      return starts;
    }

    int cacheRows() {
      return 2 * B() + Arrays.stream(keys).sum();
    }

    int qStride() {
      return H * D + gap;
    }

    int kvStride() {
      return Hkv * D + gap;
    }

    /** What the reference knows: dense queries, and the keys of the sequences one after another. */
    AttentionRef.Problem reference() {
      float scale = (float) (1 / Math.sqrt(D));
      return new AttentionRef.Problem(
          cuQ(), Shapes.offsets(keys), H, Hkv, D, scale, true, window, 0, 0, 0);
    }

    double[] denseQueries(double[] q) {
      double[] dense = new double[rows() * H * D];
      for (int n = 0; n < rows(); n++) {
        System.arraycopy(q, n * qStride(), dense, n * H * D, H * D);
      }
      return dense;
    }

    double[] denseKeys(double[] cache) {
      double[] dense = new double[Arrays.stream(keys).sum() * Hkv * D];
      int to = 0;
      for (int b = 0; b < B(); b++) {
        for (int j = 0; j < keys[b]; j++) {
          int from = (kStart()[b] + j) * kvStride();
          System.arraycopy(cache, from, dense, to, Hkv * D);
          to += Hkv * D;
        }
      }
      return dense;
    }

    @Override
    public String toString() {
      return String.format(
          "queries=%s keys=%s H=%d Hkv=%d D=%d window=%d gap=%d",
          Arrays.toString(queries), Arrays.toString(keys), H, Hkv, D, window, gap);
    }
  }

  private static Problem one(int queries, int keys, int H, int Hkv, int D) {
    return new Problem(new int[] {queries}, new int[] {keys}, H, Hkv, D, 0, 0);
  }

  private static int[] ints(int... values) {
    return values;
  }

  private static KernelCase forward(Problem a, DType dtype) {
    return forward(a, dtype, 1);
  }

  /** Rows of the caches that no sequence owns hold NaN: reading them would show. */
  private static KernelCase forward(Problem a, DType dtype, double gain) {
    KernelCase c = KernelCase.forward(dtype, "attentionCachedForward %s gain=%s", a, gain);
    Storage storage = Storage.of(dtype);
    double[] q = c.draw(storage, a.rows() * a.qStride());
    for (int i = 0; i < q.length; i++) {
      q[i] = storage.round(q[i] * gain);
    }
    double[] k = cache(c, a, storage);
    double[] v = cache(c, a, storage);
    c.input("q", dtype, q);
    c.input("kCache", dtype, k);
    c.input("vCache", dtype, v);
    return calls(c, a, q, k, v, dtype);
  }

  private static double[] cache(KernelCase c, Problem a, Storage storage) {
    double[] cache = new double[a.cacheRows() * a.kvStride()];
    Arrays.fill(cache, Double.NaN);
    for (int b = 0; b < a.B(); b++) {
      double[] rows = c.draw(storage, a.keys[b] * a.kvStride());
      System.arraycopy(rows, 0, cache, a.kStart()[b] * a.kvStride(), rows.length);
    }
    return cache;
  }

  private static KernelCase calls(
      KernelCase c, Problem a, double[] q, double[] k, double[] v, DType dtype) {
    c.ints("cuQ", a.cuQ());
    c.ints("kStart", a.kStart());
    c.ints("kCount", a.keys);
    c.overwritten("out", dtype, a.rows() * a.H * a.D);
    return c.calls(call(a, a.qStride(), a.kvStride(), a.B(), dtype))
        .gives(
            p ->
                Map.of(
                    "out",
                    AttentionRef.forward(
                            p, a.reference(), a.denseQueries(q), a.denseKeys(k), a.denseKeys(v))
                        .out()));
  }

  private static KernelCase.Call call(Problem a, int qStride, int kvStride, int B, DType dtype) {
    return (backend, at) ->
        backend.run(new AttentionCachedCall(
            at.of("out"),
            at.of("q"),
            at.of("kCache"),
            at.of("vCache"),
            at.of("cuQ"),
            at.of("kStart"),
            at.of("kCount"),
            qStride,
            kvStride,
            B,
            a.H,
            a.Hkv,
            a.D,
            (float) (1 / Math.sqrt(a.D)),
            a.window,
            dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      // Head sizes around the lanes; one new row, few, and enough for the tiles.
      for (int D : Shapes.widths()) {
        cases.add(forward(one(1, 70, 2, 1, D), dtype));
        cases.add(forward(one(3, 19, 2, 2, D), dtype));
        cases.add(forward(one(20, 37, 2, 1, D), dtype));
      }
      cases.add(forward(one(1, 300, 2, 2, 256), dtype));
      // Keys around vectors, steps and splits.
      for (int keys : ints(1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 511, 512, 513, 800)) {
        cases.add(forward(one(1, keys, 4, 2, 34), dtype));
      }
      // New rows around the limit between streaming and tiles, for every sharing of heads.
      for (int group : ints(1, 2, 3, 4, 8, 16, 17, 40)) {
        for (int queries : ints(1, 2, 16 / group, 16 / group + 1)) {
          if (queries > 0) {
            cases.add(forward(one(queries, 90, 2 * group, 2, 18), dtype));
          }
        }
      }
      // A batch that mixes prefill, decoding, an idle sequence and one without keys.
      cases.add(
          forward(
              new Problem(ints(1, 30, 0, 5, 0, 1), ints(77, 30, 9, 140, 0, 1), 4, 2, 20, 0, 0),
              dtype));
      for (int window : ints(1, 7, 8, 30, 1000)) {
        cases.add(
            forward(new Problem(ints(1, 4, 25), ints(90, 67, 50), 4, 2, 20, window, 5), dtype));
      }
      for (int[] shape : Shapes.random("cached " + dtype, 20, 3, 4, 70, 30, 200, 9)) {
        int Hkv = shape[0];
        int[] queries = ints(1, shape[3], shape[5]);
        int[] keys = ints(shape[4], shape[3] + shape[4], shape[5]);
        Problem a =
            new Problem(queries, keys, Hkv * shape[1], Hkv, shape[2], shape[5] * 20, shape[5]);
        cases.add(forward(a, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      // One long sequence: its keys are split among threads. A batch: its sequences and heads are.
      cases.add(forward(one(1, 1500, 4, 1, 34), dtype));
      cases.add(
          forward(new Problem(ints(1, 2, 40, 1), ints(700, 90, 200, 3), 4, 2, 34, 0, 3), dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(forward(one(1, 4096, 16, 8, 128), dtype));
      cases.add(forward(one(512, 600, 12, 12, 64), dtype));
    }
    return cases;
  }

  /** A sequence gives the same bits alone and in a batch, whatever the batch holds. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aSequenceKnowsNothingOfItsBatch(Target target) {
    Problem a = new Problem(ints(1, 30, 5, 1), ints(600, 41, 130, 9), 4, 2, 20, 0, 0);
    for (DType dtype : DTYPES) {
      KernelCase whole = forward(a, dtype);
      double[] out = whole.run(target.backend()).values().get("out");
      for (int b = 0; b < a.B(); b++) {
        Problem alone = one(a.queries[b], a.keys[b], 4, 2, 20);
        KernelCase part = KernelCase.forward(dtype, "attentionCachedForward alone");
        whole.copyRowsTo(part, a.cuQ()[b], a.queries[b], a.rows(), "q");
        // Two rows that nobody owns come first there too.
        int first = a.kStart()[b] - 2;
        whole.copyRowsTo(part, first, a.keys[b] + 2, a.cacheRows(), "kCache", "vCache");
        calls(part, alone, null, null, null, dtype);
        double[] expected = part.run(target.backend()).values().get("out");
        assertRows(out, a.cuQ()[b], a.queries[b], a.rows(), expected);
      }
    }
  }

  /** Equal scores: the mean of the values that a row sees. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void equalScoresGiveTheMeanOfTheValues(Target target) {
    for (int keys : ints(5, 300)) {
      Problem a = one(1, keys, 1, 1, 3);
      KernelCase c = KernelCase.forward(DType.F32, "attentionCachedForward mean keys=%d", keys);
      double[] v = cache(c, a, Storage.F32);
      c.input("q", DType.F32, new double[3]);
      c.input("kCache", DType.F32, cache(c, a, Storage.F32));
      c.input("vCache", DType.F32, v);
      calls(c, a, null, null, null, DType.F32);
      double[] mean = new double[3];
      double[] values = a.denseKeys(v);
      for (int i = 0; i < values.length; i++) {
        mean[i % 3] += values[i] / keys;
      }
      assertArrayEquals(mean, c.run(target.backend()).values().get("out"), 1e-6);
    }
  }

  /** Scores of several hundred, at which an exponential without its maximum overflows. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void largeScoresDoNotOverflow(Target target) {
    for (DType dtype : DTYPES) {
      forward(one(1, 700, 2, 1, 64), dtype, 100).verify(target.backend(), 0);
      forward(one(30, 70, 2, 1, 64), dtype, 100).verify(target.backend(), 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void notANumberStaysInItsHead(Target target) {
    Problem a = new Problem(ints(1, 2), ints(300, 9), 2, 2, 5, 0, 0);
    for (DType dtype : DTYPES) {
      KernelCase k = forward(a, dtype).with("q", 7, Double.NaN);
      double[] out = k.run(target.backend()).values().get("out");
      for (int i = 0; i < out.length; i++) {
        assertEquals(i / 5 == 1, Double.isNaN(out[i]), "element " + i);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Problem a = new Problem(ints(1, 3), ints(9, 4), 4, 2, 5, 0, 0);
    KernelCase k = forward(a, DType.F32);
    for (String tensor : List.of("out", "q", "cuQ", "kStart", "kCount")) {
      assertNullsRefused(target, k, tensor);
    }
    k.without("kCache").assertRefused(target.backend(), "k", "null");
    k.without("vCache").assertRefused(target.backend(), "v", "null");
    k.with("kStart", 1, -1).assertRefused(target.backend(), "kStart[1]", -1);
    k.with("kCount", 1, 2).assertRefused(target.backend(), "kCount[1]", 2);
    k.with("cuQ", 1, 5).assertRefused(target.backend(), "cuQ[2]", 4);
    refuse(target, k, a, 19, 10, 2, "qStride", 19);
    refuse(target, k, a, 20, 9, 2, "kvStride", 9);
    refuse(target, k, a, 20, 10, -1, "B", -1);
    refuse(target, k, new Problem(a.queries, a.keys, 3, 2, 5, 0, 0), 20, 10, 2, "Hkv", 2);
    refuse(target, k, new Problem(a.queries, a.keys, 4, 2, 0, 0, 0), 20, 10, 2, "D", 0);
    refuse(target, k, new Problem(a.queries, a.keys, 4, 2, 5, -1, 0), 20, 10, 2, "window", -1);
    k.instead(call(a, 20, 10, 2, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static void refuse(
      Target target,
      KernelCase k,
      Problem bad,
      int qStride,
      int kvStride,
      int B,
      String argument,
      Object value) {
    k.instead(call(bad, qStride, kvStride, B, DType.F32))
        .assertRefused(target.backend(), argument, value);
  }
}
