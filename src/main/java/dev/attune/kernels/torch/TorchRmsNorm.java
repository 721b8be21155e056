package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.RmsNormCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Residual add and root mean square norm of groups of rows; by tiles of rows. */
final class TorchRmsNorm {
  private TorchRmsNorm() {}

  static void forward(TorchPool pool, RmsNormCall.Forward call) {
    long G = call.G();
    long C = call.C();
    DType dtype = call.dtype();
    long residual = call.residual();
    if (call.N() == 0) {
      return;
    }
    pool.ranges(
        call.N(),
        TorchPool.rowsOfTile(G * C),
        (row, rows) -> {
          Tensor x = widen(groups(call.inp(), row, rows, call.inpStride(), G, C, dtype));
          if (residual != 0) {
            x = rounded(x.add(widen(groups(residual, row, rows, C, G, C, dtype))), dtype);
            groups(call.sum(), row, rows, C, G, C, dtype).copy_(x);
          }
          Tensor scale = torch.rsqrt(x.square().mean(2).unsqueeze(2).add(scalar(call.eps())));
          Tensor normal = x.mul(scale).mul(view(call.weight(), DType.F32, C));
          groups(call.out(), row, rows, call.outStride(), G, C, dtype).copy_(normal);
          if (call.rstd() != 0) {
            view(call.rstd() + row * G * Float.BYTES, DType.F32, rows, G, 1).copy_(scale);
          }
        });
  }

  static void backward(TorchPool pool, RmsNormCall.Backward call) {
    long G = call.G();
    long C = call.C();
    DType dtype = call.dtype();
    long N = call.N();
    Tensor dw = call.dweight() == 0 ? null : view(call.dweight(), DType.F32, C);
    if (N == 0) {
      if (dw != null && !call.accumulateWeight()) {
        dw.zero_();
      }
      return;
    }
    long step = TorchPool.rowsOfTile(G * C);
    // What each tile adds to the gradient of the weight; added up in order of the tiles.
    Tensor dweights = torch.zeros((N + step - 1) / step, C);
    pool.ranges(
        N,
        step,
        (row, rows) -> {
          Tensor upstream = widen(groups(call.dout(), row, rows, call.outStride(), G, C, dtype));
          Tensor scale = view(call.rstd() + row * G * Float.BYTES, DType.F32, rows, G, 1);
          Tensor normal =
              widen(groups(call.sum(), row, rows, call.inpStride(), G, C, dtype)).mul(scale);
          if (dw != null) {
            dweights.select(0, row / step).copy_(upstream.mul(normal).sum(0, 1));
          }
          Tensor gradient = upstream.mul(view(call.weight(), DType.F32, C));
          Tensor mean = gradient.mul(normal).mean(2).unsqueeze(2);
          Tensor dsum = gradient.sub(normal.mul(mean)).mul(scale);
          if (call.dsumExtra() != 0) {
            dsum =
                dsum.add(widen(groups(call.dsumExtra(), row, rows, call.inpStride(), G, C, dtype)));
          }
          groups(call.dinp(), row, rows, call.inpStride(), G, C, dtype).copy_(dsum);
        });
    if (dw != null) {
      store(dw, dweights.sum(0), call.accumulateWeight());
    }
  }

  /** Some rows as (rows, G, C). */
  private static Tensor groups(
      long address, long row, long rows, long stride, long G, long C, DType dtype) {
    return strided(
        address + row * stride * dtype.sizeBytes(),
        dtype,
        new long[] {rows, G, C},
        new long[] {stride, C, 1});
  }
}
