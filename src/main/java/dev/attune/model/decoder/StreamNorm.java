package dev.attune.model.decoder;

import dev.attune.ops.LayerNorm;
import dev.attune.ops.Normed;
import dev.attune.ops.RmsNorm;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** The norm before a sub-layer, of either kind. */
final class StreamNorm {
  private final DecoderConfig.Norm config;
  private final Parameter weight;
  private final LayerNorm.Affine affine; // null where there is no mean to subtract

  private StreamNorm(DecoderConfig.Norm config, Parameter weight, LayerNorm.Affine affine) {
    this.config = config;
    this.weight = weight;
    this.affine = affine;
  }

  static StreamNorm declare(ParameterBuilder builder, String module, DecoderConfig config) {
    Parameter weight = builder.vector(module + ".weight", config.width());
    if (config.norm().rms()) {
      return new StreamNorm(config.norm(), weight, null);
    }
    Parameter bias = builder.vector(module + ".bias", config.width());
    return new StreamNorm(
        config.norm(), weight, new LayerNorm.Affine(weight, bias, config.norm().eps()));
  }

  /**
   * @param branch (N,C); consumed
   * @param residual (N,C), or null at the first layer
   * @param dropout on the branch; only layer norms have it
   */
  Normed apply(Tape tape, Tensor branch, Tensor residual, float dropout) {
    if (config.rms()) {
      return RmsNorm.apply(tape, branch, residual, weight, config.eps());
    }
    return LayerNorm.applyBefore(tape, branch, residual, affine, residual == null ? 0f : dropout);
  }

  /** A second norm of a stream that stays; layer norms only. */
  Tensor applyBeside(Tape tape, Tensor sum) {
    return LayerNorm.applyBeside(tape, sum, affine);
  }
}
