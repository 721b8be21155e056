package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.LinearInt8Call;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Parameter;
import dev.attune.store.Part;
import dev.attune.tape.Tape;

/** The matrix products of a weight (F,C): forward, and its two gradients. */
final class Product {
  /** Columns of an input that stands for none: as many as any kernel takes. */
  private static final int NARROW = 16;

  private Product() {}

  /** {@code out (N,F) = inp (N,C) W^T + bias}; bias may be 0. */
  static void forward(
      Tape tape, long out, long inp, Parameter weight, long bias, long N, DType dtype) {
    forward(tape, out, 0, inp, weight, bias, N, Activation.NONE, dtype);
  }

  /**
   * {@code out (N,F) = act(pre)}, {@code pre = inp (N,C) W^T + bias}.
   *
   * @param pre receives the pre-activation; may be 0
   */
  static void forward(
      Tape tape,
      long out,
      long pre,
      long inp,
      Parameter weight,
      long bias,
      long N,
      Activation activation,
      DType dtype) {
    if (!activation.isFused()) {
      long sum = pre == 0 ? out : pre;
      forward(tape, sum, inp, weight, bias, N, dtype);
      tape.run(new ActivationCall.Forward(out, sum, N * weight.rows(), activation, dtype));
      return;
    }
    if (weight.dtype() == DType.CHANNEL_INT8) {
      forwardInt8(tape, out, pre, inp, weight, bias, N, activation, dtype);
      return;
    }
    boolean isWhole = tape.rowsAtOnce() == 0 || tape.backend().rowsAreAlike(dtype);
    long most = isWhole ? N : tape.rowsAtOnce();
    long size = dtype.sizeBytes();
    for (long first = 0; first < N; first += most) {
      tape.run(
          new LinearCall.Forward(
              out + first * weight.rows() * size,
              pre == 0 ? 0 : pre + first * weight.rows() * size,
              inp + first * weight.cols() * size,
              weight.operand(dtype),
              bias,
              Math.min(most, N - first),
              weight.cols(),
              weight.rows(),
              activation,
              dtype,
              weight.operandDtype(dtype)));
    }
  }

  private static void forwardInt8(
      Tape tape,
      long out,
      long pre,
      long inp,
      Parameter weight,
      long bias,
      long N,
      Activation activation,
      DType dtype) {
    Check.state(
        dtype == DType.F32 && pre == 0,
        "products of integers are of inference with f32 activations");
    long scratch = tape.allocate(LinearInt8Call.Forward.scratchBytes(N, weight.cols()));
    tape.run(
        new LinearInt8Call.Forward(
            out,
            scratch,
            inp,
            weight.operand(dtype),
            bias,
            N,
            weight.cols(),
            weight.rows(),
            activation));
    tape.free(scratch);
  }

  /** {@code dinp (N,C) (+)= dout (N,F) W}. */
  static void backwardInput(
      Tape tape, long dinp, long dout, Parameter weight, long N, boolean accumulate, DType dtype) {
    backwardInput(tape, dinp, 0, dout, weight, 0, N, Activation.NONE, accumulate, dtype);
  }

  /**
   * {@code dinp (N,C) (+)= dout (N,F) W .* act'(pre)}.
   *
   * @param actOut receives act(pre); may be 0
   * @param pre (N,C), or 0 where no activation made the input
   */
  static void backwardInput(
      Tape tape,
      long dinp,
      long actOut,
      long dout,
      Parameter weight,
      long pre,
      long N,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    if (!activation.isFused()) {
      Check.state(!accumulate, "the gradient below %s is not added to another", activation);
      backwardInput(tape, dinp, dout, weight, N, false, dtype);
      long count = N * weight.cols();
      tape.run(new ActivationCall.Backward(dinp, dinp, pre, count, activation, false, dtype));
      if (actOut != 0) {
        tape.run(new ActivationCall.Forward(actOut, pre, count, activation, dtype));
      }
      return;
    }
    tape.run(
        new LinearCall.BackwardInput(
            dinp,
            actOut,
            dout,
            weight.operand(dtype),
            pre,
            N,
            weight.cols(),
            weight.rows(),
            activation,
            accumulate,
            dtype,
            weight.operandDtype(dtype)));
  }

  /** Gradients of a weight that is trained and of its bias (or null) from {@code dout (N,F)}. */
  static void backwardWeight(
      Tape tape, Parameter weight, Parameter bias, long dout, long inp, long N, DType dtype) {
    boolean accumulate = weight.accumulate();
    if (bias != null) {
      // One flag serves both: a bias is written whenever its weight is.
      Check.state(
          bias.accumulate() == accumulate, "%s and its bias are out of step", weight.name());
    }
    tape.run(
        new LinearCall.BackwardWeight(
            weight.gradient(),
            bias == null ? 0 : bias.gradient(),
            weight.gradientSquares(),
            dout,
            inp,
            N,
            weight.cols(),
            weight.rows(),
            accumulate,
            dtype));
  }

  /**
   * Gradients of biases whose weight is frozen, from {@code dout (N,F)}: the sums of its columns,
   * which the product with an input of zeros gives beside a weight's gradient. Those of modules
   * whose bias is not trained stay zero.
   */
  static void backwardBias(Tape tape, AdaptedWeight adapted, long dout, long N, DType dtype) {
    Parameter bias = adapted.bias();
    sumColumns(tape, bias.gradient(), dout, N, adapted.rows(), bias.accumulate(), dtype);
    long column = 0;
    for (Part module : adapted.parts()) {
      if (!adapted.trainsBias(module)) {
        long first = bias.gradient() + column * Float.BYTES;
        tape.run(new FillZeroCall(first, module.rows() * Float.BYTES));
      }
      column += module.rows();
    }
  }

  /** {@code sums (F) (+)=} the sums of the columns of {@code dout (N,F)}. */
  static void sumColumns(
      Tape tape, long sums, long dout, long N, long F, boolean accumulate, DType dtype) {
    long zeros = zeros(tape, N * NARROW * dtype.sizeBytes());
    long unwanted = zeros(tape, F * NARROW * Float.BYTES);
    tape.run(
        new LinearCall.BackwardWeight(
            unwanted, sums, dout, zeros, N, NARROW, F, accumulate, dtype));
    tape.free(unwanted);
    tape.free(zeros);
  }

  private static long zeros(Tape tape, long bytes) {
    long block = tape.allocate(bytes);
    tape.run(new FillZeroCall(block, bytes));
    return block;
  }
}
