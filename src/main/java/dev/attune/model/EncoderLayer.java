package dev.attune.model;

import dev.attune.ops.Attention;
import dev.attune.ops.GatherRows;
import dev.attune.ops.LayerNorm;
import dev.attune.ops.Linear;
import dev.attune.ops.Mlp;
import dev.attune.tape.Parameter;
import dev.attune.tape.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;

/** A post-norm transformer encoder layer (Vaswani et al., 2017; Devlin et al., 2018). */
final class EncoderLayer {
  private final EncoderConfig config;
  private final Attention.Heads heads;
  private final int qkv;
  private final int qkvBias;
  private final Affine attentionOut;
  private final Affine attentionNorm;
  private final Affine up;
  private final Affine down;
  private final Affine outNorm;
  private Parameters parameters;

  /** Handles of a weight and its bias. */
  private record Affine(int weight, int bias) {
    static Affine linear(Parameters.Builder builder, String name, int rows, int cols) {
      return new Affine(
          builder.matrix(name + ".weight", rows, cols), builder.vector(name + ".bias", rows));
    }

    static Affine norm(Parameters.Builder builder, String name, int width) {
      return new Affine(
          builder.vector(name + ".weight", width), builder.vector(name + ".bias", width));
    }
  }

  EncoderLayer(Parameters.Builder builder, EncoderConfig config, EncoderNames names, int layer) {
    this.config = config;
    int C = config.width();
    int H = config.heads();
    this.heads = new Attention.Heads(H, H, config.headSize(), config.attentionDropout());
    List<String> projections =
        List.of(
            names.query().formatted(layer),
            names.key().formatted(layer),
            names.value().formatted(layer));
    this.qkv = builder.stacked(projections.stream().map(n -> n + ".weight").toList(), C, C);
    this.qkvBias = builder.stackedVectors(projections.stream().map(n -> n + ".bias").toList(), C);
    this.attentionOut = Affine.linear(builder, names.attentionOut().formatted(layer), C, C);
    this.attentionNorm = Affine.norm(builder, names.attentionNorm().formatted(layer), C);
    this.up = Affine.linear(builder, names.up().formatted(layer), config.intermediate(), C);
    this.down = Affine.linear(builder, names.down().formatted(layer), C, config.intermediate());
    this.outNorm = Affine.norm(builder, names.outNorm().formatted(layer), C);
  }

  void bind(Parameters bound) {
    this.parameters = bound;
  }

  /** (N,C) to (N,C). */
  Tensor forward(Tape tape, Tensor x, Inputs inputs) {
    Tensor projected = Linear.apply(tape, x, parameters.get(qkv), parameters.get(qkvBias));
    Tensor context =
        Attention.apply(tape, heads, projected, inputs.cuSeqlens(), inputs.sequences());
    return finish(tape, context, x);
  }

  /**
   * (N,C) to (B,C): only the first row of each sequence leaves the layer. Keys and values come from
   * all rows, everything else runs on B rows; the numbers are those of {@link #forward}.
   */
  Tensor forwardFirstRows(Tape tape, Tensor x, Inputs inputs) {
    Parameter weight = parameters.get(qkv);
    Parameter bias = parameters.get(qkvBias);
    Tensor keyValues = Linear.apply(tape, x, weight.part(1, 3), bias.part(1, 3));
    Tensor first = GatherRows.apply(tape, x, inputs.firstRows(), inputs.sequences());
    Tensor queries = Linear.apply(tape, first, weight.part(0, 1), bias.part(0, 1));
    Tensor context =
        Attention.apply(
            tape,
            heads,
            queries,
            keyValues,
            inputs.oneEach(),
            inputs.cuSeqlens(),
            inputs.sequences());
    return finish(tape, context, first);
  }

  private Tensor finish(Tape tape, Tensor context, Tensor x) {
    Tensor attended = linear(tape, context, attentionOut);
    Tensor middle = norm(tape, attended, x, attentionNorm);
    Tensor fed =
        Mlp.apply(
            tape,
            middle,
            parameters.get(up.weight),
            parameters.get(up.bias),
            parameters.get(down.weight),
            parameters.get(down.bias),
            config.activation());
    return norm(tape, fed, middle, outNorm);
  }

  private Tensor linear(Tape tape, Tensor inp, Affine affine) {
    return Linear.apply(tape, inp, parameters.get(affine.weight), parameters.get(affine.bias));
  }

  private Tensor norm(Tape tape, Tensor inp, Tensor residual, Affine affine) {
    return LayerNorm.apply(
        tape,
        inp,
        residual,
        parameters.get(affine.weight),
        parameters.get(affine.bias),
        config.layerNormEps(),
        config.hiddenDropout(),
        0f);
  }
}
