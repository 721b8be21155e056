package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LinearCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Products with a weight, block by block, each block with its epilogue. */
final class TorchLinear {
  private TorchLinear() {}

  static void forward(TorchPool pool, LinearCall.Forward call) {
    long N = call.N();
    long F = call.F();
    DType dtype = call.dtype();
    if (N == 0) {
      return;
    }

    Tensor x = operand(pool, call.inp(), dtype, dtype, N, call.C());
    Tensor w = weight(pool, call.weight(), call.weightDtype(), dtype, F, call.C()).t();
    Tensor b = call.bias() == 0 ? null : view(call.bias(), DType.F32, F);
    Tensor preTensor = call.pre() == 0 ? null : view(call.pre(), dtype, N, F);
    Tensor outTensor = view(call.out(), dtype, N, F);
    pool.blocks(
        N,
        F,
        (row, rows, column, columns) -> {
          Tensor z = torch.mm(x.narrow(0, row, rows), w.narrow(1, column, columns));
          if (b != null) {
            z.add_(b.narrow(0, column, columns));
          }
          z = rounded(z, dtype);
          if (preTensor != null) {
            preTensor.narrow(0, row, rows).narrow(1, column, columns).copy_(z);
          }
          outTensor
              .narrow(0, row, rows)
              .narrow(1, column, columns)
              .copy_(TorchActivation.apply(call.activation(), z));
        });
  }

  static void backwardInput(TorchPool pool, LinearCall.BackwardInput call) {
    long N = call.N();
    long C = call.C();
    DType dtype = call.dtype();
    if (N == 0) {
      return;
    }

    Tensor gradient = operand(pool, call.dout(), dtype, dtype, N, call.F());
    Tensor w = weight(pool, call.weight(), call.weightDtype(), dtype, call.F(), C);
    Tensor dinpTensor = view(call.dinp(), dtype, N, C);
    Tensor preTensor = call.pre() == 0 ? null : view(call.pre(), dtype, N, C);
    Tensor actTensor = call.actOut() == 0 ? null : view(call.actOut(), dtype, N, C);
    pool.blocks(
        N,
        C,
        (row, rows, column, columns) -> {
          Tensor product = torch.mm(gradient.narrow(0, row, rows), w.narrow(1, column, columns));
          if (preTensor != null) {
            Tensor z = widen(preTensor.narrow(0, row, rows).narrow(1, column, columns));
            product = TorchActivation.gradient(call.activation(), product, z);
            if (actTensor != null) {
              actTensor
                  .narrow(0, row, rows)
                  .narrow(1, column, columns)
                  .copy_(TorchActivation.apply(call.activation(), z));
            }
          }
          store(
              dinpTensor.narrow(0, row, rows).narrow(1, column, columns),
              product,
              call.accumulate());
        });
  }

  static void backwardWeight(TorchPool pool, LinearCall.BackwardWeight call) {
    long N = call.N();
    long C = call.C();
    long F = call.F();
    boolean accumulate = call.accumulate();
    DType dtype = call.dtype();
    Tensor dw = view(call.dweight(), DType.F32, F, C);
    Tensor db = call.dbias() == 0 ? null : view(call.dbias(), DType.F32, F);
    if (N == 0) {
      if (!accumulate) {
        dw.zero_();
        if (db != null) {
          db.zero_();
        }
      }
      return;
    }

    Tensor gradient = operand(pool, call.dout(), dtype, dtype, N, F).t();
    Tensor x = operand(pool, call.inp(), dtype, dtype, N, C);
    pool.blocks(
        F,
        C,
        (row, rows, column, columns) -> {
          Tensor part = gradient.narrow(0, row, rows);
          Tensor product = torch.mm(part, x.narrow(1, column, columns));
          store(dw.narrow(0, row, rows).narrow(1, column, columns), product, accumulate);
          if (db != null && column == 0) {
            store(db.narrow(0, row, rows), part.sum(1), accumulate);
          }
        });
  }

  /**
   * A matrix as the product sees it: f32, with an f32 weight rounded to bf16 first where that is
   * the type of the activations. f32 for f32 is a view, all else a copy.
   */
  private static Tensor operand(
      TorchPool pool, long address, DType type, DType dtype, long rows, long columns) {
    Tensor matrix = view(address, type, rows, columns);
    if (type == DType.F32 && dtype == DType.F32) {
      return matrix;
    }
    Tensor copy = torch.empty(rows, columns);
    pool.ranges(
        rows,
        TorchPool.rowsOfTile(columns),
        (row, length) -> {
          Tensor part = matrix.narrow(0, row, length);
          copy.narrow(0, row, length).copy_(type == DType.F32 ? rounded(part, dtype) : part);
        });
    return copy;
  }

  /** The weight as the product sees it, from whatever it is stored in. */
  private static Tensor weight(
      TorchPool pool, long address, DType type, DType dtype, long F, long C) {
    if (type != DType.NF4 && type != DType.INT8) {
      return operand(pool, address, type, dtype, F, C);
    }
    Tensor copy = torch.empty(F, C);
    pool.ranges(
        F,
        TorchPool.rowsOfTile(C),
        (row, rows) ->
            copy.narrow(0, row, rows)
                .copy_(rounded(TorchQuantized.values(address, F, C, type, row, rows), dtype)));
    return copy;
  }
}
