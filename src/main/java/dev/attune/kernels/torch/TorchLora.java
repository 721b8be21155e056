package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The second product of a low-rank adapter and its gradients. */
final class TorchLora {
  private static final long MAX_RANK = 256;

  private final String op;
  private final long N;
  private final long F;
  private final long R;
  private final long outStride;
  private final long lowStride;
  private final float scale;
  private final DType dtype;

  TorchLora(
      String op, long N, long F, long R, long outStride, long lowStride, float scale, DType dtype) {
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "F", F);
    Arguments.closed(op, "R", R, 1, MAX_RANK);
    Arguments.stride(op, "outStride", outStride, F);
    Arguments.stride(op, "lowStride", lowStride, R);
    Arguments.finite(op, "scale", scale);
    Arguments.floating(op, "dtype", dtype);
    this.op = op;
    this.N = N;
    this.F = F;
    this.R = R;
    this.outStride = outStride;
    this.lowStride = lowStride;
    this.scale = scale;
    this.dtype = dtype;
  }

  void forward(TorchPool pool, long out, long low, long up) {
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "low", low);
    Arguments.present(op, "up", up);
    Tensor target = matrix(out, F, outStride);
    Tensor narrow = matrix(low, R, lowStride);
    Tensor weight = view(up, DType.F32, F, R).t();
    pool.blocks(
        N,
        F,
        (row, rows, column, columns) -> {
          Tensor x = widen(narrow.narrow(0, row, rows));
          Tensor product = torch.mm(x, weight.narrow(1, column, columns)).mul(scalar(scale));
          store(target.narrow(0, row, rows).narrow(1, column, columns), product, true);
        });
  }

  void backward(
      TorchPool pool, long dlow, long dup, long dout, long low, long up, boolean accumulate) {
    Arguments.present(op, "dup", dup);
    Tensor gradient = view(dup, DType.F32, F, R);
    if (N == 0) {
      if (!accumulate) {
        gradient.zero_();
      }
      return;
    }
    Arguments.present(op, "dlow", dlow);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "low", low);
    Arguments.present(op, "up", up);
    Tensor upstream = matrix(dout, F, outStride);
    Tensor target = matrix(dlow, R, lowStride);
    Tensor weight = view(up, DType.F32, F, R);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(F),
        (row, rows) -> {
          Tensor product = torch.mm(widen(upstream.narrow(0, row, rows)), weight);
          target.narrow(0, row, rows).copy_(product.mul(scalar(scale)));
        });
    Tensor x = widen(matrix(low, R, lowStride));
    pool.blocks(
        F,
        R,
        (row, rows, column, columns) -> {
          Tensor part = widen(upstream.narrow(1, row, rows)).t();
          Tensor product = torch.mm(part, x.narrow(1, column, columns)).mul(scalar(scale));
          store(gradient.narrow(0, row, rows).narrow(1, column, columns), product, accumulate);
        });
  }

  private Tensor matrix(long address, long width, long stride) {
    return strided(address, dtype, new long[] {N, width}, new long[] {stride, 1});
  }
}
