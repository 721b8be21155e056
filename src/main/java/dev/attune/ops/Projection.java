package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.ops.LowRank.Saved;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.store.Layout;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Part;
import dev.attune.tape.Tape;
import java.util.List;

/**
 * A product by a weight with its bias and its low-rank adapters, plain as {@link Lora} says or
 * weight-decomposed as {@link Dora} says: what the ops that multiply by weights have in common.
 */
public final class Projection {
  private final AdaptedWeight adapted;
  private final LowRank lowRank; // null where there are no adapters

  /** The product by a declared weight. */
  Projection(AdaptedWeight adapted) {
    this.adapted = adapted;
    this.lowRank =
        adapted.adapters().isEmpty()
            ? null
            : adapted.decomposition() == null ? new Lora(adapted) : new Dora(adapted);
  }

  /**
   * Declares a projection of one module.
   *
   * @param module Hugging Face name, without ".weight"
   * @param rows F
   * @param cols C
   */
  public static Projection declare(
      ParameterBuilder builder, String module, long rows, long cols, boolean bias) {
    return declare(builder, List.of(new Part(module, rows)), cols, bias, Layout.PLAIN);
  }

  /** Declares a projection of several modules; see {@link AdaptedWeight#declare}. */
  public static Projection declare(
      ParameterBuilder builder, List<Part> modules, long cols, boolean bias, Layout layout) {
    return new Projection(AdaptedWeight.declare(builder, modules, cols, bias, layout));
  }

  /** The product over a vocabulary; see {@link AdaptedWeight#over}. */
  public static Projection over(
      ParameterBuilder builder, String module, Parameter weight, Parameter bias) {
    return new Projection(AdaptedWeight.over(builder, module, weight, bias));
  }

  /**
   * Adds what the adapters add to {@code out (N,F)}, in inference.
   *
   * @param inp (N,C)
   */
  public void addAdapters(Tape tape, long out, long inp, long N, DType dtype) {
    if (!tape.groups().isEmpty()) {
      GroupedLowRank.add(tape, adapted, out, inp, N, dtype);
      return;
    }
    for (Adapter adapter : adapted.adapters()) {
      long low = LowRank.low(tape, adapter, inp, N, dtype);
      lowRank.add(tape, adapter, out, low, N, dtype);
      tape.free(low);
    }
  }

  /** Address of the bias f32 (F), 0 where there is none. */
  public long biasAddress() {
    return adapted.biasAddress();
  }

  AdaptedWeight adapted() {
    return adapted;
  }

  LowRank lowRank() {
    return lowRank;
  }

  /**
   * The columns {@code begin..end} of the product alone, sharing values and gradients. An adapter
   * of a module that is cut serves both sides, each with a dropout mask of its own.
   */
  public Projection columns(long begin, long end) {
    return new Projection(adapted.columns(begin, end));
  }

  /** F. */
  public long rows() {
    return adapted.rows();
  }

  /** C. */
  public long cols() {
    return adapted.cols();
  }

  /** W (F,C). */
  public Parameter weight() {
    return adapted.weight();
  }

  /** The bias (F), or null. */
  public Parameter bias() {
    return adapted.bias();
  }

  /** Whether a gradient is wanted for anything here, by any job of the pass. */
  boolean trainable(Tape tape) {
    return adapted.trainable() || hasAdapters(tape);
  }

  boolean hasAdapters() {
    return lowRank != null;
  }

  /** Whether there are adapters, of any job of the pass. */
  boolean hasAdapters(Tape tape) {
    return hasAdapters() || isShared(tape) && shared(tape, tape.dtype()).hasAdapters();
  }

  private static boolean isShared(Tape tape) {
    return !tape.ranges().isEmpty();
  }

  private SharedProduct shared(Tape tape, DType dtype) {
    return new SharedProduct(tape, adapted, dtype);
  }

  void checkInput(long cols) {
    Check.argument(
        cols() == cols,
        "%s is (%d, %d), its input has %d columns",
        weight().name(),
        rows(),
        cols(),
        cols);
  }

