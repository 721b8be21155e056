package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.ref.LayerNormRef;
import dev.attune.ref.Precision;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.Storage;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Cases of forward and backward of one shape, with what they must give. */
final class LayerNormCases {
  private LayerNormCases() {}

  static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  static final float EPS = 1e-5f;
  static final long SEED = 0x9123456789ABCDEFL;
  static final long STREAM = Philox.stream(7, 12);

  /** Where the sum goes in forward. */
  enum Sum {
    NONE,
    APART,
    IN_PLACE
  }

  static KernelCase forward(
      int N, int C, boolean residual, Sum sum, float pInp, float pOut, DType dtype) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "layerNormForward N=%d C=%d residual=%b sum=%s pInp=%s pOut=%s",
            N,
            C,
            residual,
            sum,
            pInp,
            pOut);
    double[] inp = k.normal("inp", dtype, N * C);
    double[] added = residual ? k.normal("residual", dtype, N * C) : null;
    double[] weight = k.normal("weight", Storage.F32, C);
    double[] bias = k.normal("bias", Storage.F32, C);
    return forward(k, inp, added, weight, bias, N, C, sum, pInp, pOut, dtype);
  }

  static KernelCase forwardWithoutBias(int N, int C, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "layerNormForward without bias N=%d C=%d", N, C);
    double[] inp = k.normal("inp", dtype, N * C);
    double[] weight = k.normal("weight", Storage.F32, C);
    return forward(k, inp, null, weight, null, N, C, Sum.APART, 0, 0.1f, dtype);
  }

  static KernelCase forward(
      KernelCase k,
      double[] inp,
      double[] residual,
      double[] weight,
      double[] bias,
      int N,
      int C,
      Sum sum,
      float pInp,
      float pOut,
      DType dtype) {
    k.overwritten("out", dtype, N * C);
    if (sum == Sum.APART) {
      k.overwritten("sum", dtype, N * C);
    } else if (sum == Sum.IN_PLACE) {
      k.inPlace("sum", "inp");
    }
    k.overwritten("mean", Storage.F32, N);
    k.overwritten("rstd", Storage.F32, N);
    return k.calls(call(N, C, pInp, pOut, dtype))
        .gives(
            p -> {
              LayerNormRef.Forward f =
                  LayerNormRef.forward(
                      p, inp, residual, weight, bias, N, C, EPS, pInp, pOut, SEED, STREAM);
              return Map.of("out", f.out(), "sum", f.sum(), "mean", f.mean(), "rstd", f.rstd());
            });
  }

  /** A forward call of arguments that need not be right. */
  static KernelCase.Call call(long N, long C, float pInp, float pOut, DType dtype) {
    return (b, at) ->
        b.run(
            new LayerNormCall.Forward(
                at.of("out"),
                at.of("sum"),
                at.of("mean"),
                at.of("rstd"),
                at.of("inp"),
                at.of("residual"),
                at.of("weight"),
                at.of("bias"),
                N,
                C,
                EPS,
                pInp,
                pOut,
                SEED,
                STREAM,
                dtype));
  }

  /** Which gradients of activations are wanted, and how. */
  enum Outputs {
    INP,
    RESIDUAL,
    BOTH,
    BOTH_ACCUMULATE,
    /** dinp and dresidual at one address. */
    ONE
  }

  static KernelCase backward(
      int N,
      int C,
      Outputs outputs,
      boolean extra,
      boolean accumulateWeight,
      float pInp,
      float pOut,
      DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "layerNormBackward N=%d C=%d %s extra=%b accumulateWeight=%b pInp=%s pOut=%s",
            N,
            C,
            outputs,
            extra,
            accumulateWeight,
            pInp,
            pOut);
    double[] dout = k.normal("dout", dtype, N * C);
    double[] dsumExtra = extra ? k.normal("dsumExtra", dtype, N * C) : null;
    double[] sum = k.normal("sum", dtype, N * C);
    double[] ones = new double[C];
    Arrays.fill(ones, 1);
    LayerNormRef.Forward saved =
        LayerNormRef.forward(Precision.EXACT, sum, null, ones, ones, N, C, EPS, 0, 0, SEED, STREAM);
    double[] mean = k.input("mean", Storage.F32, saved.mean());
    double[] rstd = k.input("rstd", Storage.F32, saved.rstd());
    double[] weight = k.normal("weight", Storage.F32, C);
    if (outputs != Outputs.RESIDUAL) {
      k.overwritten("dinp", dtype, N * C);
    }
    boolean accumulateResidual = outputs == Outputs.BOTH_ACCUMULATE;
    double[] oldResidual =
        outputs == Outputs.INP || outputs == Outputs.ONE
            ? null
            : k.gradient("dresidual", dtype, N * C, accumulateResidual);
    double[] oldWeight = k.gradient("dweight", Storage.F32, C, accumulateWeight);
    double[] oldBias = k.gradient("dbias", Storage.F32, C, accumulateWeight);
    return k.calls(
            (backend, at) ->
                backend.run(
                    new LayerNormCall.Backward(
                        at.of("dinp"),
                        outputs == Outputs.ONE ? at.of("dinp") : at.of("dresidual"),
                        at.of("dweight"),
                        at.of("dbias"),
                        at.of("dout"),
                        at.of("dsumExtra"),
                        at.of("sum"),
                        at.of("mean"),
                        at.of("rstd"),
                        at.of("weight"),
                        N,
                        C,
                        pInp,
                        pOut,
                        SEED,
                        STREAM,
                        accumulateResidual,
                        accumulateWeight,
                        dtype)))
        .gives(
            p -> {
              // The plain program, like the kernel, has the statistics as saved.
              boolean exact = p == Precision.EXACT;
              LayerNormRef.Backward b =
                  LayerNormRef.backward(
                      p,
                      dout,
                      dsumExtra,
                      sum,
                      exact ? saved.mean() : mean,
                      exact ? saved.rstd() : rstd,
                      weight,
                      N,
                      C,
                      pInp,
                      pOut,
                      SEED,
                      STREAM,
                      oldResidual,
                      oldWeight,
                      oldBias);
              return Map.of(
                  "dinp", b.dinp(),
                  "dresidual", b.dresidual(),
                  "dweight", b.dweight(),
                  "dbias", b.dbias());
            });
  }
}
