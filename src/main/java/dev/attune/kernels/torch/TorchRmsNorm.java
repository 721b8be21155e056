package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Residual add and root mean square norm of groups of rows; by tiles of rows. */
final class TorchRmsNorm {
  private final String op;
  private final long G;
  private final long C;
  private final long inpStride;
  private final long outStride;
  private final DType dtype;

  TorchRmsNorm(String op, long N, long G, long C, long inpStride, long outStride, DType dtype) {
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "G", G);
    Arguments.dimension(op, "C", C);
    Arguments.stride(op, "inpStride", inpStride, G * C);
    Arguments.stride(op, "outStride", outStride, G * C);
    Arguments.floating(op, "dtype", dtype);
    this.op = op;
    this.G = G;
    this.C = C;
    this.inpStride = inpStride;
    this.outStride = outStride;
    this.dtype = dtype;
  }

  void forward(
      TorchPool pool,
      long out,
      long sum,
      long rstd,
      long inp,
      long residual,
      long weight,
      long N,
      float eps) {
    Arguments.notNegative(op, "eps", eps);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "weight", weight);
    if (sum != 0 || residual != 0) {
      Arguments.present(op, "sum", sum);
      Arguments.present(op, "residual", residual);
      if (G != 1) {
        throw new IllegalArgumentException(
            op + ": G = " + G + "; it must be 1 where there is a residual");
      }
    }
    pool.ranges(
        N,
        TorchPool.rowsOfTile(G * C),
        (row, rows) -> {
          Tensor x = widen(groups(inp, row, rows, inpStride));
          if (residual != 0) {
            x = rounded(x.add(widen(groups(residual, row, rows, C))), dtype);
            groups(sum, row, rows, C).copy_(x);
          }
          Tensor scale = torch.rsqrt(x.square().mean(2).unsqueeze(2).add(scalar(eps)));
          Tensor normal = x.mul(scale).mul(view(weight, DType.F32, C));
          groups(out, row, rows, outStride).copy_(normal);
          if (rstd != 0) {
            view(rstd + row * G * Float.BYTES, DType.F32, rows, G, 1).copy_(scale);
          }
        });
  }

  void backward(
      TorchPool pool,
      long dinp,
      long dweight,
      long dout,
      long dsumExtra,
      long sum,
      long rstd,
      long weight,
      long N,
      boolean accumulateWeight) {
    Tensor dw = dweight == 0 ? null : view(dweight, DType.F32, C);
    if (N == 0) {
      if (dw != null && !accumulateWeight) {
        dw.zero_();
      }
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "sum", sum);
    Arguments.present(op, "rstd", rstd);
    Arguments.present(op, "weight", weight);
    long step = TorchPool.rowsOfTile(G * C);
    // What each tile adds to the gradient of the weight; added up in order of the tiles.
    Tensor dweights = torch.zeros((N + step - 1) / step, C);
    pool.ranges(
        N,
        step,
        (row, rows) -> {
          Tensor upstream = widen(groups(dout, row, rows, outStride));
          Tensor scale = view(rstd + row * G * Float.BYTES, DType.F32, rows, G, 1);
          Tensor normal = widen(groups(sum, row, rows, inpStride)).mul(scale);
          if (dw != null) {
            dweights.select(0, row / step).copy_(upstream.mul(normal).sum(0, 1));
          }
          Tensor gradient = upstream.mul(view(weight, DType.F32, C));
          Tensor mean = gradient.mul(normal).mean(2).unsqueeze(2);
          Tensor dsum = gradient.sub(normal.mul(mean)).mul(scale);
          if (dsumExtra != 0) {
            dsum = dsum.add(widen(groups(dsumExtra, row, rows, inpStride)));
          }
          groups(dinp, row, rows, inpStride).copy_(dsum);
        });
    if (dw != null) {
      store(dw, dweights.sum(0), accumulateWeight);
    }
  }

  /** Some rows as (rows, G, C). */
  private Tensor groups(long address, long row, long rows, long stride) {
    return strided(
        address + row * stride * dtype.sizeBytes(),
        dtype,
        new long[] {rows, G, C},
        new long[] {stride, C, 1});
  }
}
