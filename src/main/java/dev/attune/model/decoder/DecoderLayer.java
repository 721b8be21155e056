package dev.attune.model.decoder;

import dev.attune.model.Inputs;
import dev.attune.ops.Add;
import dev.attune.ops.Attention;
import dev.attune.ops.Dropout;
import dev.attune.ops.GatedMlp;
import dev.attune.ops.GatherRows;
import dev.attune.ops.HeadNorm;
import dev.attune.ops.Linear;
import dev.attune.ops.Mlp;
import dev.attune.ops.Normed;
import dev.attune.ops.Projection;
import dev.attune.ops.Rope;
import dev.attune.store.Layout;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.ParameterBuilder.Part;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * A pre-norm decoder layer (Radford et al., GPT-2, 2019; Touvron et al., LLaMA, 2023; Black et al.,
 * GPT-NeoX, 2022). Between layers the residual stream is in two parts, the last sub-layer's output
 * and the stream around it, so that the next norm adds them in its own pass.
 */
final class DecoderLayer {
  private final DecoderConfig config;
  private final Attention.Heads heads;
  private final StreamNorm attentionNorm;
  private final StreamNorm feedForwardNorm;
  private final Projection queryKeyValue;
  private final Projection attentionOut;
  private final Projection up;
  private final Projection down;
  private final Parameter queryNorm; // null where heads are not normalized; likewise keyNorm
  private final Parameter keyNorm;

  DecoderLayer(ParameterBuilder builder, DecoderConfig config, DecoderNames names, int layer) {
    this.config = config;
    int C = config.width();
    DecoderConfig.Attention a = config.attention();
    this.heads =
        new Attention.Heads(
            a.heads(),
            a.keyValueHeads(),
            a.headSize(),
            a.dropout(),
            true,
            config.windows()[layer],
            (float) (1 / Math.sqrt(a.headSize())));
    this.attentionNorm =
        StreamNorm.declare(builder, names.attentionNorm().formatted(layer), config);
    this.queryKeyValue = queryKeyValue(builder, names, layer);
    this.queryNorm =
        a.headNorm()
            ? builder.vector(names.queryNorm().formatted(layer) + ".weight", a.headSize())
            : null;
    this.keyNorm =
        a.headNorm()
            ? builder.vector(names.keyNorm().formatted(layer) + ".weight", a.headSize())
            : null;
    this.attentionOut =
        product(
            builder,
            names,
            List.of(new Part(names.attentionOut().formatted(layer), C)),
            (int) heads.queryWidth(),
            a.outBias());
    this.feedForwardNorm =
        StreamNorm.declare(builder, names.feedForwardNorm().formatted(layer), config);
    DecoderConfig.FeedForward f = config.feedForward();
    List<Part> upParts = new ArrayList<>();
    if (f.gated()) {
      upParts.add(new Part(names.gate().formatted(layer), f.width()));
    }
    upParts.add(new Part(names.up().formatted(layer), f.width()));
    this.up = product(builder, names, upParts, C, f.bias());
    this.down =
        product(
            builder,
            names,
            List.of(new Part(names.down().formatted(layer), C)),
            f.width(),
            f.bias());
  }

  private Projection queryKeyValue(ParameterBuilder builder, DecoderNames names, int layer) {
    DecoderConfig.Attention a = config.attention();
    int C = config.width();
    List<String> modules = names.queryKeyValue();
    if (modules.size() == 1) {
      List<Part> one = List.of(new Part(modules.get(0).formatted(layer), heads.width()));
      return names.interleaved()
          ? Projection.declare(
              builder, one, C, a.bias(), new Layout.Interleaved(a.heads(), 3, a.headSize(), C))
          : product(builder, names, one, C, a.bias());
    }
    return product(
        builder,
        names,
        List.of(
            new Part(modules.get(0).formatted(layer), heads.queryWidth()),
            new Part(modules.get(1).formatted(layer), heads.keyValueWidth()),
            new Part(modules.get(2).formatted(layer), heads.keyValueWidth())),
        C,
        a.bias());
  }

  private static Projection product(
      ParameterBuilder builder, DecoderNames names, List<Part> parts, int cols, boolean bias) {
    Layout layout =
        names.conv1d() ? new Layout.Transposed((int) parts.get(0).rows(), cols) : Layout.PLAIN;
    return Projection.declare(builder, parts, cols, bias, layout);
  }

