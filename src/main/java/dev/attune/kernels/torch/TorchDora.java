package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.DoraCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Weight-decomposed adapters: row norms, and columns multiplied by their gain. */
final class TorchDora {
  private TorchDora() {}

  static void gain(TorchPool pool, DoraCall.Gain call) {
    long F = call.F();
    long C = call.C();
    DType weightDtype = call.weightDtype();
    boolean isQuantized = weightDtype == DType.NF4 || weightDtype == DType.INT8;
    boolean wantsGain = call.gain() != 0;
    Tensor norms = view(call.norm(), DType.F32, F);
    Tensor a = view(call.down(), DType.F32, call.R(), C);
    Tensor b = view(call.up(), DType.F32, F, call.R());
    pool.ranges(
        F,
        TorchPool.rowsOfTile(C),
        (row, count) -> {
          Tensor direction = torch.mm(b.narrow(0, row, count), a).mul_(scalar(call.scale()));
          direction.add_(
              isQuantized
                  ? TorchQuantized.values(
                      call.weight(), call.rows(), C, weightDtype, call.firstRow() + row, count)
                  : widen(
                      view(
                          call.weight() + (call.firstRow() + row) * C * weightDtype.sizeBytes(),
                          weightDtype,
                          count,
                          C)));
          norms.narrow(0, row, count).copy_(direction.square().sum(1).sqrt());
        });
    if (wantsGain) {
      Tensor magnitudes = view(call.magnitude(), DType.F32, F);
      Tensor none = norms.eq(scalar(0));
      Tensor gains = view(call.gain(), DType.F32, F);
      gains.copy_(magnitudes.div(norms));
      gains.masked_fill_(none, scalar(0));
      Tensor excesses = view(call.excess(), DType.F32, F);
      excesses.copy_(magnitudes.sub(norms).div(norms));
      excesses.masked_fill_(none, scalar(-1));
    }
  }

  static void forward(TorchPool pool, DoraCall.Forward call) {
    long N = call.N();
    long F = call.F();
    if (N == 0) {
      return;
    }
    Tensor target = view(call.out(), call.dtype(), N, F);
    Tensor source = view(call.inp(), call.dtype(), N, F);
    Tensor gains = view(call.gain(), DType.F32, F);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(F),
        (row, rows) -> {
          Tensor value = widen(source.narrow(0, row, rows)).mul(gains);
          if (call.bias() != 0) {
            value.add_(view(call.bias(), DType.F32, F));
          }
          store(target.narrow(0, row, rows), value, call.accumulate());
        });
  }

  static void backward(TorchPool pool, DoraCall.Backward call) {
    long dmagnitude = call.dmagnitude();
    long N = call.N();
    long F = call.F();
    long stride = call.stride();
    DType dtype = call.dtype();
    if (N == 0) {
      if (dmagnitude != 0 && !call.accumulate()) {
        view(dmagnitude, DType.F32, F).zero_();
      }
      return;
    }
    Tensor gains = view(call.gain(), DType.F32, F);
    long step = TorchPool.rowsOfTile(F);
    // What each tile adds to the gradient of the magnitude; added up in order of the tiles.
    Tensor sums = torch.zeros((N + step - 1) / step, F);
    pool.ranges(
        N,
        step,
        (row, rows) -> {
          Tensor upstream = widen(matrix(call.dout(), row, rows, F, stride, dtype));
          if (dmagnitude != 0) {
            Tensor product = upstream.mul(widen(matrix(call.inp(), row, rows, F, stride, dtype)));
            sums.select(0, row / step).copy_(product.sum(0));
          }
          matrix(call.dinp(), row, rows, F, stride, dtype).copy_(upstream.mul(gains));
        });
    if (dmagnitude != 0) {
      Tensor norms = view(call.norm(), DType.F32, F);
      Tensor gradient = sums.sum(0).div(norms);
      gradient.masked_fill_(norms.eq(scalar(0)), scalar(0));
      store(view(dmagnitude, DType.F32, F), gradient, call.accumulate());
    }
  }

  /** Some rows of a matrix (., F). */
  private static Tensor matrix(
      long address, long row, long rows, long F, long stride, DType dtype) {
    return strided(
        address + row * stride * dtype.sizeBytes(),
        dtype,
        new long[] {rows, F},
        new long[] {stride, 1});
  }
}
