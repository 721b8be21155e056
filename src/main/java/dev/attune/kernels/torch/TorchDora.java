package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Weight-decomposed adapters: row norms, and columns multiplied by their gain. */
final class TorchDora {
  private static final long MAX_RANK = 256;
  private static final long MAX_WIDTH = 65536;

  private TorchDora() {}

  static void gain(
      TorchPool pool,
      long gain,
      long excess,
      long norm,
      long weight,
      long down,
      long up,
      long magnitude,
      long rows,
      long firstRow,
      long F,
      long C,
      long R,
      float scale,
      DType weightDtype) {
    String op = "doraGain";
    Arguments.weight(op, "weightDtype", weightDtype);
    boolean isQuantized = weightDtype == DType.NF4 || weightDtype == DType.INT8;
    Arguments.dimension(op, "rows", rows);
    Arguments.dimension(op, "C", C);
    if (isQuantized) {
      Arguments.blocks(op, C);
    }
    Arguments.closed(op, "R", R, 1, MAX_RANK);
    Arguments.closed(op, "F", F, 1, rows);
    Arguments.closed(op, "firstRow", firstRow, 0, rows - F);
    Arguments.finite(op, "scale", scale);
    Arguments.present(op, "norm", norm);
    Arguments.present(op, "weight", weight);
    Arguments.present(op, "down", down);
    Arguments.present(op, "up", up);
    boolean wantsGain = gain != 0 || excess != 0 || magnitude != 0;
    if (wantsGain) {
      Arguments.present(op, "gain", gain);
      Arguments.present(op, "excess", excess);
      Arguments.present(op, "magnitude", magnitude);
    }
    Tensor norms = view(norm, DType.F32, F);
    Tensor a = view(down, DType.F32, R, C);
    Tensor b = view(up, DType.F32, F, R);
    pool.ranges(
        F,
        TorchPool.rowsOfTile(C),
        (row, count) -> {
          Tensor direction = torch.mm(b.narrow(0, row, count), a).mul_(scalar(scale));
          direction.add_(
              isQuantized
                  ? TorchQuantized.values(weight, rows, C, weightDtype, firstRow + row, count)
                  : widen(
                      view(
                          weight + (firstRow + row) * C * weightDtype.sizeBytes(),
                          weightDtype,
                          count,
                          C)));
          norms.narrow(0, row, count).copy_(direction.square().sum(1).sqrt());
        });
    if (wantsGain) {
      Tensor magnitudes = view(magnitude, DType.F32, F);
      Tensor none = norms.eq(scalar(0));
      Tensor gains = view(gain, DType.F32, F);
      gains.copy_(magnitudes.div(norms));
      gains.masked_fill_(none, scalar(0));
      Tensor excesses = view(excess, DType.F32, F);
      excesses.copy_(magnitudes.sub(norms).div(norms));
      excesses.masked_fill_(none, scalar(-1));
    }
  }

  static void forward(
      TorchPool pool,
      long out,
      long inp,
      long gain,
      long bias,
      long N,
      long F,
      boolean accumulate,
      DType dtype) {
    String op = "doraForward";
    Arguments.floating(op, "dtype", dtype);
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "F", F);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "gain", gain);
    Tensor target = view(out, dtype, N, F);
    Tensor source = view(inp, dtype, N, F);
    Tensor gains = view(gain, DType.F32, F);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(F),
        (row, rows) -> {
          Tensor value = widen(source.narrow(0, row, rows)).mul(gains);
          if (bias != 0) {
            value.add_(view(bias, DType.F32, F));
          }
          store(target.narrow(0, row, rows), value, accumulate);
        });
  }

  static void backward(
      TorchPool pool,
      long dinp,
      long dmagnitude,
      long dout,
      long inp,
      long gain,
      long norm,
      long N,
      long F,
      long stride,
      boolean accumulate,
      DType dtype) {
    String op = "doraBackward";
    Arguments.floating(op, "dtype", dtype);
    Arguments.closed(op, "F", F, 1, MAX_WIDTH);
    Arguments.count(op, "N", N);
    Arguments.stride(op, "stride", stride, F);
    if (N == 0) {
      if (dmagnitude != 0 && !accumulate) {
        view(dmagnitude, DType.F32, F).zero_();
      }
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "gain", gain);
    if (dmagnitude != 0) {
      Arguments.present(op, "inp", inp);
      Arguments.present(op, "norm", norm);
    }
    Tensor gains = view(gain, DType.F32, F);
    long step = TorchPool.rowsOfTile(F);
    // What each tile adds to the gradient of the magnitude; added up in order of the tiles.
    Tensor sums = torch.zeros((N + step - 1) / step, F);
    pool.ranges(
        N,
        step,
        (row, rows) -> {
          Tensor upstream = widen(matrix(dout, row, rows, F, stride, dtype));
          if (dmagnitude != 0) {
            Tensor product = upstream.mul(widen(matrix(inp, row, rows, F, stride, dtype)));
            sums.select(0, row / step).copy_(product.sum(0));
          }
          matrix(dinp, row, rows, F, stride, dtype).copy_(upstream.mul(gains));
        });
    if (dmagnitude != 0) {
      Tensor norms = view(norm, DType.F32, F);
      Tensor gradient = sums.sum(0).div(norms);
      gradient.masked_fill_(norms.eq(scalar(0)), scalar(0));
      store(view(dmagnitude, DType.F32, F), gradient, accumulate);
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
