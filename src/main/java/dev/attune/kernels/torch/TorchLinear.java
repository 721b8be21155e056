package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Products with a weight, block by block, each block with its epilogue. */
final class TorchLinear {
  private TorchLinear() {}

  static void forward(
      TorchPool pool,
      long out,
      long pre,
      long inp,
      long weight,
      long bias,
      long N,
      long C,
      long F,
      Activation activation,
      DType dtype,
      DType weightDtype) {
    String op = "linearForward";
    checkShape(op, N, C, F, dtype);
    checkWeight(op, C, weightDtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "weight", weight);

    Tensor x = operand(pool, inp, dtype, dtype, N, C);
    Tensor w = weight(pool, weight, weightDtype, dtype, F, C).t();
    Tensor b = bias == 0 ? null : view(bias, DType.F32, F);
    Tensor preTensor = pre == 0 ? null : view(pre, dtype, N, F);
    Tensor outTensor = view(out, dtype, N, F);
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
              .copy_(TorchActivation.apply(activation, z));
        });
  }

  static void backwardInput(
      TorchPool pool,
      long dinp,
      long actOut,
      long dout,
      long weight,
      long pre,
      long N,
      long C,
      long F,
      Activation activation,
      boolean accumulate,
      DType dtype,
      DType weightDtype) {
    String op = "linearBackwardInput";
    checkShape(op, N, C, F, dtype);
    checkWeight(op, C, weightDtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "weight", weight);
    if (activation != Activation.NONE || actOut != 0) {
      Arguments.present(op, "pre", pre);
    }

    Tensor gradient = operand(pool, dout, dtype, dtype, N, F);
    Tensor w = weight(pool, weight, weightDtype, dtype, F, C);
    Tensor dinpTensor = view(dinp, dtype, N, C);
    Tensor preTensor = pre == 0 ? null : view(pre, dtype, N, C);
    Tensor actTensor = actOut == 0 ? null : view(actOut, dtype, N, C);
    pool.blocks(
        N,
        C,
        (row, rows, column, columns) -> {
          Tensor product = torch.mm(gradient.narrow(0, row, rows), w.narrow(1, column, columns));
          if (preTensor != null) {
            Tensor z = widen(preTensor.narrow(0, row, rows).narrow(1, column, columns));
            product = TorchActivation.gradient(activation, product, z);
            if (actTensor != null) {
              actTensor
                  .narrow(0, row, rows)
                  .narrow(1, column, columns)
                  .copy_(TorchActivation.apply(activation, z));
            }
          }
          store(dinpTensor.narrow(0, row, rows).narrow(1, column, columns), product, accumulate);
        });
  }

  static void backwardWeight(
      TorchPool pool,
      long dweight,
      long dbias,
      long dout,
      long inp,
      long N,
      long C,
      long F,
      boolean accumulate,
      DType dtype) {
    String op = "linearBackwardWeight";
    checkShape(op, N, C, F, dtype);
    Arguments.present(op, "dweight", dweight);
    Tensor dw = view(dweight, DType.F32, F, C);
    Tensor db = dbias == 0 ? null : view(dbias, DType.F32, F);
    if (N == 0) {
      if (!accumulate) {
        dw.zero_();
        if (db != null) {
          db.zero_();
        }
      }
      return;
    }
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "inp", inp);

    Tensor gradient = operand(pool, dout, dtype, dtype, N, F).t();
    Tensor x = operand(pool, inp, dtype, dtype, N, C);
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

  private static void checkWeight(String op, long C, DType type) {
    Arguments.weight(op, "weightDtype", type);
    if (type == DType.NF4 || type == DType.INT8) {
      Arguments.blocks(op, C);
    }
  }

  private static void checkShape(String op, long N, long C, long F, DType dtype) {
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.dimension(op, "F", F);
    Arguments.floating(op, "dtype", dtype);
  }
}
