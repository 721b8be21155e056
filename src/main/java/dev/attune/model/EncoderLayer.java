package dev.attune.model;

import dev.attune.ops.Attention;
import dev.attune.ops.GatherRows;
import dev.attune.ops.LayerNorm;
import dev.attune.ops.Linear;
import dev.attune.ops.Mlp;
import dev.attune.ops.Projection;
import dev.attune.store.Layout;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.ParameterBuilder.Part;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;
import java.util.stream.Stream;

/** A post-norm transformer encoder layer (Vaswani et al., 2017; Devlin et al., 2018). */
final class EncoderLayer {
  private final EncoderConfig config;
  private final Attention.Heads heads;
  private final Projection qkv;
  private final Projection attentionOut;
  private final Norm attentionNorm;
  private final Projection up;
  private final Projection down;
  private final Norm outNorm;

  EncoderLayer(ParameterBuilder builder, EncoderConfig config, EncoderNames names, int layer) {
    this.config = config;
    int C = config.width();
    int F = config.intermediate();
    this.heads =
        Attention.Heads.bidirectional(config.heads(), config.headSize(), config.attentionDropout());
    List<Part> projections =
        Stream.of(names.query(), names.key(), names.value())
            .map(name -> new Part(name.formatted(layer), C))
            .toList();
    this.qkv = Projection.declare(builder, projections, C, true, Layout.PLAIN);
    this.attentionOut =
        Projection.declare(builder, names.attentionOut().formatted(layer), C, C, true);
    this.attentionNorm =
        Norm.declare(builder, names.attentionNorm().formatted(layer), C, config.layerNormEps());
    this.up = Projection.declare(builder, names.up().formatted(layer), F, C, true);
    this.down = Projection.declare(builder, names.down().formatted(layer), C, F, true);
    this.outNorm =
        Norm.declare(builder, names.outNorm().formatted(layer), C, config.layerNormEps());
  }

  /** (N,C) to (N,C). */
  Tensor forward(Tape tape, Tensor x, Inputs inputs) {
    Tensor projected = Linear.apply(tape, x, qkv);
    Tensor context =
        Attention.apply(
            tape, heads, projected, inputs.cuSeqlens(), inputs.segments(), inputs.maxLength());
    return finish(tape, context, x);
  }

  /**
   * (N,C) to (B,C): only the first row of each sequence leaves the layer. Keys and values come from
   * all rows, everything else runs on B rows; the numbers are those of {@link #forward}.
   */
  Tensor forwardFirstRows(Tape tape, Tensor x, Inputs inputs) {
    if (qkv.weight().isQuantized()) {
      // Packed together, the three cannot be told apart.
      return GatherRows.apply(
          tape, forward(tape, x, inputs), inputs.firstRows(), inputs.sequences());
    }
    Tensor keyValues = Linear.apply(tape, x, qkv.columns(config.width(), 3L * config.width()));
    Tensor first = GatherRows.apply(tape, x, inputs.firstRows(), inputs.sequences());
    Tensor queries = Linear.apply(tape, first, qkv.columns(0, config.width()));
    Tensor context =
        Attention.apply(
            tape,
            heads,
            queries,
            keyValues,
            inputs.oneEach(),
            inputs.cuSeqlens(),
            inputs.segments(),
            inputs.maxLength());
    return finish(tape, context, first);
  }

  private Tensor finish(Tape tape, Tensor context, Tensor x) {
    Tensor attended = Linear.apply(tape, context, attentionOut);
    Tensor middle = norm(tape, attended, x, attentionNorm, config.attentionOutDropout());
    Tensor fed = Mlp.apply(tape, middle, up, down, config.activation());
    return norm(tape, fed, middle, outNorm, config.hiddenDropout());
  }

  private static Tensor norm(Tape tape, Tensor inp, Tensor residual, Norm norm, float inpDropout) {
    return LayerNorm.apply(tape, inp, residual, norm.affine(), inpDropout, 0f);
  }
}
