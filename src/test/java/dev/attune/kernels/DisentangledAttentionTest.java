package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.DisentangledAttentionCall;
import dev.attune.kernels.calls.DisentangledAttentionCall.Scores;
import dev.attune.kernels.calls.DisentangledAttentionCall.Shape;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.ref.DisentangledAttentionRef;
import dev.attune.ref.DisentangledAttentionRef.Problem;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Seeds;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DisentangledAttentionTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final long SEED = 0x9123456789ABCDEFL;
  private static final long STREAM = Philox.stream(7, 0x8000_0003);
  private static final int GROUPS = 3;

  /** Which terms scores have beside content to content. */
  private enum Terms {
    BOTH,
    CONTENT_TO_POSITION,
    POSITION_TO_CONTENT;

    boolean hasKey() {
      return this != POSITION_TO_CONTENT;
    }

    boolean hasQuery() {
      return this != CONTENT_TO_POSITION;
    }
  }

  /** A place each for offsets up to {@code exact}, then one for every two up to the reach. */
  private static int[] places(int reach, int exact) {
    int[] places = new int[2 * reach + 1];
    for (int o = 1; o <= reach; o++) {
      int step = o <= exact || o % 2 == 0 ? 1 : 0;
      places[reach + o] = places[reach + o - 1] + step;
      places[reach - o] = places[reach - o + 1] - step;
    }
    int least = places[0];
    Arrays.setAll(places, i -> places[i] - least);
    return places;
  }

  /** Some rows more than there are places, which no score reads. */
  private static Problem problem(int H, int D, int[] places, float p, int... lengths) {
    int P = places[places.length - 1] + 3;
    float scale = (float) (1 / Math.sqrt(3 * D));
    return new Problem(Shapes.offsets(lengths), H, D, P, places, scale, p, SEED, STREAM);
  }

  private static String describe(Problem a) {
    return String.format(
        "cu=%s H=%d D=%d P=%d reach=%d p=%s",
        Arrays.toString(a.cu()), a.H(), a.D(), a.P(), a.reach(), a.dropout());
  }

  /** The tensors of a case as its kernel and its reference see them; q, k and v are one product. */
  private record Inputs(
      Problem a, double[] q, double[] k, double[] v, double[] posKey, double[] posQuery) {
    static Inputs draw(KernelCase c, Problem a, Terms terms, DType dtype) {
      Storage storage = Storage.of(dtype);
      int rows = a.rows() * a.H() * a.D();
      double[] q = c.draw(storage, rows);
      double[] k = c.draw(storage, rows);
      double[] v = c.draw(storage, rows);
      int width = a.H() * a.D();
      double[] posKey = terms.hasKey() ? c.draw(storage, a.P() * width) : null;
      double[] posQuery = terms.hasQuery() ? c.draw(storage, a.P() * width) : null;
      Inputs inputs = new Inputs(a, q, k, v, posKey, posQuery);
      c.input("qkv", dtype, pack(width, q, k, v));
      if (posKey != null) {
        c.input("posKey", dtype, posKey);
      }
      if (posQuery != null) {
        c.input("posQuery", dtype, posQuery);
      }
      c.ints("places", a.places());
      c.ints("cuSeqlens", a.cu());
      return inputs;
    }

    /** Three dense tensors side by side, row by row. */
    static double[] pack(int width, double[]... parts) {
      double[] packed = new double[3 * parts[0].length];
      for (int i = 0; i < parts[0].length; i++) {
        for (int part = 0; part < 3; part++) {
          packed[i / width * 3 * width + part * width + i % width] = parts[part][i];
        }
      }
      return packed;
    }

    Shape shape() {
      int longest = 0;
      for (int b = 1; b < a.cu().length; b++) {
        longest = Math.max(longest, a.cu()[b] - a.cu()[b - 1]);
      }
      long width = (long) a.H() * a.D();
      return new Shape(
          a.rows(), 3 * width, width, a.cu().length - 1, longest, a.H(), a.D(), a.P(), a.reach());
    }

    Scores scores(DType dtype) {
      return new Scores((float) a.scale(), a.dropout(), SEED, STREAM, dtype);
    }

    /** Part 0, 1 or 2 of a product of three. */
    long part(long address, int part, DType dtype) {
      return address + (long) part * a.H() * a.D() * dtype.sizeBytes();
    }

    DisentangledAttentionRef.Forward forward(Precision p) {
      return DisentangledAttentionRef.forward(p, a, q, k, v, posKey, posQuery);
    }
  }

  private static KernelCase forward(Problem a, Terms terms, DType dtype) {
    KernelCase c =
        KernelCase.forward(dtype, "disentangledAttentionForward %s %s", describe(a), terms);
    Inputs in = Inputs.draw(c, a, terms, dtype);
    c.overwritten("out", dtype, in.q.length);
    c.overwritten("lse", Storage.F32, a.H() * a.rows());
    if (dtype == DType.BF16) {
      // As of attention: exponentials that will be rounded to bf16 need be no better.
      c.within("lse", 3e-6);
    }
    return c.calls(forwardWith(in, in.shape(), dtype))
        .gives(
            p -> {
              DisentangledAttentionRef.Forward f = in.forward(p);
              return Map.of("out", f.out(), "lse", f.lse());
            });
  }

  private static KernelCase.Call forwardWith(Inputs in, Shape shape, DType dtype) {
    return (backend, at) ->
        backend.run(
            new DisentangledAttentionCall.Forward(
                at.of("out"),
                at.of("lse"),
                at.of("qkv"),
                in.part(at.of("qkv"), 1, dtype),
                in.part(at.of("qkv"), 2, dtype),
                at.of("posKey"),
                at.of("posQuery"),
                at.of("places"),
                at.of("cuSeqlens"),
                shape,
                in.scores(dtype)));
  }

  private static KernelCase backward(Problem a, Terms terms, DType dtype) {
    KernelCase c =
        KernelCase.backward(dtype, "disentangledAttentionBackward %s %s", describe(a), terms);
    Inputs in = Inputs.draw(c, a, terms, dtype);
    DisentangledAttentionRef.Forward exact = in.forward(Precision.EXACT);
    double[] out = c.input("out", dtype, exact.out());
    double[] lse = c.input("lse", Storage.F32, exact.lse());
    double[] dout = c.normal("dout", dtype, out.length);
    c.overwritten("dqkv", dtype, 3 * in.q.length);
    int positions = a.P() * a.H() * a.D();
    if (terms.hasKey()) {
      c.overwritten("dposKey", dtype, positions);
    }
    if (terms.hasQuery()) {
      c.overwritten("dposQuery", dtype, positions);
    }
    long scratch = DisentangledAttentionCall.scratch(a.rows(), a.H(), a.D(), a.P(), GROUPS);
    c.scratch("scratch", Storage.F32, (int) scratch);
    return c.calls(
            (backend, at) ->
                backend.run(
                    new DisentangledAttentionCall.Backward(
                        at.of("dqkv"),
                        in.part(at.of("dqkv"), 1, dtype),
                        in.part(at.of("dqkv"), 2, dtype),
                        at.of("dposKey"),
                        at.of("dposQuery"),
                        at.of("scratch"),
                        at.of("dout"),
                        at.of("qkv"),
                        in.part(at.of("qkv"), 1, dtype),
                        in.part(at.of("qkv"), 2, dtype),
                        at.of("posKey"),
                        at.of("posQuery"),
                        at.of("out"),
                        at.of("lse"),
                        at.of("places"),
                        at.of("cuSeqlens"),
                        in.shape(),
                        GROUPS,
                        in.scores(dtype))))
        .gives(
            p -> {
              boolean isExact = p == Precision.EXACT;
              DisentangledAttentionRef.Backward g =
                  DisentangledAttentionRef.backward(
                      p,
                      a,
                      dout,
                      in.q,
                      in.k,
                      in.v,
                      in.posKey,
                      in.posQuery,
                      isExact ? exact.out() : out,
                      isExact ? exact.lse() : lse);
              Map<String, double[]> gradients = new HashMap<>();
              gradients.put("dqkv", Inputs.pack(a.H() * a.D(), g.dq(), g.dk(), g.dv()));
              gradients.put("dposKey", g.dposKey());
              gradients.put("dposQuery", g.dposQuery());
              return gradients;
            });
  }

  private static void addBoth(List<KernelCase> cases, Problem a, Terms terms, DType dtype) {
    cases.add(forward(a, terms, dtype));
    cases.add(backward(a, terms, dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int D : new int[] {1, 8, 16, 24, 32, 40, 64, 80}) {
        addBoth(cases, problem(2, D, places(9, 4), 0, 5, 17, 1), Terms.BOTH, dtype);
      }
      for (int T : Shapes.rows()) {
        Terms terms = Terms.values()[T % 3];
        addBoth(cases, problem(2, 16, places(40, 20), 0, T), terms, dtype);
      }
      for (Terms terms : Terms.values()) {
        for (int reach : new int[] {0, 1, 30, 200}) {
          int[] places = places(reach, reach / 2);
          addBoth(cases, problem(2, 32, places, 0, 17, 1, 90), terms, dtype);
          addBoth(cases, problem(3, 16, places, 0.2f, 33, 7), terms, dtype);
        }
        addBoth(cases, problem(2, 16, places(3, 1), 0), terms, dtype);
        addBoth(cases, problem(2, 16, places(3, 1), 0, 0, 0), terms, dtype);
        addBoth(cases, problem(1, 16, places(3, 3), 0, 0, 4, 0, 0, 3, 0), terms, dtype);
      }
      SplittableRandom random = Seeds.random("disentangled attention " + dtype);
      for (int i = 0; i < 10; i++) {
        int[] lengths = new int[1 + random.nextInt(5)];
        Arrays.setAll(lengths, b -> random.nextInt(80));
        int reach = random.nextInt(90);
        addBoth(
            cases,
            problem(
                1 + random.nextInt(3),
                2 * (1 + random.nextInt(30)),
                places(reach, random.nextInt(reach + 1)),
                random.nextInt(3) == 0 ? 0.1f : 0,
                lengths),
            Terms.values()[random.nextInt(3)],
            dtype);
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      // Several chunks of queries and of keys, and buckets that several offsets share.
      addBoth(cases, problem(1, 16, places(280, 100), 0, 530, 3), Terms.BOTH, dtype);
      addBoth(cases, problem(2, 32, places(60, 60), 0.1f, 130, 5, 71), Terms.BOTH, dtype);
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      int[] places = places(512, 128);
      addBoth(cases, problem(12, 64, places, 0.1f, 512, 128, 37), Terms.BOTH, dtype);
      addBoth(cases, problem(2, 64, places, 0, 1025), Terms.BOTH, dtype);
    }
    return cases;
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("dposKey"), Set.of("dposQuery"), Set.of("dposKey", "dposQuery"));
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    for (float dropout : new float[] {0, 0.3f}) {
      Problem a = problem(2, 3, places(3, 1), dropout, 3, 0, 6);
      double[] q = Gradients.normal("disentangled q", 9 * 2 * 3);
      double[] k = Gradients.normal("disentangled k", 9 * 2 * 3);
      double[] v = Gradients.normal("disentangled v", 9 * 2 * 3);
      double[] posKey = Gradients.normal("disentangled pos key", a.P() * 2 * 3);
      double[] posQuery = Gradients.normal("disentangled pos query", a.P() * 2 * 3);
      double[] dout = Gradients.normal("disentangled dout", 9 * 2 * 3);
      DisentangledAttentionRef.Forward f =
          DisentangledAttentionRef.forward(Precision.EXACT, a, q, k, v, posKey, posQuery);
      DisentangledAttentionRef.Backward g =
          DisentangledAttentionRef.backward(
              Precision.EXACT, a, dout, q, k, v, posKey, posQuery, f.out(), f.lse());
      Gradients.check("q", q, g.dq(), x -> loss(a, x, k, v, posKey, posQuery, dout));
      Gradients.check("k", k, g.dk(), x -> loss(a, q, x, v, posKey, posQuery, dout));
      Gradients.check("v", v, g.dv(), x -> loss(a, q, k, x, posKey, posQuery, dout));
      Gradients.check("pos key", posKey, g.dposKey(), x -> loss(a, q, k, v, x, posQuery, dout));
      Gradients.check("pos query", posQuery, g.dposQuery(), x -> loss(a, q, k, v, posKey, x, dout));
    }
  }

  private static double loss(
      Problem a,
      double[] q,
      double[] k,
      double[] v,
      double[] posKey,
      double[] posQuery,
      double[] dout) {
    return Gradients.dot(
        DisentangledAttentionRef.forward(Precision.EXACT, a, q, k, v, posKey, posQuery).out(),
        dout);
  }

  /** A frozen table of positions changes no other gradient, bit for bit. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void frozenPositionsChangeNoOtherGradient(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase c = backward(problem(2, 32, places(20, 9), 0.1f, 70, 5), Terms.BOTH, dtype);
      KernelCase.Result trained = c.run(target.backend());
      KernelCase.Result frozen = c.without("dposKey").run(target.backend());
      for (String name : List.of("dqkv", "dposQuery")) {
        assertArrayEquals(trained.bytes().get(name), frozen.bytes().get(name), name);
      }
    }
  }

  /** The gradients of the positions are the same however the work is shared out. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void positionsGetTheSameBitsOnAnyNumberOfThreads(Target target) {
    Problem a = problem(4, 16, places(200, 100), 0.1f, 300, 3, 60, 60, 60, 1);
    for (DType dtype : DTYPES) {
      KernelCase c = backward(a, Terms.BOTH, dtype);
      CpuBackend level = (CpuBackend) target.backend();
      KernelCase.Result one = c.run(Backends.cpu(1, level.isa()));
      for (int threads : new int[] {2, 3, 8}) {
        c.checkSameBits(threads + " threads", one, c.run(Backends.cpu(threads, level.isa())));
      }
    }
  }

  /** What is not finite in one sequence reaches no other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aPackedBatchKeepsItsSequencesApart(Target target) {
    int D = 16;
    for (DType dtype : DTYPES) {
      KernelCase c = forward(problem(1, D, places(30, 30), 0, 9, 40, 20), Terms.BOTH, dtype);
      KernelCase broken = c;
      for (int d = 0; d < D; d++) {
        broken = broken.with("qkv", 48 * 3 * D + D + d, Double.NaN);
      }
      Map<String, double[]> result = broken.run(target.backend()).values();
      for (int i = 0; i < 69 * D; i++) {
        boolean same = i / D >= 9 && i / D < 49;
        assertEquals(same, Double.isNaN(result.get("out")[i]), "row " + i / D);
        assertEquals(same, Double.isNaN(result.get("lse")[i / D]), "lse of row " + i / D);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Problem a = problem(2, 16, places(3, 3), 0, 4);
    KernelCase forward = forward(a, Terms.BOTH, DType.F32);
    assertNullsRefused(target, forward, "out", "lse", "places", "cuSeqlens");
    KernelCase backward = backward(a, Terms.BOTH, DType.F32);
    assertNullsRefused(target, backward, "scratch", "dout", "out", "lse", "places", "cuSeqlens");
    for (KernelCase c : List.of(forward, backward)) {
      c.with("places", 0, a.P()).assertRefused(target.backend(), "places[0]", a.P());
      c.with("places", 6, -1).assertRefused(target.backend(), "places[6]", -1);
      c.with("cuSeqlens", 1, -1).assertRefused(target.backend(), "cu_seqlens[1]", -1);
    }
    KernelCase c = KernelCase.forward(DType.F32, "disentangledAttentionForward refused");
    Inputs in = Inputs.draw(c, a, Terms.BOTH, DType.F32);
    Shape good = in.shape();
    Map<String, Shape> bad = new LinkedHashMap<>();
    bad.put("stride=31", new Shape(4, 31, 32, 1, 4, 2, 16, good.P(), 3));
    bad.put("pos_stride=30", new Shape(4, 96, 30, 1, 4, 2, 16, good.P(), 3));
    bad.put("reach=-1", new Shape(4, 96, 32, 1, 4, 2, 16, good.P(), -1));
    bad.put("D=257", new Shape(4, 900, 900, 1, 4, 2, 257, good.P(), 3));
    bad.forEach(
        (refusal, shape) -> {
          String[] words = refusal.split("=");
          forward
              .instead(forwardWith(in, shape, DType.F32))
              .assertRefused(target.backend(), words[0], words[1]);
        });
  }
}
