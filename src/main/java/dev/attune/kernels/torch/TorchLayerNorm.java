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

/** Dropout, residual add, layer norm, dropout; by tiles of rows. */
final class TorchLayerNorm {
  private TorchLayerNorm() {}

  static void forward(
      TorchPool pool,
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

    long rowBytes = C * dtype.sizeBytes();
    boolean sumIsInp = sum == inp && residual == 0 && inpDropout.isOff();
    pool.ranges(
        N,
        TorchPool.rowsOfTile(C),
        (row, rows) -> {
          long offset = row * rowBytes;
          Tensor x = widen(view(inp + offset, dtype, rows, C));
          x = inpDropout.apply(x, row, rows, C);
          if (residual != 0) {
            x = x.add(widen(view(residual + offset, dtype, rows, C)));
          }
          // The statistics are those of the sum as stored, whether or not it is.
          x = rounded(x, dtype);
          if (sum != 0 && !sumIsInp) {
            view(sum + offset, dtype, rows, C).copy_(x);
          }
          T_TensorTensorTensor_T result =
              torch.native_layer_norm(
                  x,
                  new long[] {C},
                  new TensorOptional(view(weight, DType.F32, C)),
                  new TensorOptional(view(bias, DType.F32, C)),
                  eps);
          Tensor normalised = outDropout.apply(result.get0(), row, rows, C);
          view(out + offset, dtype, rows, C).copy_(normalised);
          if (mean != 0) {
            view(mean + row * Float.BYTES, DType.F32, rows, 1).copy_(result.get1());
          }
          if (rstd != 0) {
            view(rstd + row * Float.BYTES, DType.F32, rows, 1).copy_(result.get2());
          }
        });
  }

  static void backward(
      TorchPool pool,
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
    if ((dweight == 0) != (dbias == 0)) {
      throw new IllegalArgumentException(
          op + ": of dweight and dbias one is null; it must be both or none");
    }
    boolean wantsWeight = dweight != 0;
    if (N == 0) {
      if (wantsWeight && !accumulateWeight) {
        view(dweight, DType.F32, C).zero_();
        view(dbias, DType.F32, C).zero_();
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

    long rowBytes = C * dtype.sizeBytes();
    long step = TorchPool.rowsOfTile(C);
    long tiles = (N + step - 1) / step;
    // What each tile adds to the gradients of weight and bias; added up in order of the tiles.
    Tensor dweights = torch.empty(tiles, C);
    Tensor dbiases = torch.empty(tiles, C);
    pool.ranges(
        N,
        step,
        (row, rows) -> {
          long offset = row * rowBytes;
          Tensor gradient = widen(view(dout + offset, dtype, rows, C));
          Tensor w = view(weight, DType.F32, C);
          T_TensorTensorTensor_T gradients =
              torch.native_layer_norm_backward(
                  outDropout.apply(gradient, row, rows, C),
                  widen(view(sum + offset, dtype, rows, C)),
                  new long[] {C},
                  view(mean + row * Float.BYTES, DType.F32, rows, 1),
                  view(rstd + row * Float.BYTES, DType.F32, rows, 1),
                  new TensorOptional(w),
                  new TensorOptional(w), // stands for the bias, of which only the shape matters
                  new BoolPointer(3).put(0, true).put(1, true).put(2, true));
          dweights.select(0, row / step).copy_(gradients.get1());
          dbiases.select(0, row / step).copy_(gradients.get2());
          Tensor dsum = gradients.get0();
          if (dsumExtra != 0) {
            dsum = dsum.add(widen(view(dsumExtra + offset, dtype, rows, C)));
          }
          if (dresidual != 0) {
            store(view(dresidual + offset, dtype, rows, C), dsum, accumulateResidual);
          }
          if (dinp != 0 && dinp != dresidual) {
            dsum = inpDropout.apply(dsum, row, rows, C);
            view(dinp + offset, dtype, rows, C).copy_(dsum);
          }
        });
    if (wantsWeight) {
      store(view(dweight, DType.F32, C), dweights.sum(0), accumulateWeight);
      store(view(dbias, DType.F32, C), dbiases.sum(0), accumulateWeight);
    }
  }
}
