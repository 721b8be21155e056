package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.bytedeco.pytorch.Tensor;

/** Gated linear units; by tiles of rows. */
final class TorchGated {
  private TorchGated() {}

  static void forward(
      TorchPool pool, long out, long inp, long N, long F, Activation activation, DType dtype) {
    String op = "gatedForward";
    checkShape(op, N, F, dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(2 * F),
        (row, rows) -> {
          Tensor both = rows(inp, row, rows, 2 * F, dtype);
          Tensor gate = widen(both.narrow(1, 0, F));
          Tensor up = widen(both.narrow(1, F, F));
          rows(out, row, rows, F, dtype).copy_(TorchActivation.apply(activation, gate).mul(up));
        });
  }

  static void backward(
      TorchPool pool,
      long dinp,
      long outAgain,
      long dout,
      long inp,
      long N,
      long F,
      Activation activation,
      DType dtype) {
    String op = "gatedBackward";
    checkShape(op, N, F, dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(2 * F),
        (row, rows) -> {
          Tensor both = rows(inp, row, rows, 2 * F, dtype);
          Tensor gate = widen(both.narrow(1, 0, F));
          Tensor up = widen(both.narrow(1, F, F));
          Tensor upstream = widen(rows(dout, row, rows, F, dtype));
          Tensor activated = TorchActivation.apply(activation, gate);
          // All of it before anything is written: dinp may be inp, outAgain may be dout.
          Tensor dgate = TorchActivation.gradient(activation, upstream.mul(up), gate);
          Tensor dup = upstream.mul(activated);
          Tensor again = activated.mul(up);
          Tensor target = rows(dinp, row, rows, 2 * F, dtype);
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

  private static void checkShape(String op, long N, long F, DType dtype) {
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "F", F);
    Arguments.floating(op, "dtype", dtype);
  }
}
