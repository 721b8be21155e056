package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.core.DType;
import org.junit.jupiter.api.Test;

class TorchLayerNormTest extends TorchTestCase {
  private int N = 5;
  private int C = 11;
  private static final float EPS = 1e-5f;
  private static final long SEED = 77;
  private static final long STREAM = 1000;

  @Test
  void forwardDropsAddsNormalisesDrops() {
    for (DType dtype : DTYPES) {
      for (boolean hasResidual : new boolean[] {true, false}) {
        for (float p : new float[] {0, 0.3f}) {
          forward(dtype, hasResidual, p, false);
          forward(dtype, hasResidual, p, true);
        }
      }
    }
  }

  private void forward(DType dtype, boolean hasResidual, float p, boolean inPlace) {
    double[] inp = normal(dtype, N * C);
    double[] residual = normal(dtype, N * C);
    double[] weight = normal(DType.F32, C);
    double[] bias = normal(DType.F32, C);
    double[] inpMask = TorchElementwiseTest.mask(N * C, p, SEED, STREAM);
    double[] outMask = TorchElementwiseTest.mask(N * C, p, SEED, STREAM + 1);
    double[] sum = new double[N * C];
    double[] out = new double[N * C];
    double[] mean = new double[N];
    double[] rstd = new double[N];
    for (int n = 0; n < N; n++) {
      for (int c = 0; c < C; c++) {
        int at = n * C + c;
        sum[at] = round(dtype, inp[at] * inpMask[at] + (hasResidual ? residual[at] : 0));
        mean[n] += sum[at] / C;
      }
      double variance = 0;
      for (int c = 0; c < C; c++) {
        variance += Math.pow(sum[n * C + c] - mean[n], 2) / C;
      }
      rstd[n] = 1 / Math.sqrt(variance + EPS);
      for (int c = 0; c < C; c++) {
        int at = n * C + c;
        out[at] = ((sum[at] - mean[n]) * rstd[n] * weight[c] + bias[c]) * outMask[at];
      }
    }
    long inpAt = put(dtype, inp);
    long sumAt = inPlace ? inpAt : poison(dtype, N * C);
    long outAt = poison(dtype, N * C);
    long meanAt = poison(N);
    long rstdAt = poison(N);
    long residualAt = hasResidual ? put(dtype, residual) : 0;
    long weightAt = put(DType.F32, weight);
    long biasAt = put(DType.F32, bias);
    backend.run(new LayerNormCall.Forward(
        outAt,
        sumAt,
        meanAt,
        rstdAt,
        inpAt,
        residualAt,
        weightAt,
        biasAt,
        N,
        C,
        EPS,
        p,
        p,
        SEED,
        STREAM,
        dtype));
    assertClose(dtype, out, get(dtype, outAt, N * C), "out");
    assertClose(dtype, sum, get(dtype, sumAt, N * C), "sum");
    assertClose(mean, get(DType.F32, meanAt, N), "mean");
    assertClose(rstd, get(DType.F32, rstdAt, N), "rstd");

    if (!inPlace) {
      long inference = poison(dtype, N * C);
      backend.run(new LayerNormCall.Forward(
          inference,
          0,
          meanAt,
          rstdAt,
          inpAt,
          residualAt,
          weightAt,
          biasAt,
          N,
          C,
          EPS,
          p,
          p,
          SEED,
          STREAM,
          dtype));
      assertClose(dtype, out, get(dtype, inference, N * C), "out without sum");
    }
  }

  @Test
  void constantRowGivesTheBias() {
    double[] bias = normal(DType.F32, C);
    double[] row = new double[C];
    java.util.Arrays.fill(row, 3);
    double[] ones = new double[C];
    java.util.Arrays.fill(ones, 1);
    long out = poison(C);
    backend.run(new LayerNormCall.Forward(
        out,
        0,
        poison(1),
        poison(1),
        put(DType.F32, row),
        0,
        put(DType.F32, ones),
        put(DType.F32, bias),
        1,
        C,
        EPS,
        0,
        0,
        SEED,
        STREAM,
        DType.F32));
    assertClose(bias, get(DType.F32, out, C), "out");
  }

  @Test
  void backwardFollowsMasksAndFlags() {
    for (DType dtype : DTYPES) {
      for (boolean hasExtra : new boolean[] {true, false}) {
        for (boolean accumulate : new boolean[] {true, false}) {
          for (float p : new float[] {0, 0.3f}) {
            backward(dtype, hasExtra, accumulate, p);
          }
        }
      }
    }
  }

