package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchPool.TILE;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DropoutCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Element-wise ops: activations, dropout, cast. */
final class TorchActivation {
  private TorchActivation() {}

  static void forward(TorchPool pool, ActivationCall.Forward call) {
    DType dtype = call.dtype();
    if (call.count() == 0) {
      return;
    }
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = widen(view(call.inp() + offset, dtype, length));
          view(call.out() + offset, dtype, length).copy_(apply(call.activation(), x));
        });
  }

  static void backward(TorchPool pool, ActivationCall.Backward call) {
    DType dtype = call.dtype();
    if (call.count() == 0) {
      return;
    }
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = widen(view(call.inp() + offset, dtype, length));
          Tensor gradient = widen(view(call.dout() + offset, dtype, length));
          store(
              view(call.dinp() + offset, dtype, length),
              gradient(call.activation(), gradient, x),
              call.accumulate());
        });
  }

  static void dropout(TorchPool pool, TorchStep now, DropoutCall call) {
    DType dtype = call.dtype();
    TorchDropout dropout = now.dropout(call.p(), call.seed(), call.stream());
    if (call.count() == 0) {
      return;
    }
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          long offset = at * dtype.sizeBytes();
          Tensor x = view(call.inp() + offset, dtype, length);
          if (!dropout.isOff()) {
            x = dropout.applyMask(widen(x), dropout.elements(at, length));
          }
          view(call.out() + offset, dtype, length).copy_(x);
        });
  }

  static void cast(TorchPool pool, CastCall call) {
    if (call.count() == 0) {
      return;
    }
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          Tensor x = view(call.inp() + at * call.inpDtype().sizeBytes(), call.inpDtype(), length);
          store(
              view(call.out() + at * call.outDtype().sizeBytes(), call.outDtype(), length),
              x,
              call.accumulate());
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
