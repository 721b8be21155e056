package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LoraCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The second product of a low-rank adapter and its gradients. */
final class TorchLora {
  private TorchLora() {}

  static void forward(TorchPool pool, LoraCall.Forward call) {
    long N = call.N();
    long F = call.F();
    long R = call.R();
    DType dtype = call.dtype();
    if (N == 0) {
      return;
    }
    Tensor target = matrix(call.out(), N, F, call.outStride(), dtype);
    Tensor narrow = matrix(call.low(), N, R, call.lowStride(), dtype);
    Tensor weight = view(call.up(), DType.F32, F, R).t();
    pool.blocks(
        N,
        F,
        (row, rows, column, columns) -> {
          Tensor x = widen(narrow.narrow(0, row, rows));
          Tensor product = torch.mm(x, weight.narrow(1, column, columns)).mul(scalar(call.scale()));
          store(target.narrow(0, row, rows).narrow(1, column, columns), product, true);
        });
  }

  static void backward(TorchPool pool, LoraCall.Backward call) {
    long N = call.N();
    long F = call.F();
    long R = call.R();
    DType dtype = call.dtype();
    Tensor gradient = view(call.dup(), DType.F32, F, R);
    if (N == 0) {
      if (!call.accumulate()) {
        gradient.zero_();
      }
      return;
    }
    Tensor upstream = matrix(call.dout(), N, F, call.outStride(), dtype);
    Tensor target = matrix(call.dlow(), N, R, call.lowStride(), dtype);
    Tensor weight = view(call.up(), DType.F32, F, R);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(F),
        (row, rows) -> {
          Tensor product = torch.mm(widen(upstream.narrow(0, row, rows)), weight);
          target.narrow(0, row, rows).copy_(product.mul(scalar(call.scale())));
        });
    Tensor x = widen(matrix(call.low(), N, R, call.lowStride(), dtype));
    pool.blocks(
        F,
        R,
        (row, rows, column, columns) -> {
          Tensor part = widen(upstream.narrow(1, row, rows)).t();
          Tensor product = torch.mm(part, x.narrow(1, column, columns)).mul(scalar(call.scale()));
          store(
              gradient.narrow(0, row, rows).narrow(1, column, columns), product, call.accumulate());
        });
  }

  private static Tensor matrix(long address, long N, long width, long stride, DType dtype) {
    return strided(address, dtype, new long[] {N, width}, new long[] {stride, 1});
  }
}
