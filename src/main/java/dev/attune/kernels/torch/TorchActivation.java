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
  private static final double QUICK = 1.702;
  private static final double MEAN = 0.707107;
  private static final double DEVIATION = 0.282095;
  private static final double LEAK = 0.01;

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
      case QUICK_GELU -> torch.sigmoid(x.mul(scalar(QUICK))).mul_(x);
      case GELU_10 -> torch.clamp_max(torch.gelu(x), scalar(10));
      case SIGMOID -> torch.sigmoid(x);
      case MISH -> torch.mish(x);
      case LAPLACE ->
          torch.erf(standardized(x).mul_(scalar(Math.sqrt(0.5)))).add_(scalar(1)).mul_(scalar(0.5));
      case LEAKY_RELU -> torch.leaky_relu(x, scalar(LEAK));
      case RELU6 -> torch.hardtanh(x, scalar(0), scalar(6));
      case RELU_SQUARED -> torch.square(torch.relu(x));
      case HARD_SWISH -> torch.hardswish(x);
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
      case QUICK_GELU -> {
        Tensor gate = torch.sigmoid(x.mul(scalar(QUICK)));
        Tensor slope = gate.neg().add_(scalar(1)).mul_(gate).mul_(x).mul_(scalar(QUICK));
        yield slope.add_(gate).mul_(gradient);
      }
      case GELU_10 ->
          torch.gelu_backward(gradient, x).masked_fill_(torch.gelu(x).gt(scalar(10)), scalar(0));
      case SIGMOID -> torch.sigmoid_backward(gradient, torch.sigmoid(x));
      case MISH -> torch.mish_backward(gradient, x);
      case LAPLACE -> {
        Tensor square = torch.square(standardized(x));
        double height = 1 / (Math.sqrt(2 * Math.PI) * DEVIATION);
        yield torch.exp(square.mul_(scalar(-0.5))).mul_(scalar(height)).mul_(gradient);
      }
      case LEAKY_RELU -> torch.leaky_relu_backward(gradient, x, scalar(LEAK), false);
      case RELU6 -> torch.hardtanh_backward(gradient, x, scalar(0), scalar(6));
      case RELU_SQUARED -> torch.relu(x).mul_(scalar(2)).mul_(gradient);
      case HARD_SWISH -> {
        // Not hardswish_backward, which takes a corner for the slope before it in some versions.
        Tensor inner = x.mul(scalar(1 / 3.0)).add_(scalar(0.5));
        inner = inner.masked_fill_(x.le(scalar(-3)), scalar(0));
        yield inner.masked_fill_(x.ge(scalar(3)), scalar(1)).mul_(gradient);
      }
    };
  }

  private static Tensor standardized(Tensor x) {
    return x.sub(scalar(MEAN)).div_(scalar(DEVIATION));
  }
}
