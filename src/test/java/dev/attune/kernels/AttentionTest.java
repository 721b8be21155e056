package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.ref.AttentionRef;
import dev.attune.ref.AttentionRef.Problem;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.ErrorBudget;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Seeds;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final long SEED = 0x9123456789ABCDEFL;
  private static final long STREAM = Philox.stream(7, 0x8000_0003);

  /** Where q, k and v lie. */
  private enum Layout {
    /** Three dense tensors. */
    APART,
    /** Columns of one product (N, (H + 2 Hkv) D). */
    PACKED
  }

  /** Self-attention over sequences of these lengths. */
  private static Problem self(int H, int Hkv, int D, boolean causal, int... lengths) {
    int[] cu = Shapes.offsets(lengths);
    return problem(cu, cu, H, Hkv, D, causal, 0, 0);
  }

  private static Problem problem(
      int[] cuQ, int[] cuK, int H, int Hkv, int D, boolean causal, int window, float p) {
    float scale = (float) (1 / Math.sqrt(D));
    return new Problem(cuQ, cuK, H, Hkv, D, scale, causal, window, p, SEED, STREAM);
  }

  /** The same with a relative position bias. */
  private static Problem biased(Problem a, int reach) {
    double[] bias = Gradients.normal("attention bias", a.H() * (2 * reach + 1));
    Arrays.setAll(bias, i -> (float) bias[i]);
    return a.withBias(reach, bias);
  }

  private static String describe(Problem a) {
    return String.format(
        "cuQ=%s cuK=%s H=%d Hkv=%d D=%d causal=%b window=%d p=%s reach=%s",
        Arrays.toString(a.cuQ()),
        Arrays.toString(a.cuK()),
        a.H(),
        a.Hkv(),
        a.D(),
        a.causal(),
        a.window(),
        a.dropout(),
        a.bias() == null ? "none" : a.reach());
  }

  private static int last(int[] offsets) {
    return offsets[offsets.length - 1];
  }

  private static int longest(Problem a) {
    int longest = 0;
    for (int[] offsets : List.of(a.cuQ(), a.cuK())) {
      for (int b = 1; b < offsets.length; b++) {
        longest = Math.max(longest, offsets[b] - offsets[b - 1]);
      }
    }
    return longest;
  }

  private static int rowsQ(Problem a) {
    return last(a.cuQ());
  }

  private static int rowsK(Problem a) {
    return last(a.cuK());
  }

  /** q, k and v of a case as its kernel and its reference see them. */
  private record Inputs(Layout layout, Problem a, double[] q, double[] k, double[] v) {
    static Inputs draw(KernelCase k, Layout layout, Problem a, DType dtype, double gain) {
      Storage storage = Storage.of(dtype);
      double[] q = k.draw(storage, rowsQ(a) * a.H() * a.D());
      double[] key = k.draw(storage, rowsK(a) * a.Hkv() * a.D());
      double[] v = k.draw(storage, rowsK(a) * a.Hkv() * a.D());
      for (int i = 0; i < q.length; i++) {
        q[i] = storage.round(q[i] * gain);
      }
      Inputs inputs = new Inputs(layout, a, q, key, v);
      inputs.declare(k, dtype);
      return inputs;
    }

    void declare(KernelCase c, DType dtype) {
      if (layout == Layout.APART) {
        c.input("q", dtype, q);
        c.input("k", dtype, k);
        c.input("v", dtype, v);
      } else {
        c.input("q", dtype, pack(q, k, v));
      }
      if (a.bias() != null) {
        c.input("bias", Storage.F32, a.bias());
      }
      c.ints("cuQ", a.cuQ());
      c.ints("cuK", a.cuK());
    }

    int widthQ() {
      return a.H() * a.D();
    }

    int widthK() {
      return a.Hkv() * a.D();
    }

    int strideQ() {
      return layout == Layout.APART ? widthQ() : widthQ() + 2 * widthK();
    }

    int strideK() {
      return layout == Layout.APART ? widthK() : strideQ();
    }

    /** Three dense tensors side by side, row by row. */
    double[] pack(double[] one, double[] two, double[] three) {
      int stride = widthQ() + 2 * widthK();
      double[] packed = new double[rowsQ(a) * stride];
      for (int n = 0; n < rowsQ(a); n++) {
        System.arraycopy(one, n * widthQ(), packed, n * stride, widthQ());
        System.arraycopy(two, n * widthK(), packed, n * stride + widthQ(), widthK());
        System.arraycopy(three, n * widthK(), packed, n * stride + widthQ() + widthK(), widthK());
      }
      return packed;
    }

    /** The address of k (or dk), given where the tensors are. */
    long key(KernelCase.Addresses at, String prefix, DType dtype) {
      return layout == Layout.APART
          ? at.of(prefix + "k")
          : at.of(prefix + "q") + (long) widthQ() * dtype.sizeBytes();
    }

    long value(KernelCase.Addresses at, String prefix, DType dtype) {
      return layout == Layout.APART
          ? at.of(prefix + "v")
          : at.of(prefix + "q") + (long) (widthQ() + widthK()) * dtype.sizeBytes();
    }
  }

  private static KernelCase forward(Problem a, Layout layout, double gain, DType dtype) {
    KernelCase k =
        KernelCase.forward(dtype, "attentionForward %s %s gain=%s", describe(a), layout, gain);
    return forward(k, Inputs.draw(k, layout, a, dtype, gain), dtype);
  }

  private static KernelCase forward(KernelCase k, Inputs in, DType dtype) {
    Problem a = in.a;
    k.overwritten("out", dtype, rowsQ(a) * in.widthQ());
    k.overwritten("lse", Storage.F32, a.H() * rowsQ(a));
    if (dtype == DType.BF16) {
      // Exponentials that will be rounded to bf16 (to 2e-3) need be no better than 3e-6.
      k.within("lse", 3e-6);
    }
    return k.calls(
            (backend, at) ->
                backend.run(
                    new AttentionCall.Forward(
                        at.of("out"),
                        at.of("lse"),
                        at.of("q"),
                        in.key(at, "", dtype),
                        in.value(at, "", dtype),
                        at.of("bias"),
                        at.of("cuQ"),
                        at.of("cuK"),
                        new AttentionCall.Problem(
                            in.strideQ(),
                            in.strideK(),
                            a.cuQ().length - 1,
                            longest(a),
                            a.H(),
                            a.Hkv(),
                            a.D(),
                            a.reach(),
                            (float) a.scale(),
                            a.causal(),
                            a.window(),
                            a.dropout(),
                            SEED,
                            STREAM,
                            dtype))))
        .gives(
            p -> {
              AttentionRef.Forward f = AttentionRef.forward(p, a, in.q, in.k, in.v);
              return Map.of("out", f.out(), "lse", f.lse());
            });
  }

  private static KernelCase backward(Problem a, Layout layout, double gain, DType dtype) {
    KernelCase k =
        KernelCase.backward(dtype, "attentionBackward %s %s gain=%s", describe(a), layout, gain);
    Inputs in = Inputs.draw(k, layout, a, dtype, gain);
    AttentionRef.Forward f = AttentionRef.forward(Precision.EXACT, a, in.q, in.k, in.v);
    double[] out = k.input("out", dtype, f.out());
    double[] lse = k.input("lse", Storage.F32, f.lse());
    double[] dout = k.normal("dout", dtype, out.length);
    return backward(k, in, dout, f, new AttentionRef.Forward(out, lse), dtype);
  }

  /**
   * The definition is the gradient of the exact forward; the plain program, like the kernel, has
   * only its results as saved.
   */
  private static KernelCase backward(
      KernelCase k,
      Inputs in,
      double[] dout,
      AttentionRef.Forward exact,
      AttentionRef.Forward saved,
      DType dtype) {
    Problem a = in.a;
    boolean packed = in.layout == Layout.PACKED;
    k.overwritten("dq", dtype, rowsQ(a) * in.strideQ());
    if (!packed) {
      k.overwritten("dk", dtype, in.k.length);
      k.overwritten("dv", dtype, in.v.length);
    }
    double[] old =
        a.bias() == null ? new double[0] : k.updated("dbias", Storage.F32, a.bias().length);
    if (a.bias() != null && a.reach() == 0) {
      // What all keys of a query share changes no probability. Its gradient is nothing but the
      // rounding of every query's row, and the plain program's own is one draw of it.
      k.within("dbias", ErrorBudget.floor(Storage.F32) * Math.sqrt(rowsQ(a)));
    }
    return k.calls(
            (backend, at) ->
                backend.run(
                    new AttentionCall.Backward(
                        at.of("dq"),
                        in.key(at, "d", dtype),
                        in.value(at, "d", dtype),
                        at.of("dbias"),
                        at.of("dout"),
                        at.of("q"),
                        in.key(at, "", dtype),
                        in.value(at, "", dtype),
                        at.of("bias"),
                        at.of("out"),
                        at.of("lse"),
                        at.of("cuQ"),
                        at.of("cuK"),
                        new AttentionCall.Problem(
                            in.strideQ(),
                            in.strideK(),
                            a.cuQ().length - 1,
                            longest(a),
                            a.H(),
                            a.Hkv(),
                            a.D(),
                            a.reach(),
                            (float) a.scale(),
                            a.causal(),
                            a.window(),
                            a.dropout(),
                            SEED,
                            STREAM,
                            dtype))))
        .gives(
            p -> {
              AttentionRef.Forward f = p == Precision.EXACT ? exact : saved;
              AttentionRef.Backward b =
                  AttentionRef.backward(p, a, dout, in.q, in.k, in.v, f.out(), f.lse());
              double[] dbias = new double[old.length];
              Arrays.setAll(dbias, i -> p.f32(old[i] + b.dbias()[i]));
              return packed
                  ? Map.of("dq", in.pack(b.dq(), b.dk(), b.dv()), "dbias", dbias)
                  : Map.of("dq", b.dq(), "dk", b.dk(), "dv", b.dv(), "dbias", dbias);
            });
  }

  private static void addBoth(List<KernelCase> cases, Problem a, DType dtype) {
    boolean square = Arrays.equals(a.cuQ(), a.cuK());
    Layout layout = square && cases.size() % 4 < 2 ? Layout.PACKED : Layout.APART;
    cases.add(forward(a, layout, 1, dtype));
    cases.add(backward(a, layout, 1, dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int D : new int[] {8, 16, 24, 32, 40, 64, 80, 96, 128}) {
        addBoth(cases, self(2, 2, D, false, 5, 17, 1), dtype);
        addBoth(cases, self(2, 1, D, true, 5, 17, 1), dtype);
      }
      for (int T : Shapes.rows()) {
        addBoth(cases, self(2, 2, 16, false, T), dtype);
        addBoth(cases, self(1, 1, 32, true, 3, T), dtype);
      }
      addBoth(cases, self(3, 3, 64, false, 63, 64, 65), dtype);
      addBoth(cases, self(1, 1, 64, true, 127, 129), dtype);
      addBoth(cases, self(2, 2, 16, false), dtype);
      addBoth(cases, self(2, 2, 16, false, 0, 4, 0, 0, 3, 0), dtype);
      addBoth(cases, self(6, 2, 16, true, 20, 9), dtype);
      addBoth(cases, self(4, 1, 32, false, 30), dtype);
      // Offsets inside the reach and beyond it, with all that a mask can do.
      for (int reach : new int[] {0, 3, 40, 200}) {
        int[] cu = Shapes.offsets(17, 1, 90);
        boolean causal = reach == 40;
        addBoth(cases, biased(problem(cu, cu, 4, 2, 32, causal, 0, 0), reach), dtype);
        addBoth(cases, biased(problem(cu, cu, 2, 2, 16, causal, 20, 0.2f), reach), dtype);
      }
      addBoth(cases, biased(self(2, 2, 16, false), 3), dtype);
      addBoth(cases, biased(self(2, 2, 64, false, 0, 4, 0, 0, 3, 0), 3), dtype);
      // Queries and keys of different counts: more keys (a cache), fewer, none.
      int[] cuQ = Shapes.offsets(3, 20, 1, 5, 0);
      int[] cuK = Shapes.offsets(20, 3, 50, 0, 7);
      for (boolean causal : new boolean[] {false, true}) {
        addBoth(cases, problem(cuQ, cuK, 2, 2, 16, causal, 0, 0), dtype);
        addBoth(cases, problem(cuQ, cuK, 4, 2, 16, causal, 4, 0.2f), dtype);
        addBoth(cases, biased(problem(cuQ, cuK, 4, 2, 16, causal, 0, 0), 6), dtype);
        for (int window : new int[] {1, 5, 16, 64}) {
          int[] cu = Shapes.offsets(70, 13);
          addBoth(cases, problem(cu, cu, 2, 2, 16, causal, window, 0), dtype);
        }
        for (float p : new float[] {0.1f, 0.5f}) {
          int[] cu = Shapes.offsets(33, 7, 49);
          addBoth(cases, problem(cu, cu, 3, 3, 32, causal, 0, p), dtype);
        }
      }
      SplittableRandom random = Seeds.random("attention " + dtype);
      for (int i = 0; i < 20; i++) {
        int[] lengths = new int[1 + random.nextInt(4)];
        Arrays.setAll(lengths, b -> random.nextInt(90));
        int Hkv = 1 + random.nextInt(2);
        int[] cu = Shapes.offsets(lengths);
        addBoth(
            cases,
            problem(
                cu,
                cu,
                Hkv * (1 + random.nextInt(3)),
                Hkv,
                8 * (1 + random.nextInt(10)),
                random.nextBoolean(),
                random.nextInt(3) == 0 ? 1 + random.nextInt(40) : 0,
                random.nextInt(3) == 0 ? 0.1f : 0),
            dtype);
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    int[] cu = Shapes.offsets(130, 5, 71);
    for (DType dtype : DTYPES) {
      addBoth(cases, problem(cu, cu, 4, 4, 32, false, 0, 0.1f), dtype);
      addBoth(cases, problem(cu, cu, 4, 2, 32, true, 0, 0), dtype);
      addBoth(cases, biased(problem(cu, cu, 4, 2, 32, false, 0, 0.1f), 50), dtype);
      addBoth(cases, problem(cu, cu, 4, 4, 32, false, 33, 0), dtype);
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      int[] cu = Shapes.offsets(512, 128, 37);
      addBoth(cases, problem(cu, cu, 12, 12, 64, false, 0, 0.1f), dtype);
      addBoth(cases, problem(cu, cu, 8, 2, 128, true, 0, 0), dtype);
      int[] one = Shapes.offsets(1025);
      addBoth(cases, problem(one, one, 2, 2, 64, true, 256, 0), dtype);
      addBoth(cases, problem(one, one, 2, 2, 64, false, 65, 0), dtype);
      addBoth(cases, biased(problem(cu, cu, 12, 12, 64, false, 0, 0.1f), 128), dtype);
    }
    return cases;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    int[] cuQ = {0, 3, 3, 7};
    int[] cuK = {0, 4, 5, 8};
    for (Problem a :
        List.of(
            problem(cuQ, cuK, 4, 2, 3, false, 0, 0),
            problem(cuQ, cuK, 4, 2, 3, true, 2, 0.3f),
            problem(cuQ, cuK, 2, 2, 3, true, 0, 0.3f),
            biased(problem(cuQ, cuK, 4, 2, 3, false, 2, 0.3f), 1),
            biased(problem(cuQ, cuK, 2, 2, 3, true, 0, 0), 5))) {
      double[] q = Gradients.normal("attention q", 7 * a.H() * 3);
      double[] k = Gradients.normal("attention k", 8 * a.Hkv() * 3);
      double[] v = Gradients.normal("attention v", 8 * a.Hkv() * 3);
      double[] dout = Gradients.normal("attention dout", 7 * a.H() * 3);
      AttentionRef.Forward f = AttentionRef.forward(Precision.EXACT, a, q, k, v);
      AttentionRef.Backward b =
          AttentionRef.backward(Precision.EXACT, a, dout, q, k, v, f.out(), f.lse());
      Gradients.check("q", q, b.dq(), x -> loss(a, x, k, v, dout));
      Gradients.check("k", k, b.dk(), x -> loss(a, q, x, v, dout));
      Gradients.check("v", v, b.dv(), x -> loss(a, q, k, x, dout));
      if (a.bias() != null) {
        Gradients.check(
            "bias", a.bias(), b.dbias(), x -> loss(a.withBias(a.reach(), x), q, k, v, dout));
      }
    }
  }

  private static double loss(Problem a, double[] q, double[] k, double[] v, double[] dout) {
    return Gradients.dot(AttentionRef.forward(Precision.EXACT, a, q, k, v).out(), dout);
  }

  /** One key gets all attention: out is v, lse the score. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aSingleKeyIsCopied(Target target) {
    for (DType dtype : DTYPES) {
      Problem a = problem(Shapes.offsets(3, 1), Shapes.offsets(1, 1), 1, 1, 16, false, 0, 0);
      KernelCase k = forward(a, Layout.APART, 1, dtype);
      double[] out = k.run(target.backend()).values().get("out");
      double[] v = k.initial("v");
      for (int i = 0; i < out.length; i++) {
        int row = i / 16 < 3 ? 0 : 1;
        assertEquals(v[row * 16 + i % 16], out[i], 1e-6);
      }
    }
  }

  /** No key to see: out 0, lse -infinity, gradients 0; for whole sequences and for masked rows. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aQueryWithoutKeysGivesZero(Target target) {
    int[] cuQ = Shapes.offsets(3, 20, 4);
    int[] cuK = Shapes.offsets(0, 2, 4);
    for (DType dtype : DTYPES) {
      // Causal with 20 queries on 2 keys: the first 18 see nothing.
      Problem a = problem(cuQ, cuK, 2, 2, 16, true, 0, 0);
      Map<String, double[]> forward =
          forward(a, Layout.APART, 1, dtype).run(target.backend()).values();
      double[] dq = backward(a, Layout.APART, 1, dtype).run(target.backend()).values().get("dq");
      for (int row = 0; row < 27; row++) {
        boolean blind = row < 21;
        for (int i = row * 32; i < (row + 1) * 32; i++) {
          assertEquals(blind, forward.get("out")[i] == 0, "out of row " + row);
          assertTrue(!blind || dq[i] == 0, "dq of row " + row);
        }
        for (int h = 0; h < 2; h++) {
          double lse = forward.get("lse")[h * 27 + row];
          assertEquals(blind, lse == Double.NEGATIVE_INFINITY, "lse of row " + row + ": " + lse);
        }
      }
    }
  }

  /** A bias without a gradient is frozen: the other gradients are the same, bit for bit. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aFrozenBiasChangesNoOtherGradient(Target target) {
    for (DType dtype : DTYPES) {
      KernelCase k = backward(biased(self(4, 2, 32, false, 70, 5), 9), Layout.APART, 1, dtype);
      KernelCase.Result trained = k.run(target.backend());
      KernelCase.Result frozen = k.without("dbias").run(target.backend());
      for (String name : List.of("dq", "dk", "dv")) {
        assertArrayEquals(trained.bytes().get(name), frozen.bytes().get(name), name);
      }
    }
  }

  /** The gradient of a bias is the same however the work is shared out. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aBiasGivesTheSameBitsOnAnyNumberOfThreads(Target target) {
    // Many slots of a long row: more than one wave of them.
    Problem a = biased(self(8, 4, 16, false, 400, 3, 250, 60, 60, 60), 2000);
    KernelCase k = backward(a, Layout.APART, 1, DType.F32);
    CpuBackend level = (CpuBackend) target.backend();
    KernelCase.Result one = k.run(Backends.cpu(1, level.isa()));
    for (int threads : new int[] {2, 3, 8}) {
      k.checkSameBits(threads + " threads", one, k.run(Backends.cpu(threads, level.isa())));
    }
  }

  /**
   * Scores in the hundreds: the softmax is all but one-hot and nothing overflows. What few keys
   * share a row share it by the difference of such scores, so the floor is an ulp of the largest.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void largeScoresDoNotOverflow(Target target) {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (boolean causal : new boolean[] {false, true}) {
        Problem a = self(2, 2, 32, causal, 50, 70);
        double forwardUlp = 4 * 100 * 0x1p-23;
        cases.add(forward(a, Layout.PACKED, 100, dtype).within("out", forwardUlp));
        double backwardUlp = 4 * 30 * 0x1p-23;
        cases.add(backward(a, Layout.PACKED, 30, dtype).within("dq", backwardUlp));
      }
    }
    each(cases, kernelCase -> kernelCase.verify(target.backend(), 0));
  }

  /** Equal scores: out is the mean of v, lse the score plus the log of the count. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void equalScoresAverage(Target target) {
    Problem a = self(1, 1, 16, true, 100);
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "attentionForward equal scores");
      double[] ones = new double[1600];
      Arrays.fill(ones, 1);
      double[] v = new double[1600];
      Arrays.setAll(v, i -> i / 16 % 2 == 0 ? 1 : -1);
      Inputs in = new Inputs(Layout.APART, a, ones, ones, v);
      in.declare(k, dtype);
      Map<String, double[]> result = forward(k, in, dtype).run(target.backend()).values();
      for (int n = 0; n < 100; n++) {
        double mean = n % 2 == 0 ? 1.0 / (n + 1) : 0;
        assertEquals(mean, result.get("out")[n * 16 + 3], Math.max(1e-6, mean * 0x1p-8));
        assertEquals(4 + Math.log(n + 1), result.get("lse")[n], 1e-5);
      }
    }
  }

  /** What is not finite in one sequence reaches no other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aPackedBatchKeepsItsSequencesApart(Target target) {
    int D = 16;
    Problem a = self(1, 1, D, false, 9, 40, 20);
    for (DType dtype : DTYPES) {
      KernelCase k = KernelCase.forward(dtype, "attentionForward with NaN");
      Storage storage = Storage.of(dtype);
      double[] q = k.draw(storage, 69 * D);
      double[] key = k.draw(storage, 69 * D);
      double[] v = k.draw(storage, 69 * D);
      Arrays.fill(key, 48 * D, 49 * D, Double.NaN);
      Arrays.fill(v, 48 * D, 49 * D, Double.NaN);
      Inputs in = new Inputs(Layout.PACKED, a, q, key, v);
      in.declare(k, dtype);
      Map<String, double[]> result = forward(k, in, dtype).run(target.backend()).values();
      for (int i = 0; i < 69 * D; i++) {
        boolean same = i / D >= 9 && i / D < 49;
        assertEquals(same, Double.isNaN(result.get("out")[i]), "row " + i / D);
        assertEquals(same, Double.isNaN(result.get("lse")[i / D]), "lse of row " + i / D);
      }
    }
  }

  /** Dropout on the probabilities, seen through v = identity: out is the dropped row itself. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void maskIsThatOfThePhiloxStreamInBothDirections(Target target) {
    int T = 40;
    int D = T;
    int H = 2;
    int[] cu = Shapes.offsets(5, T);
    Problem a = problem(cu, cu, H, H, D, false, 0, 0.3f);
    KernelCase k = KernelCase.forward(DType.F32, "attentionForward mask");
    double[] q = k.draw(Storage.F32, 45 * H * D);
    double[] key = k.draw(Storage.F32, 45 * H * D);
    double[] identity = new double[45 * H * D];
    for (int n = 5; n < 45; n++) {
      for (int h = 0; h < H; h++) {
        identity[(n * H + h) * D + n - 5] = 1;
      }
    }
    Inputs in = new Inputs(Layout.APART, a, q, key, identity);
    in.declare(k, DType.F32);
    Map<String, double[]> f = forward(k, in, DType.F32).run(target.backend()).values();
    // dv (key j, d) = sum over queries of P(i, j) dout (i, d): with dout = identity it is P again.
    KernelCase back = KernelCase.backward(DType.F32, "attentionBackward mask");
    in.declare(back, DType.F32);
    back.input("out", Storage.F32, f.get("out"));
    back.input("lse", Storage.F32, f.get("lse"));
    back.input("dout", Storage.F32, identity);
    double[] dv =
        backward(back, in, identity, null, null, DType.F32)
            .run(target.backend())
            .values()
            .get("dv");
    int threshold = Philox.dropoutThreshold(0.3f);
    int[] words = new int[4];
    for (int row = 5; row < 45; row++) {
      for (int h = 0; h < H; h++) {
        for (int j = 0; j < T; j++) {
          Philox.block(SEED, STREAM, (long) (row * H + h) << 32 | j / 8, words);
          boolean kept = (words[j % 8 / 2] >>> (j % 2 * 16) & 0xFFFF) >= threshold;
          String where = "row " + row + " head " + h + " key " + j;
          assertEquals(kept, f.get("out")[(row * H + h) * D + j] != 0, where);
          assertEquals(kept, dv[((5 + j) * H + h) * D + row - 5] != 0, where + " in backward");
        }
      }
    }
  }

  /** A packed batch gives the numbers of its sequences run one by one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aPackedBatchEqualsItsSequencesBitForBit(Target target) {
    int[] lengths = {49, 1, 30, 0, 100};
    for (DType dtype : DTYPES) {
      for (boolean causal : new boolean[] {false, true}) {
        Problem whole = self(4, 2, 32, causal, lengths);
        int N = rowsQ(whole);
        KernelCase forward = forward(whole, Layout.PACKED, 1, dtype);
        KernelCase backward = backward(whole, Layout.PACKED, 1, dtype);
        Map<String, double[]> f = forward.run(target.backend()).values();
        Map<String, double[]> b = backward.run(target.backend()).values();
        for (int s = 0; s < lengths.length; s++) {
          int begin = whole.cuQ()[s];
          int rows = lengths[s];
          Problem alone = self(4, 2, 32, causal, rows);
          double[] none = new double[rows * 2 * 32];
          Inputs in = new Inputs(Layout.PACKED, alone, none, none, none);
          KernelCase one = KernelCase.forward(dtype, "attentionForward alone");
          forward.copyRowsTo(one, begin, rows, N, "q");
          one.ints("cuQ", alone.cuQ());
          one.ints("cuK", alone.cuK());
          Map<String, double[]> part = forward(one, in, dtype).run(target.backend()).values();
          assertRows(f.get("out"), begin, rows, N, part.get("out"));
          double[] lse = new double[4 * rows];
          for (int i = 0; i < lse.length; i++) {
            lse[i] = f.get("lse")[i / rows * N + begin + i % rows];
          }
          assertValues(lse, part.get("lse"));
          KernelCase other = KernelCase.backward(dtype, "attentionBackward alone");
          backward.copyRowsTo(other, begin, rows, N, "q", "out", "dout");
          double[] allLse = backward.initial("lse");
          double[] saved = new double[4 * rows];
          for (int i = 0; i < saved.length; i++) {
            saved[i] = allLse[i / rows * N + begin + i % rows];
          }
          other.input("lse", Storage.F32, saved);
          other.ints("cuQ", alone.cuQ());
          other.ints("cuK", alone.cuK());
          assertRows(
              b.get("dq"),
              begin,
              rows,
              N,
              backward(other, in, none, null, null, dtype)
                  .run(target.backend())
                  .values()
                  .get("dq"));
        }
      }
    }
  }

  /** Rows wider than their heads: what lies between is neither read nor written. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theGapsBetweenStridedRowsStay(Target target) {
    int N = 21;
    int H = 2;
    int D = 16;
    int gap = 5;
    int stride = H * D + gap;
    for (DType dtype : DTYPES) {
      Problem a = self(H, H, D, false, N);
      KernelCase k = KernelCase.backward(dtype, "attentionBackward with gaps");
      double[] wide = k.draw(Storage.of(dtype), N * stride);
      for (int i = 0; i < wide.length; i++) {
        wide[i] = i % stride < H * D ? wide[i] : Double.NaN;
      }
      for (String name : List.of("q", "k", "v")) {
        k.input(name, dtype, wide);
      }
      double[] dense = new double[N * H * D];
      Arrays.setAll(dense, i -> wide[i / (H * D) * stride + i % (H * D)]);
      AttentionRef.Forward f = AttentionRef.forward(Precision.EXACT, a, dense, dense, dense);
      double[] out = k.input("out", dtype, f.out());
      double[] lse = k.input("lse", Storage.F32, f.lse());
      double[] dout = k.normal("dout", dtype, N * H * D);
      k.ints("cuSeqlens", 0, N);
      for (String name : List.of("dq", "dk", "dv")) {
        k.overwritten(name, dtype, N * stride);
      }
      k.calls(
              (backend, at) ->
                  backend.run(
                      new AttentionCall.Backward(
                          at.of("dq"),
                          at.of("dk"),
                          at.of("dv"),
                          at.of("dout"),
                          at.of("q"),
                          at.of("k"),
                          at.of("v"),
                          at.of("out"),
                          at.of("lse"),
                          at.of("cuSeqlens"),
                          at.of("cuSeqlens"),
                          new AttentionCall.Problem(
                              stride,
                              stride,
                              1,
                              N,
                              H,
                              H,
                              D,
                              (float) a.scale(),
                              false,
                              0,
                              0,
                              SEED,
                              STREAM,
                              dtype))))
          .gives(
              p -> {
                boolean exact = p == Precision.EXACT;
                AttentionRef.Backward b =
                    AttentionRef.backward(
                        p,
                        a,
                        dout,
                        dense,
                        dense,
                        dense,
                        exact ? f.out() : out,
                        exact ? f.lse() : lse);
                return Map.of(
                    "dq", spread(b.dq(), H * D, gap),
                    "dk", spread(b.dk(), H * D, gap),
                    "dv", spread(b.dv(), H * D, gap));
              })
          .verify(target.backend(), 0);
    }
  }

  /** Rows with a gap after each, in which the poison is still there. */
  private static double[] spread(double[] dense, int width, int gap) {
    double[] wide = new double[dense.length / width * (width + gap)];
    Arrays.fill(wide, Double.NaN);
    for (int i = 0; i < dense.length; i++) {
      wide[i / width * (width + gap) + i % width] = dense[i];
    }
    return wide;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Problem a = self(2, 1, 8, false, 4, 3);
    KernelCase forward = forward(a, Layout.APART, 1, DType.F32);
    assertNullsRefused(target, forward, "out", "lse", "q", "k", "v", "cuQ", "cuK");
    KernelCase backward = backward(a, Layout.APART, 1, DType.F32);
    assertNullsRefused(
        target, backward, "dq", "dk", "dv", "dout", "q", "k", "v", "out", "lse", "cuQ", "cuK");
    for (KernelCase k : List.of(forward, backward)) {
      k.with("cuQ", 1, 8).assertRefused(target.backend(), "cuQ[2]", 7);
      k.with("cuK", 1, 8).assertRefused(target.backend(), "cuK[2]", 7);
    }
    forward(biased(a, 3), Layout.APART, 1, DType.F32)
        .without("bias")
        .assertRefused(target.backend(), "reach", 3);
    Arguments usual = new Arguments(16, 8, 2, 2, 1, 8, 1, 0, 0, DType.F32);
    usual.with("B", -1).assertRefused(target, forward, "B", -1);
    usual.with("D", 0).assertRefused(target, forward, "D", 0);
    usual.with("H", 0).assertRefused(target, forward, "H", 0);
    usual.with("Hkv", 0).assertRefused(target, forward, "Hkv", 0);
    usual
        .with("H", 3)
        .with("Hkv", 2)
        .with("qStride", 24)
        .with("kvStride", 16)
        .assertRefused(target, forward, "H", 3);
    usual.with("qStride", 15).assertRefused(target, forward, "qStride", 15);
    usual.with("kvStride", 7).assertRefused(target, forward, "kvStride", 7);
    usual.with("window", -1).assertRefused(target, forward, "window", -1);
    usual.with("scale", Double.NaN).assertRefused(target, forward, "scale", "NaN");
    usual.with("p", 1).assertRefused(target, forward, "p", 1);
    usual.with("p", -0.5).assertRefused(target, forward, "p", -0.5);
    Arguments ints = new Arguments(16, 8, 2, 2, 1, 8, 1, 0, 0, DType.I32);
    ints.assertRefused(target, forward, "dtype", DType.I32);
  }

  /** The arguments of a forward call that are not addresses. */
  private record Arguments(
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      long window,
      float p,
      DType dtype) {
    Arguments with(String name, double value) {
      return new Arguments(
          name.equals("qStride") ? (long) value : qStride,
          name.equals("kvStride") ? (long) value : kvStride,
          name.equals("B") ? (long) value : B,
          name.equals("H") ? (long) value : H,
          name.equals("Hkv") ? (long) value : Hkv,
          name.equals("D") ? (long) value : D,
          name.equals("scale") ? (float) value : scale,
          name.equals("window") ? (long) value : window,
          name.equals("p") ? (float) value : p,
          dtype);
    }

    void assertRefused(Target target, KernelCase k, String argument, Object value) {
      k.instead(
              (b, at) ->
                  b.run(
                      new AttentionCall.Forward(
                          at.of("out"),
                          at.of("lse"),
                          at.of("q"),
                          at.of("k"),
                          at.of("v"),
                          at.of("cuQ"),
                          at.of("cuK"),
                          new AttentionCall.Problem(
                              qStride, kvStride, B, 8, H, Hkv, D, scale, false, window, p, SEED,
                              STREAM, dtype))))
          .assertRefused(target.backend(), argument, value);
    }
  }
}
