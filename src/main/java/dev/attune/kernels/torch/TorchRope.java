package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Tensor;

/** Rotary position embedding, in place; by tiles of rows. */
final class TorchRope {
  private TorchRope() {}

  static void rotate(
      TorchPool pool,
      long inp,
      long table,
      long positions,
      long N,
      long H,
      long D,
      long rotary,
      long stride,
      long P,
      boolean inverse,
      DType dtype) {
    String op = "rope";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "H", H);
    Arguments.dimension(op, "D", D);
    if (rotary < 0 || rotary > D || rotary % 2 != 0) {
      throw new IllegalArgumentException(
          op + ": rotary = " + rotary + "; it must be even and 0.." + D);
    }
    Arguments.stride(op, "stride", stride, H * D);
    Arguments.floating(op, "dtype", dtype);
    if (N == 0 || rotary == 0) {
      return;
    }
    Arguments.dimension(op, "P", P);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "table", table);
    Arguments.indices(op, "positions", positions, N, P);
    long half = rotary / 2;
    pool.ranges(
        N,
        TorchPool.rowsOfTile(H * D),
        (row, rows) -> {
          Tensor index = view(positions + row * Integer.BYTES, DType.I32, rows);
          // (rows, 1, half, 2): the same angles for every head.
          Tensor angles = view(table, DType.F32, P, half, 2).index_select(0, index).unsqueeze(1);
          Tensor c = angles.select(3, 0);
          Tensor s = inverse ? angles.select(3, 1).neg() : angles.select(3, 1);
          Tensor heads =
              strided(
                  inp + row * stride * dtype.sizeBytes(),
                  dtype,
                  new long[] {rows, H, D},
                  new long[] {stride, D, 1});
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
