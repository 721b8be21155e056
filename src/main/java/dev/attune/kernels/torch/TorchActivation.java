package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchPool.TILE;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Element-wise ops: activations, dropout, cast. */
final class TorchActivation {
  private TorchActivation() {}

  static void forward(
      TorchPool pool, long out, long inp, long count, Activation activation, DType dtype) {
    String op = "activationForward";
    Arguments.size(op, "count", count);
    Arguments.floating(op, "dtype", dtype);
    if (count == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        count,
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = widen(view(inp + offset, dtype, length));
          view(out + offset, dtype, length).copy_(apply(activation, x));
        });
  }

  static void backward(
      TorchPool pool,
      long dinp,
      long dout,
      long inp,
      long count,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    String op = "activationBackward";
    Arguments.size(op, "count", count);
    Arguments.floating(op, "dtype", dtype);
    if (count == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        count,
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = widen(view(inp + offset, dtype, length));
          Tensor gradient = widen(view(dout + offset, dtype, length));
          store(view(dinp + offset, dtype, length), gradient(activation, gradient, x), accumulate);
        });
  }

  static void dropout(
      TorchPool pool,
      long out,
      long inp,
      long count,
      float p,
      long seed,
      long stream,
      DType dtype) {
    String op = "dropout";
    Arguments.size(op, "count", count);
    Arguments.floating(op, "dtype", dtype);
    TorchDropout dropout = new TorchDropout(op, "p", p, seed, stream);
    if (count == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        count,
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = view(inp + offset, dtype, length);
          if (!dropout.isOff()) {
            x = dropout.applyMask(widen(x), dropout.elements(at, length));
          }
          view(out + offset, dtype, length).copy_(x);
        });
  }

  static void cast(
      TorchPool pool,
      long out,
      long inp,
      long count,
      boolean accumulate,
      DType outDtype,
      DType inpDtype) {
    String op = "cast";
    Arguments.size(op, "count", count);
    Arguments.floating(op, "outDtype", outDtype);
    Arguments.floating(op, "inpDtype", inpDtype);
    if (count == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        count,
        TILE,
        (at, length) -> {
          Tensor x = view(inp + at * inpDtype.sizeBytes(), inpDtype, length);
          store(view(out + at * outDtype.sizeBytes(), outDtype, length), x, accumulate);
        });
  }

  /** act(x), f32; x itself where there is no activation. */
  static Tensor apply(Activation activation, Tensor x) {
    return switch (activation) {
      case NONE -> x;
      case GELU -> torch.gelu(x);
      case GELU_TANH -> torch.gelu(x, "tanh");
      case TANH -> torch.tanh(x);
      case RELU -> torch.relu(x);
      case SILU -> torch.silu(x);
    };
  }

  /** gradient .* act'(x), f32; the gradient itself where there is no activation. */
  static Tensor gradient(Activation activation, Tensor gradient, Tensor x) {
    return switch (activation) {
      case NONE -> gradient;
      case GELU -> torch.gelu_backward(gradient, x);
      case GELU_TANH -> torch.gelu_backward(gradient, x, "tanh");
      case TANH -> torch.tanh_backward(gradient, torch.tanh(x));
      case RELU -> torch.threshold_backward(gradient, x, scalar(0));
      case SILU -> torch.silu_backward(gradient, x);
    };
  }
}
