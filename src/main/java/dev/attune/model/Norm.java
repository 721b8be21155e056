package dev.attune.model;

import dev.attune.core.Check;
import dev.attune.ops.Dropout;
import dev.attune.ops.LayerNorm;
import dev.attune.ops.Normed;
import dev.attune.ops.RmsNorm;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** A norm of either kind, wherever it stands in a model. */
final class Norm {
  private final TransformerConfig.Norms config;
  private final Parameter weight;
  private final LayerNorm.Affine affine; // null where there is no mean to subtract

  private Norm(TransformerConfig.Norms config, Parameter weight, LayerNorm.Affine affine) {
    this.config = config;
    this.weight = weight;
    this.affine = affine;
  }

  /** Declares a norm of so many columns. */
  static Norm declare(
      ParameterBuilder builder, String module, TransformerConfig.Norms config, int width) {
    Parameter weight = builder.vector(module + ".weight", width);
    if (config.isRms()) {
      return new Norm(config, weight, null);
    }
    Parameter bias = config.bias() ? builder.vector(module + ".bias", width) : null;
    return new Norm(config, weight, new LayerNorm.Affine(weight, bias, config.eps()));
  }

  /**
   * The norm before a sub-layer.
   *
   * @param branch (N,C), what the sub-layer before gave; consumed
   * @param residual (N,C), the stream around it, or null at the first layer
   * @param dropout on the branch
   */
  Normed before(Tape tape, Tensor branch, Tensor residual, float dropout) {
    if (config.isRms()) {
      return RmsNorm.apply(tape, dropped(tape, branch, dropout), residual, weight, config.eps());
    }
    return LayerNorm.applyBefore(tape, branch, residual, affine, dropout);
  }

  /** A second norm of a stream that stays; layer norms only. */
  Tensor beside(Tape tape, Tensor sum) {
    Check.state(!config.isRms(), "%s normalizes no stream that stays", weight.name());
    return LayerNorm.applyBeside(tape, sum, affine);
  }

  /**
   * The norm of a sum that nothing else reads: after a sub-layer, or of what one gives.
   *
   * @param inp (N,C); consumed
   * @param residual (N,C), or null
   * @param inpDropout on inp
   * @param outDropout on the result
   */
  Tensor after(Tape tape, Tensor inp, Tensor residual, float inpDropout, float outDropout) {
    if (config.isRms()) {
      Tensor branch = dropped(tape, inp, inpDropout);
      Tensor out = RmsNorm.apply(tape, branch, residual, weight, config.eps()).out();
      return dropped(tape, out, outDropout);
    }
    return LayerNorm.apply(tape, inp, residual, affine, inpDropout, outDropout);
  }

  /** Layer norms have dropout in their own pass, these have not. */
  private static Tensor dropped(Tape tape, Tensor x, float dropout) {
    return dropout == 0 ? x : Dropout.apply(tape, x, dropout);
  }
}
