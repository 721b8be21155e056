package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LayerNormCall;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Dropout, residual add, layer norm, dropout; by tiles of rows. */
final class TorchLayerNorm {
  private TorchLayerNorm() {}

  static void forward(TorchPool pool, TorchStep now, LayerNormCall.Forward call) {
    long sum = call.sum();
    long residual = call.residual();
    long C = call.C();
    DType dtype = call.dtype();
    TorchDropout inpDropout = now.dropout(call.pInp(), call.seed(), call.stream());
    TorchDropout outDropout = now.dropout(call.pOut(), call.seed(), call.stream() + 1);
    if (call.N() == 0) {
      return;
    }

    long rowBytes = C * dtype.sizeBytes();
    boolean sumIsInp = sum == call.inp() && residual == 0 && inpDropout.isOff();
    pool.ranges(
        call.N(),
        TorchPool.rowsOfTile(C),
        (row, rows) -> {
          long offset = row * rowBytes;
          Tensor x = widen(view(call.inp() + offset, dtype, rows, C));
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
                  new TensorOptional(view(call.weight(), DType.F32, C)),
                  call.bias() == 0
                      ? new TensorOptional()
                      : new TensorOptional(view(call.bias(), DType.F32, C)),
                  call.eps());
          Tensor normalised = outDropout.apply(result.get0(), row, rows, C);
          view(call.out() + offset, dtype, rows, C).copy_(normalised);
          if (call.mean() != 0) {
            view(call.mean() + row * Float.BYTES, DType.F32, rows, 1).copy_(result.get1());
          }
          if (call.rstd() != 0) {
            view(call.rstd() + row * Float.BYTES, DType.F32, rows, 1).copy_(result.get2());
          }
        });
  }

  static void backward(TorchPool pool, TorchStep now, LayerNormCall.Backward call) {
    long dinp = call.dinp();
    long dresidual = call.dresidual();
    long dweight = call.dweight();
    long dbias = call.dbias();
    long N = call.N();
    long C = call.C();
    boolean accumulateWeight = call.accumulateWeight();
    DType dtype = call.dtype();
    TorchDropout inpDropout = now.dropout(call.pInp(), call.seed(), call.stream());
    TorchDropout outDropout = now.dropout(call.pOut(), call.seed(), call.stream() + 1);
    boolean wantsWeight = dweight != 0;
    if (N == 0) {
      if (wantsWeight && !accumulateWeight) {
        view(dweight, DType.F32, C).zero_();
        if (dbias != 0) {
          view(dbias, DType.F32, C).zero_();
        }
      }
      return;
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
          Tensor gradient = widen(view(call.dout() + offset, dtype, rows, C));
          Tensor w = view(call.weight(), DType.F32, C);
          T_TensorTensorTensor_T gradients =
              torch.native_layer_norm_backward(
                  outDropout.apply(gradient, row, rows, C),
                  widen(view(call.sum() + offset, dtype, rows, C)),
                  new long[] {C},
                  view(call.mean() + row * Float.BYTES, DType.F32, rows, 1),
                  view(call.rstd() + row * Float.BYTES, DType.F32, rows, 1),
                  new TensorOptional(w),
                  new TensorOptional(w), // stands for the bias, of which only the shape matters
                  new BoolPointer(3).put(0, true).put(1, true).put(2, true));
          dweights.select(0, row / step).copy_(gradients.get1());
          dbiases.select(0, row / step).copy_(gradients.get2());
          Tensor dsum = gradients.get0();
          if (call.dsumExtra() != 0) {
            dsum = dsum.add(widen(view(call.dsumExtra() + offset, dtype, rows, C)));
          }
          if (dresidual != 0) {
            store(view(dresidual + offset, dtype, rows, C), dsum, call.accumulateResidual());
          }
          if (dinp != 0 && dinp != dresidual) {
            dsum = inpDropout.apply(dsum, row, rows, C);
            view(dinp + offset, dtype, rows, C).copy_(dsum);
          }
        });
    if (wantsWeight) {
      store(view(dweight, DType.F32, C), dweights.sum(0), accumulateWeight);
      if (dbias != 0) {
        store(view(dbias, DType.F32, C), dbiases.sum(0), accumulateWeight);
      }
    }
  }
}
