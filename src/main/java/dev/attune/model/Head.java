package dev.attune.model;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.ops.Cast;
import dev.attune.ops.Dropout;
import dev.attune.ops.Linear;
import dev.attune.ops.Projection;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * A head: dropout, an optional dense layer with its activation, dropout, the last product; all in
 * f32.
 */
public final class Head {
  /**
   * Names and choices of a family's head.
   *
   * @param dense name of the dense layer, or null
   * @param activation of the dense layer
   * @param dropsBeforeDense whether the head's dropout is before the dense layer too
   * @param out name of the last product
   * @param outBias whether the last product has a bias
   * @param drops whether there is a dropout before the last product
   */
  public record Spec(
      String dense,
      Activation activation,
      boolean dropsBeforeDense,
      String out,
      boolean outBias,
      boolean drops) {
    /** A dense layer with its activation, and the last product. */
    public static Spec dense(
        String dense, Activation activation, boolean dropsBeforeDense, String out) {
      return new Spec(dense, activation, dropsBeforeDense, out, true, true);
    }

    /** The last product, after a dropout. */
    public static Spec linear(String out) {
      return new Spec(null, Activation.NONE, false, out, true, true);
    }

    /** The last product alone. */
    public static Spec linearWithoutDropout(String out) {
      return new Spec(null, Activation.NONE, false, out, true, false);
    }

    /** The last product alone, without bias. */
    public static Spec linearWithoutBias(String out) {
      return new Spec(null, Activation.NONE, false, out, false, false);
    }
  }

  private final Spec spec;
  private final float dropout;
  private final Projection dense;
  private final Projection out;

  /**
   * @param width C
   * @param outputs K
   * @param dropout before the last product
   */
  public Head(ParameterBuilder builder, Spec spec, int width, int outputs, float dropout) {
    this.spec = spec;
    this.dropout = dropout;
    this.dense =
        spec.dense() == null
            ? null
            : builder.asNew(() -> Projection.declare(builder, spec.dense(), width, width, true));
    this.out =
        builder.asNew(
            () -> Projection.declare(builder, spec.out(), outputs, width, spec.outBias()));
  }

  /** Whether a tensor name is one of this head's. */
  public boolean owns(String tensorName) {
    String module = tensorName.substring(0, Math.max(0, tensorName.lastIndexOf('.')));
    return module.equals(spec.out()) || module.equals(spec.dense());
  }

  /** (M,C) to logits (M,K) f32. */
  public Tensor forward(Tape tape, Tensor features) {
    Tensor x = Cast.apply(tape, features, DType.F32);
    if (dense != null) {
      x = Dropout.apply(tape, x, spec.dropsBeforeDense() ? dropout : 0f);
      x = Linear.apply(tape, x, dense, spec.activation());
    }
    x = Dropout.apply(tape, x, spec.drops() ? dropout : 0f);
    return Linear.apply(tape, x, out);
  }
}
