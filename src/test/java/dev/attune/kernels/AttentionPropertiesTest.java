package dev.attune.kernels;

import static dev.attune.kernels.AttentionCases.DTYPES;
import static dev.attune.kernels.AttentionCases.SEED;
import static dev.attune.kernels.AttentionCases.STREAM;
import static dev.attune.kernels.AttentionCases.backward;
import static dev.attune.kernels.AttentionCases.biased;
import static dev.attune.kernels.AttentionCases.forward;
import static dev.attune.kernels.AttentionCases.problem;
import static dev.attune.kernels.AttentionCases.rowsQ;
import static dev.attune.kernels.AttentionCases.self;
import static dev.attune.testkit.KernelContract.assertRows;
import static dev.attune.testkit.KernelContract.assertValues;
import static dev.attune.testkit.KernelContract.each;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.AttentionCases.Inputs;
import dev.attune.kernels.AttentionCases.Layout;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.ref.AttentionRef;
import dev.attune.ref.AttentionRef.Problem;
import dev.attune.ref.Precision;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What attention promises beyond its numbers. */
class AttentionPropertiesTest {
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
}