  /**
   * The state between layers: what the last sub-layer made, and the stream it is to be added to.
   */
  record State(Tensor branch, Tensor residual) {}

  /**
   * @param rope null where positions are learned
   * @param cache null in training and evaluation: every row sees the rows before it in the batch
   */
  State forward(Tape tape, State state, Inputs inputs, Rope.Table rope, KeyValueCache.Layer cache) {
    Normed first = attentionNorm.apply(tape, state.branch, state.residual, config.branchDropout());
    return finish(tape, attend(tape, first.out(), inputs, rope, cache), first.sum());
  }

  /**
   * The state of the last row of each sequence, (B,C): keys and values come from all rows,
   * everything else runs on B rows. The numbers are those of {@link #forward}; the random streams
   * are others.
   */
  State forwardLastRows(Tape tape, State state, Inputs inputs, Rope.Table rope) {
    long B = inputs.sequences();
    if (queryKeyValue.weight().isQuantized()) {
      // Packed together, the three cannot be told apart.
      State all = forward(tape, state, inputs, rope, null);
      // The stream first: the next norm lends its gradient to the branch.
      Tensor residual = GatherRows.apply(tape, all.residual, inputs.lastRows(), B);
      return new State(GatherRows.apply(tape, all.branch, inputs.lastRows(), B), residual);
    }
    Normed all = attentionNorm.apply(tape, state.branch, state.residual, config.branchDropout());
    Tensor sum = GatherRows.apply(tape, all.sum(), inputs.lastRows(), B);
    Tensor last = GatherRows.apply(tape, all.out(), inputs.lastRows(), B);
    long width = heads.queryWidth();
    Tensor keyValues =
        placed(
            tape,
            Linear.apply(tape, all.out(), queryKeyValue.columns(width, heads.width())),
            false,
            true,
            rope,
            inputs.positions());
    Tensor queries =
        placed(
            tape,
            Linear.apply(tape, last, queryKeyValue.columns(0, width)),
            true,
            false,
            rope,
            inputs.lastPositions());
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
    return finish(tape, Linear.apply(tape, context, attentionOut), sum);
  }

  private State finish(Tape tape, Tensor attended, Tensor sum) {
    if (config.parallelResidual()) {
      // Each branch has a mask of its own, so the next norm, which sees their sum, has none.
      Tensor kept = Dropout.apply(tape, attended, config.residualDropout());
      Tensor fed = feed(tape, feedForwardNorm.applyBeside(tape, sum));
      fed = Dropout.apply(tape, fed, config.residualDropout());
      return new State(Add.apply(tape, kept, fed), sum);
    }
    Normed second = feedForwardNorm.apply(tape, attended, sum, config.residualDropout());
    return new State(feed(tape, second.out()), second.sum());
  }

  private Tensor attend(
      Tape tape, Tensor x, Inputs inputs, Rope.Table rope, KeyValueCache.Layer cache) {
    Tensor projected = Linear.apply(tape, x, queryKeyValue);
    projected = placed(tape, projected, true, true, rope, inputs.positions());
    Tensor context =
        cache == null
            ? Attention.apply(
                tape, heads, projected, inputs.cuSeqlens(), inputs.segments(), inputs.maxLength())
            : cache.attend(tape, heads, projected, inputs);
    return Linear.apply(tape, context, attentionOut);
  }

  /**
   * Query and key heads, normalized and rotated where the family does so.
   *
   * @param projected queries, then keys and values, as far as they are there; consumed
   * @param positions of its rows, i32 on the device
   */
  private Tensor placed(
      Tape tape,
      Tensor projected,
      boolean hasQueries,
      boolean hasKeys,
      Rope.Table rope,
      long positions) {
    Tensor x = projected;
    if (queryNorm != null) {
      x =
          HeadNorm.apply(
              tape,
              heads,
              x,
              hasQueries ? queryNorm : null,
              hasKeys ? keyNorm : null,
              config.norm().eps());
    }
    if (rope != null) {
      int count = (hasQueries ? heads.heads() : 0) + (hasKeys ? heads.keyValueHeads() : 0);
      x = Rope.apply(tape, rope, x, count, heads.headSize(), positions);
    }
    return x;
  }

  private Tensor feed(Tape tape, Tensor x) {
    DecoderConfig.FeedForward f = config.feedForward();
    return f.gated()
        ? GatedMlp.apply(tape, x, up, down, f.activation())
        : Mlp.apply(tape, x, up, down, f.activation());
  }
}
