package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Dropout, residual add, layer norm, dropout. */
final class TorchLayerNorm {
  private TorchLayerNorm() {}

  static void forward(
      long out,
      long sum,
      long mean,
      long rstd,
      long inp,
      long residual,
      long weight,
      long bias,
      long N,
      long C,
      float eps,
      float pInp,
      float pOut,
      long seed,
      long stream,
      DType dtype) {
    String op = "layerNormForward";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.notNegative(op, "eps", eps);
    Arguments.floating(op, "dtype", dtype);
    TorchDropout inpDropout = new TorchDropout(op, "pInp", pInp, seed, stream);
    TorchDropout outDropout = new TorchDropout(op, "pOut", pOut, seed, stream + 1);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "weight", weight);
    Arguments.present(op, "bias", bias);

    Tensor x = inpDropout.apply(widen(view(inp, dtype, N, C)), N, C);
    if (residual != 0) {
      x = x.add(widen(view(residual, dtype, N, C)));
    }
    // The statistics are those of the sum as stored, whether or not it is.
    x = rounded(x, dtype);
    if (sum != 0 && (sum != inp || residual != 0 || !inpDropout.isOff())) {
      view(sum, dtype, N, C).copy_(x);
    }
    T_TensorTensorTensor_T result =
        torch.native_layer_norm(
            x,
            new long[] {C},
            new TensorOptional(view(weight, DType.F32, C)),
            new TensorOptional(view(bias, DType.F32, C)),
            eps);
    view(out, dtype, N, C).copy_(outDropout.apply(result.get0(), N, C));
    if (mean != 0) {
      view(mean, DType.F32, N, 1).copy_(result.get1());
    }
    if (rstd != 0) {
      view(rstd, DType.F32, N, 1).copy_(result.get2());
    }
  }

  static void backward(
      long dinp,
      long dresidual,
      long dweight,
      long dbias,
      long dout,
      long dsumExtra,
      long sum,
      long mean,
      long rstd,
      long weight,
      long N,
      long C,
      float pInp,
      float pOut,
      long seed,
      long stream,
      boolean accumulateResidual,
      boolean accumulateWeight,
      DType dtype) {
    String op = "layerNormBackward";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    TorchDropout inpDropout = new TorchDropout(op, "pInp", pInp, seed, stream);
    TorchDropout outDropout = new TorchDropout(op, "pOut", pOut, seed, stream + 1);
    Arguments.present(op, "dweight", dweight);
    Arguments.present(op, "dbias", dbias);
    Tensor dw = view(dweight, DType.F32, C);
    Tensor db = view(dbias, DType.F32, C);
    if (N == 0) {
      if (!accumulateWeight) {
        dw.zero_();
        db.zero_();
      }
      return;
    }
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "sum", sum);
    Arguments.present(op, "mean", mean);
    Arguments.present(op, "rstd", rstd);
    Arguments.present(op, "weight", weight);
    if (dinp == dresidual && dinp != 0 && !inpDropout.isOff()) {
      throw new IllegalArgumentException(
          op + ": dinp and dresidual are one buffer and pInp = " + pInp + "; it must be 0 then");
    }

    Tensor w = view(weight, DType.F32, C);
    BoolPointer wanted = new BoolPointer(3).put(0, true).put(1, true).put(2, true);
    T_TensorTensorTensor_T gradients =
        torch.native_layer_norm_backward(
            outDropout.apply(widen(view(dout, dtype, N, C)), N, C),
            widen(view(sum, dtype, N, C)),
            new long[] {C},
            view(mean, DType.F32, N, 1),
            view(rstd, DType.F32, N, 1),
            new TensorOptional(w),
            new TensorOptional(w), // for its shape only: the bias has no part in its gradient
            wanted);
    store(dw, gradients.get1(), accumulateWeight);
    store(db, gradients.get2(), accumulateWeight);
    Tensor dsum = gradients.get0();
    if (dsumExtra != 0) {
      dsum = dsum.add(widen(view(dsumExtra, dtype, N, C)));
    }
    if (dresidual != 0) {
      store(view(dresidual, dtype, N, C), dsum, accumulateResidual);
    }
    if (dinp != 0 && dinp != dresidual) {
      view(dinp, dtype, N, C).copy_(inpDropout.apply(dsum, N, C));
    }
  }
}
