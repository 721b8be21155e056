package dev.attune.model;

import dev.attune.ops.LayerNorm;
import dev.attune.store.ParameterBuilder;

/**
 * A layer norm's place in a model.
 *
 * @param affine its weight and bias
 */
public record Norm(LayerNorm.Affine affine) {
  /** Declares weight and bias of a module. */
  public static Norm declare(ParameterBuilder builder, String module, int width, float eps) {
    return new Norm(
        new LayerNorm.Affine(
            builder.vector(module + ".weight", width),
            builder.vector(module + ".bias", width),
            eps));
  }
}
