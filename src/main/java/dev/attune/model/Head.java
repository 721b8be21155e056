package dev.attune.model;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.ops.Cast;
import dev.attune.ops.Dropout;
import dev.attune.ops.Linear;
import dev.attune.tape.Parameters;
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
   * @param denseDropout before the dense layer
   * @param out name of the last product
   */
  public record Spec(String dense, Activation activation, float denseDropout, String out) {
    /** The last product alone. */
    public static Spec linear(String out) {
      return new Spec(null, Activation.NONE, 0f, out);
    }

    /** The same with another dropout, where it has one. */
    Spec withDropout(float probability) {
      return new Spec(dense, activation, denseDropout > 0 ? probability : 0f, out);
    }
  }

  private final Spec spec;
  private final float dropout;
  private final int denseWeight;
  private final int denseBias;
  private final int outWeight;
  private final int outBias;
  private Parameters parameters;

  /**
   * @param width C
   * @param outputs K
   * @param dropout before the last product
   */
  public Head(Parameters.Builder builder, Spec spec, int width, int outputs, float dropout) {
    this.spec = spec;
    this.dropout = dropout;
    boolean hasDense = spec.dense() != null;
    this.denseWeight = hasDense ? builder.matrix(spec.dense() + ".weight", width, width) : -1;
    this.denseBias = hasDense ? builder.vector(spec.dense() + ".bias", width) : -1;
    this.outWeight = builder.matrix(spec.out() + ".weight", outputs, width);
    this.outBias = builder.vector(spec.out() + ".bias", outputs);
  }

  public void bind(Parameters bound) {
    this.parameters = bound;
  }

  /** Whether a tensor name is one of this head's. */
  public boolean owns(String tensorName) {
    String module = tensorName.substring(0, Math.max(0, tensorName.lastIndexOf('.')));
    return module.equals(spec.out()) || module.equals(spec.dense());
  }

  /** (M,C) to logits (M,K) f32. */
  public Tensor forward(Tape tape, Tensor features) {
    Tensor x = Cast.apply(tape, features, DType.F32);
    if (spec.dense() != null) {
      x = Dropout.apply(tape, x, spec.denseDropout());
      x =
          Linear.apply(
              tape, x, parameters.get(denseWeight), parameters.get(denseBias), spec.activation());
    }
    x = Dropout.apply(tape, x, dropout);
    return Linear.apply(tape, x, parameters.get(outWeight), parameters.get(outBias));
  }
}