  private void backward(DType dtype, boolean hasExtra, boolean accumulate, float p) {
    double[] dout = normal(dtype, N * C);
    double[] extra = normal(dtype, N * C);
    double[] sum = normal(dtype, N * C);
    double[] weight = normal(DType.F32, C);
    double[] inpMask = TorchElementwiseTest.mask(N * C, p, SEED, STREAM);
    double[] outMask = TorchElementwiseTest.mask(N * C, p, SEED, STREAM + 1);
    double[] mean = new double[N];
    double[] rstd = new double[N];
    for (int n = 0; n < N; n++) {
      double variance = 0;
      for (int c = 0; c < C; c++) {
        mean[n] += sum[n * C + c] / C;
      }
      for (int c = 0; c < C; c++) {
        variance += Math.pow(sum[n * C + c] - mean[n], 2) / C;
      }
      rstd[n] = 1 / Math.sqrt(variance + EPS);
    }
    double[] oldResidual = normal(dtype, N * C);
    double[] dinp = new double[N * C];
    double[] dresidual = accumulate ? oldResidual.clone() : new double[N * C];
    double[] oldWeight = normal(DType.F32, C);
    double[] oldBias = normal(DType.F32, C);
    double[] dweight = accumulate ? oldWeight.clone() : new double[C];
    double[] dbias = accumulate ? oldBias.clone() : new double[C];
    double[] dsum = new double[N * C];
    for (int n = 0; n < N; n++) {
      double average = 0;
      double correlation = 0;
      for (int c = 0; c < C; c++) {
        int at = n * C + c;
        double normalised = (sum[at] - mean[n]) * rstd[n];
        double gradient = dout[at] * outMask[at];
        dweight[c] += gradient * normalised;
        dbias[c] += gradient;
        average += gradient * weight[c] / C;
        correlation += gradient * weight[c] * normalised / C;
      }
      for (int c = 0; c < C; c++) {
        int at = n * C + c;
        double normalised = (sum[at] - mean[n]) * rstd[n];
        dsum[at] =
            rstd[n] * (dout[at] * outMask[at] * weight[c] - average - normalised * correlation)
                + (hasExtra ? extra[at] : 0);
        dinp[at] = dsum[at] * inpMask[at];
        dresidual[at] += dsum[at];
      }
    }
    long dinpAt = poison(dtype, N * C);
    long dresidualAt = accumulate ? put(dtype, oldResidual) : poison(dtype, N * C);
    long dweightAt = accumulate ? put(DType.F32, oldWeight) : poison(C);
    long dbiasAt = accumulate ? put(DType.F32, oldBias) : poison(C);
    long doutAt = put(dtype, dout);
    long extraAt = hasExtra ? put(dtype, extra) : 0;
    long sumAt = put(dtype, sum);
    long meanAt = put(DType.F32, mean);
    long rstdAt = put(DType.F32, rstd);
    long weightAt = put(DType.F32, weight);
    backend.run(new LayerNormCall.Backward(
        dinpAt,
        dresidualAt,
        dweightAt,
        dbiasAt,
        doutAt,
        extraAt,
        sumAt,
        meanAt,
        rstdAt,
        weightAt,
        N,
        C,
        p,
        p,
        SEED,
        STREAM,
        accumulate,
        accumulate,
        dtype));
    assertClose(dtype, dinp, get(dtype, dinpAt, N * C), "dinp");
    assertClose(dtype, dresidual, get(dtype, dresidualAt, N * C), "dresidual");
    assertClose(dweight, get(DType.F32, dweightAt, C), "dweight");
    assertClose(dbias, get(DType.F32, dbiasAt, C), "dbias");

    if (p == 0 && !accumulate) {
      long shared = poison(dtype, N * C);
      backend.run(new LayerNormCall.Backward(
          shared, shared, dweightAt, dbiasAt, doutAt, extraAt, sumAt, meanAt, rstdAt, weightAt, N,
          C, p, p, SEED, STREAM, false, false, dtype));
      assertClose(dtype, dsum, get(dtype, shared, N * C), "dinp and dresidual in one");
    }
  }

  @Test
  void rowsBeyondOneTile() {
    N = 83;
    C = 4096;
    forward(DType.F32, true, 0.3f, false);
    backward(DType.F32, true, true, 0.3f);
  }

  @Test
  void sharedGradientNeedsInputDropoutToBeOff() {
    long one = poison(C);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            backend.run(new LayerNormCall.Backward(
                one, one, one, one, one, 0, one, one, one, one, 1, C, 0.1f, 0, SEED, STREAM, false,
                false, DType.F32)));
  }
}
