package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.ref.AttentionRef;
import dev.attune.ref.AttentionRef.Problem;
import dev.attune.ref.Precision;
import dev.attune.testkit.ErrorBudget;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Calls of attention beside their reference: what the tests of the op have in common. */
final class AttentionCases {
  static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  static final long SEED = 0x9123456789ABCDEFL;
  static final long STREAM = Philox.stream(7, 0x8000_0003);

  private AttentionCases() {}

  /** Where q, k and v lie. */
  enum Layout {
    /** Three dense tensors. */
    APART,
    /** Columns of one product (N, (H + 2 Hkv) D). */
    PACKED
  }

  /** Self-attention over sequences of these lengths. */
  static Problem self(int H, int Hkv, int D, boolean causal, int... lengths) {
    int[] cu = Shapes.offsets(lengths);
    return problem(cu, cu, H, Hkv, D, causal, 0, 0);
  }

  static Problem problem(
      int[] cuQ, int[] cuK, int H, int Hkv, int D, boolean causal, int window, float p) {
    float scale = (float) (1 / Math.sqrt(D));
    return new Problem(cuQ, cuK, H, Hkv, D, scale, causal, window, p, SEED, STREAM);
  }

  /** The same with a relative position bias. */
  static Problem biased(Problem a, int reach) {
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

  static int rowsQ(Problem a) {
    return last(a.cuQ());
  }

  private static int rowsK(Problem a) {
    return last(a.cuK());
  }

  /** q, k and v of a case as its kernel and its reference see them. */
  record Inputs(Layout layout, Problem a, double[] q, double[] k, double[] v) {
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

    AttentionCall.Problem problem(DType dtype) {
      return new AttentionCall.Problem(
          strideQ(),
          strideK(),
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
          dtype);
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

  static KernelCase forward(Problem a, Layout layout, double gain, DType dtype) {
    KernelCase k =
        KernelCase.forward(dtype, "attentionForward %s %s gain=%s", describe(a), layout, gain);
    return forward(k, Inputs.draw(k, layout, a, dtype, gain), dtype);
  }

  static KernelCase forward(KernelCase k, Inputs in, DType dtype) {
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
                        in.problem(dtype))))
        .gives(
            p -> {
              AttentionRef.Forward f = AttentionRef.forward(p, a, in.q, in.k, in.v);
              return Map.of("out", f.out(), "lse", f.lse());
            });
  }

  static KernelCase backward(Problem a, Layout layout, double gain, DType dtype) {
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
  static KernelCase backward(
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
                        in.problem(dtype))))
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

  static void addBoth(List<KernelCase> cases, Problem a, DType dtype) {
    boolean square = Arrays.equals(a.cuQ(), a.cuK());
    Layout layout = square && cases.size() % 4 < 2 ? Layout.PACKED : Layout.APART;
    cases.add(forward(a, layout, 1, dtype));
    cases.add(backward(a, layout, 1, dtype));
  }
}
