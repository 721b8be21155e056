package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.RopeCall;
import org.bytedeco.pytorch.Tensor;

/** Rotary position embedding, in place; by tiles of rows. */
final class TorchRope {
  private TorchRope() {}

  static void rotate(TorchPool pool, RopeCall call) {
    long N = call.N();
    long D = call.D();
    long rotary = call.rotary();
    String op = "rope";
    if (N == 0 || rotary == 0) {
      return;
    }
    Arguments.indices(op, "positions", call.positions(), N, call.P());
    long half = rotary / 2;
    pool.ranges(
        N,
        TorchPool.rowsOfTile(call.H() * D),
        (row, rows) -> {
          Tensor index = view(call.positions() + row * Integer.BYTES, DType.I32, rows);
          // (rows, 1, half, 2): the same angles for every head.
          Tensor angles =
              view(call.table(), DType.F32, call.P(), half, 2).index_select(0, index).unsqueeze(1);
          Tensor c = angles.select(3, 0);
          Tensor s = call.inverse() ? angles.select(3, 1).neg() : angles.select(3, 1);
          Tensor heads =
              strided(
                  call.inp() + row * call.stride() * call.dtype().sizeBytes(),
                  call.dtype(),
                  new long[] {rows, call.H(), D},
                  new long[] {call.stride(), D, 1});
          Tensor low = heads.narrow(2, 0, half);
          Tensor high = heads.narrow(2, half, half);
          Tensor a = widen(low);
          Tensor b = widen(high);
          Tensor turnedLow = a.mul(c).sub(b.mul(s));
          high.copy_(b.mul(c).add(a.mul(s)));
          low.copy_(turnedLow);
        });
  }
}
