package dev.attune.model.decoder;

import dev.attune.ops.LayerNorm;
import dev.attune.ops.Normed;
import dev.attune.ops.RmsNorm;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** The norm before a sub-layer, of either kind. */
final class StreamNorm {
  private final DecoderConfig.Norm config;
  private final int weightHandle;
  private final int biasHandle;
  private Parameter weight;
  private LayerNorm.Affine affine;

  private StreamNorm(DecoderConfig.Norm config, int weightHandle, int biasHandle) {
    this.config = config;
    this.weightHandle = weightHandle;
    this.biasHandle = biasHandle;
  }

  static StreamNorm declare(ParameterBuilder builder, String module, DecoderConfig config) {
    int weight = builder.vector(module + ".weight", config.width());
    int bias = config.norm().rms() ? -1 : builder.vector(module + ".bias", config.width());
    return new StreamNorm(config.norm(), weight, bias);
  }

  void bind(Parameters parameters) {
    weight = parameters.get(weightHandle);
    if (!config.rms()) {
      affine = new LayerNorm.Affine(weight, parameters.get(biasHandle), config.eps());
    }
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