  /**
   * {@code out (N,F) = act(pre)}, {@code pre = inp (N,C) W^T + bias + adapters}.
   *
   * @param pre receives the pre-activation; may be 0
   * @param needsInputGradient for the count of FLOPs
   */
  Saved forward(
      Tape tape,
      long out,
      long pre,
      long inp,
      long N,
      Activation activation,
      DType dtype,
      boolean needsInputGradient) {
    countFlops(tape, N, needsInputGradient);
    if (!tape.groups().isEmpty()) {
      Check.state(lowRank == null, "%s has adapters for all rows", weight().name());
      GroupedLowRank.forward(tape, adapted, out, inp, N, activation, dtype);
      return Saved.NOTHING;
    }
    if (isShared(tape)) {
      return shared(tape, dtype).forward(out, pre, inp, activation);
    }
    if (lowRank == null) {
      Product.forward(tape, out, pre, inp, weight(), adapted.biasAddress(), N, activation, dtype);
      return Saved.NOTHING;
    }
    long sum = pre == 0 ? out : pre;
    Saved saved = lowRank.forward(tape, sum, inp, N, dtype);
    if (activation != Activation.NONE) {
      tape.run(new ActivationCall.Forward(out, sum, N * rows(), activation, dtype));
    }
    return saved;
  }

  /** Two FLOPs per multiply-add, once forward, once for each gradient that is wanted. */
  private void countFlops(Tape tape, long N, boolean needsInputGradient) {
    long product = 2 * N * cols() * rows() * (lowRank == null ? 1 : lowRank.products(tape));
    tape.countFlops(
        product, (needsInputGradient ? product : 0) + (weight().trainable() ? product : 0));
    for (Adapter adapter : adapted.adapters()) {
      long low = 2 * N * adapter.rank() * (cols() + adapter.up().rows());
      tape.countFlops(low, 2 * low);
    }
  }

  /** Gradients of weight, bias and adapters, from {@code dout (N,F)} and {@code inp (N,C)}. */
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    if (isShared(tape)) {
      shared(tape, dtype).backwardWeight(saved, dout, inp);
      return;
    }
    if (adapted.trainsBiasAlone()) {
      Product.backwardBias(tape, adapted, dout, N, dtype);
    }
    if (lowRank != null) {
      lowRank.backwardWeight(tape, saved, dout, inp, N, dtype);
    } else if (weight().trainable()) {
      Product.backwardWeight(tape, weight(), adapted.bias(), dout, inp, N, dtype);
    }
  }

  /**
   * {@code dinp (N,C) (+)= (dout W + adapters) .* act'(pre)}; follows {@link #backwardWeight} where
   * there are adapters.
   *
   * @param actOut receives act(pre); may be 0
   * @param pre (N,C), or 0 where no activation made the input
   */
  void backwardInput(
      Tape tape,
      Saved saved,
      long dinp,
      long actOut,
      long dout,
      long pre,
      long N,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    if (isShared(tape)) {
      shared(tape, dtype).backwardInput(saved, dinp, actOut, dout, pre, activation, accumulate);
      return;
    }
    if (lowRank == null) {
      Product.backwardInput(
          tape, dinp, actOut, dout, weight(), pre, N, activation, accumulate, dtype);
      return;
    }
    Check.state(
        activation == Activation.NONE || !accumulate,
        "an adapter below an activation cannot add to a gradient");
    lowRank.backwardInput(tape, saved, dinp, dout, N, accumulate, dtype);
    if (activation != Activation.NONE) {
      tape.run(new ActivationCall.Backward(dinp, dinp, pre, N * cols(), activation, false, dtype));
      if (actOut != 0) {
        tape.run(new ActivationCall.Forward(actOut, pre, N * cols(), activation, dtype));
      }
    }
  }

  void release(Tape tape, Saved saved) {
    saved.release(tape);
  }
}
