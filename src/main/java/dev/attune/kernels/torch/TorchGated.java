package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.GatedCall;
import org.bytedeco.pytorch.Tensor;

/** Gated linear units; by tiles of rows. */
final class TorchGated {
  private TorchGated() {}

  static void forward(TorchPool pool, GatedCall.Forward call) {
    long F = call.F();
    if (call.N() == 0) {
      return;
    }
    pool.ranges(
        call.N(),
        TorchPool.rowsOfTile(2 * F),
        (row, rows) -> {
          Tensor both = rows(call.inp(), row, rows, 2 * F, call.dtype());
          Tensor gate = widen(both.narrow(1, 0, F));
          Tensor up = widen(both.narrow(1, F, F));
          rows(call.out(), row, rows, F, call.dtype())
              .copy_(TorchActivation.apply(call.activation(), gate).mul(up));
        });
  }

  static void backward(TorchPool pool, GatedCall.Backward call) {
    long outAgain = call.outAgain();
    long F = call.F();
    DType dtype = call.dtype();
    if (call.N() == 0) {
      return;
    }
    pool.ranges(
        call.N(),
        TorchPool.rowsOfTile(2 * F),
        (row, rows) -> {
          Tensor both = rows(call.inp(), row, rows, 2 * F, dtype);
          Tensor gate = widen(both.narrow(1, 0, F));
          Tensor up = widen(both.narrow(1, F, F));
          Tensor upstream = widen(rows(call.dout(), row, rows, F, dtype));
          Tensor activated = TorchActivation.apply(call.activation(), gate);
          // All of it before anything is written: dinp may be inp, outAgain may be dout.
          Tensor dgate = TorchActivation.gradient(call.activation(), upstream.mul(up), gate);
          Tensor dup = upstream.mul(activated);
          Tensor again = activated.mul(up);
          Tensor target = rows(call.dinp(), row, rows, 2 * F, dtype);
          target.narrow(1, 0, F).copy_(dgate);
          target.narrow(1, F, F).copy_(dup);
          if (outAgain != 0) {
            rows(outAgain, row, rows, F, dtype).copy_(again);
          }
        });
  }

  private static Tensor rows(long address, long row, long rows, long width, DType dtype) {
    return view(address + row * width * dtype.sizeBytes(), dtype, rows, width);
  }
}
