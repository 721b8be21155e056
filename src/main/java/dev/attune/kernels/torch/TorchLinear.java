package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.rounded;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Products with a weight. f32 results go straight into the caller's memory. */
final class TorchLinear {
  private TorchLinear() {}

  static void forward(
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
    Arguments.floating(op, "weightDtype", weightDtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    Arguments.present(op, "weight", weight);

    Tensor x = widen(view(inp, dtype, N, C));
    Tensor w = operand(weight, weightDtype, dtype, F, C);
    // Where the product may be computed in place: f32, and wanted by the caller.
    long direct = dtype != DType.F32 ? 0 : activation == Activation.NONE ? out : pre;
    Tensor z = direct != 0 ? view(direct, DType.F32, N, F) : torch.empty(N, F);
    if (bias != 0) {
      torch.addmm_out(z, view(bias, DType.F32, F), x, w.t());
    } else {
      torch.mm_out(z, x, w.t());
    }
    if (direct == 0) {
      z = rounded(z, dtype);
    }
    if (pre != 0 && pre != direct) {
      view(pre, dtype, N, F).copy_(z);
    }
    if (out != direct) {
      view(out, dtype, N, F).copy_(TorchActivation.apply(activation, z));
    }
  }

  static void backwardInput(
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
    Arguments.floating(op, "weightDtype", weightDtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "weight", weight);
    if (activation != Activation.NONE || actOut != 0) {
      Arguments.present(op, "pre", pre);
    }

    Tensor gradient = widen(view(dout, dtype, N, F));
    Tensor w = operand(weight, weightDtype, dtype, F, C);
    if (dtype == DType.F32 && activation == Activation.NONE && !accumulate) {
      torch.mm_out(view(dinp, DType.F32, N, C), gradient, w);
    } else {
      Tensor product = torch.mm(gradient, w);
      if (activation != Activation.NONE) {
        product = TorchActivation.gradient(activation, product, widen(view(pre, dtype, N, C)));
      }
      store(view(dinp, dtype, N, C), product, accumulate);
    }
    if (actOut != 0) {
      Tensor z = widen(view(pre, dtype, N, C));
      view(actOut, dtype, N, C).copy_(TorchActivation.apply(activation, z));
    }
  }

  static void backwardWeight(
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

    Tensor gradient = widen(view(dout, dtype, N, F));
    Tensor x = widen(view(inp, dtype, N, C));
    if (accumulate) {
      dw.addmm_(gradient.t(), x);
    } else {
      torch.mm_out(dw, gradient.t(), x);
    }
    if (db != null) {
      store(db, gradient.sum(0), accumulate);
    }
  }

  /** The weight as the product sees it: in bf16 its values are rounded to bf16 first. */
  private static Tensor operand(long weight, DType weightDtype, DType dtype, long F, long C) {
    Tensor w = view(weight, weightDtype, F, C);
    return weightDtype == DType.F32 ? rounded(w, dtype) : widen(w);
  }

  private static void checkShape(String op, long N, long C, long F, DType dtype) {
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.dimension(op, "F", F);
    Arguments.floating(op, "dtype", dtype);
  }
}
