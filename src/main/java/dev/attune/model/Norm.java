package dev.attune.model;

import dev.attune.ops.LayerNorm;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;

/** A layer norm's place in a model: handles first, parameters once they are built. */
public final class Norm {
  private final int weight;
  private final int bias;
  private final float eps;
  private LayerNorm.Affine affine;

  private Norm(int weight, int bias, float eps) {
    this.weight = weight;
    this.bias = bias;
    this.eps = eps;
  }

  /** Declares weight and bias of a module. */
  public static Norm declare(ParameterBuilder builder, String module, int width, float eps) {
    return new Norm(
        builder.vector(module + ".weight", width), builder.vector(module + ".bias", width), eps);
  }

  public void bind(Parameters parameters) {
    affine = new LayerNorm.Affine(parameters.get(weight), parameters.get(bias), eps);
  }

  public LayerNorm.Affine affine() {
    return affine;
  }
}
