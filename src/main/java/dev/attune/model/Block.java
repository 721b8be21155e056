package dev.attune.model;

import dev.attune.model.Names.Module;
import dev.attune.ops.Add;
import dev.attune.ops.Attention;
import dev.attune.ops.DisentangledAttention;
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
import dev.attune.store.Part;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The block that every transformer here is a stack of (Vaswani et al., 2017): attention and a
 * feed-forward part around a stream of rows, with the switches of {@link TransformerConfig}. A
 * block holds one set of parameters, which several layers may share.
 *
 * <p>Between layers the stream is in two parts where norms stand before sub-layers, the last
 * sub-layer's output and the stream around it, so that the next norm adds them in its own pass.
 */
final class Block {
  /**
   * The stream between layers.
   *
   * @param branch (N,C) what the last sub-layer gave
   * @param residual (N,C) what it is to be added to; null: nothing
   */
  record State(Tensor branch, Tensor residual) {
    static State of(Tensor... parts) {
      return new State(parts[0], parts.length == 1 ? null : parts[1]);
    }

    Tensor[] parts() {
      return residual == null ? new Tensor[] {branch} : new Tensor[] {branch, residual};
    }
  }

  /**
   * What a layer adds to its block's parameters.
   *
   * @param heads with the layer's window
   * @param rope null where heads do not turn
   * @param turnsFirst whether even the first position changes heads: it does where sines and
   *     cosines are scaled
   */
  record Place(Attention.Heads heads, Rope.Table rope, boolean turnsFirst) {}

  private final TransformerConfig config;
  private final Norm beforeAttention; // null where none stands there; likewise the others
  private final Projection queryKeyValue;
  private final Projection positions; // of rows by distance, where those have products of their own
  private final Parameter queryNorm;
  private final Parameter keyNorm;
  private final Projection attentionOut;
  private final Norm afterAttention;
  private final Norm beforeFeedForward;
  private final Projection up; // gate above up where there is a gate
  private final Projection down;
  private final Norm afterFeedForward;

  /** Declares the parameters of a layer, and of all that share its label. */
  Block(
      ParameterBuilder builder,
      TransformerConfig config,
      Names names,
      TransformerConfig.Layer layer) {
    this.config = config;
    String label = layer.label();
    TransformerConfig.Norms n = config.norms();
    TransformerConfig.Attention a = config.attention();
    TransformerConfig.FeedForward f = config.feedForward();
    int C = config.width();
    int queryWidth = a.heads() * a.headSize();
    this.beforeAttention =
        n.before() && !layer.skipsFirstNorm()
            ? norm(builder, names.of(Module.ATTENTION_NORM, label))
            : null;
    this.queryKeyValue = queryKeyValue(builder, names, label);
    this.positions = positions(builder, names, label);
    this.queryNorm =
        a.normalizesHeads()
            ? builder.vector(names.of(Module.QUERY_NORM, label) + ".weight", a.headSize())
            : null;
    this.keyNorm =
        a.normalizesHeads()
            ? builder.vector(names.of(Module.KEY_NORM, label) + ".weight", a.headSize())
            : null;
    List<String> out = List.of(names.of(Module.ATTENTION_OUT, label));
    this.attentionOut = product(builder, names, out, List.of(C), queryWidth, a.outBias());
    this.afterAttention =
        n.after() ? norm(builder, names.of(after(Module.ATTENTION_NORM), label)) : null;
    this.beforeFeedForward =
        n.before() ? norm(builder, names.of(Module.FEED_FORWARD_NORM, label)) : null;
    this.up =
        f.isGated()
            ? product(
                builder, names, names.gateUp(label), List.of(f.width(), f.width()), C, f.bias())
            : product(
                builder,
                names,
                List.of(names.of(Module.UP, label)),
                List.of(f.width()),
                C,
                f.bias());
    this.down =
        product(
            builder, names, List.of(names.of(Module.DOWN, label)), List.of(C), f.width(), f.bias());
    this.afterFeedForward =
        n.after() ? norm(builder, names.of(after(Module.FEED_FORWARD_NORM), label)) : null;
  }

  private Norm norm(ParameterBuilder builder, String module) {
    return Norm.declare(builder, module, config.norms(), config.width());
  }

  /** Which name the norm after a sub-layer has: where it is the only one, the plain one. */
  private Module after(Module plain) {
    if (!config.norms().before()) {
      return plain;
    }
    return plain == Module.ATTENTION_NORM
        ? Module.ATTENTION_OUT_NORM
        : Module.FEED_FORWARD_OUT_NORM;
  }

  private Projection queryKeyValue(ParameterBuilder builder, Names names, String label) {
    TransformerConfig.Attention a = config.attention();
    List<String> modules = names.queryKeyValue(label);
    int query = a.heads() * a.headSize();
    int keyValue = a.keyValueHeads() * a.headSize();
    if (names.isHeadByHead()) {
      return Projection.declare(
          builder,
          List.of(new Part(modules.get(0), query + 2 * keyValue)),
          config.width(),
          a.bias(),
          new Layout.Interleaved(a.heads(), 3, a.headSize(), config.width()));
    }
    return product(
        builder, names, modules, List.of(query, keyValue, keyValue), config.width(), a.bias());
  }

  /** What keys meet, then what queries meet, of rows by distance. */
  private Projection positions(ParameterBuilder builder, Names names, String label) {
    DisentangledPositions d = config.disentangled();
    if (d == null || d.sharesProducts()) {
      return null;
    }
    int width = config.attention().heads() * config.attention().headSize();
    List<String> modules = new ArrayList<>();
    if (d.positionToContent()) {
      modules.add(names.of(Module.POSITION_QUERY, label));
    }
    if (d.contentToPosition()) {
      modules.add(names.of(Module.POSITION_KEY, label));
    }
    List<Integer> rows = Collections.nCopies(modules.size(), width);
    return product(builder, names, modules, rows, config.width(), true);
  }

  /** Declares a product of several modules; or of one that has the rows of them all. */
  private static Projection product(
      ParameterBuilder builder,
      Names names,
      List<String> modules,
      List<Integer> rows,
      int cols,
      boolean bias) {
    List<Part> parts = new ArrayList<>();
    if (modules.size() == 1) {
      int all = rows.stream().mapToInt(Integer::intValue).sum();
      parts.add(new Part(modules.get(0), all));
    } else {
      for (int i = 0; i < modules.size(); i++) {
        parts.add(new Part(modules.get(i), rows.get(i)));
      }
    }
    Layout layout =
        names.isConv1d() ? new Layout.Transposed((int) parts.get(0).rows(), cols) : Layout.PLAIN;
    return Projection.declare(builder, parts, cols, bias, layout);
  }

  /** Dropout on what a layer adds to the stream, for the norm that adds it. */
  static float branchDropout(TransformerConfig config) {
    // Parallel branches have masks of their own.
    return config.isParallel() ? 0f : config.feedForward().outDropout();
  }

  /**
   * @param distances what scores get by distance
   * @param cache null in training and evaluation: every row sees the rows of the batch
   */
  State forward(
      Tape tape,
      State state,
      Inputs inputs,
      Place at,
      Positions.Distances distances,
      KeyValueCache.Layer cache) {
    Normed in = enter(tape, state);
    Tensor projected = Linear.apply(tape, in.out(), queryKeyValue);
    projected = placed(tape, projected, true, true, at, inputs.positions());
    Tensor context =
        cache == null
            ? attend(tape, at.heads, projected, inputs, distances)
            : cache.attend(tape, at.heads, projected, inputs);
    return finish(tape, Linear.apply(tape, context, attentionOut), in.sum());
  }

  private Tensor attend(
      Tape tape,
      Attention.Heads heads,
      Tensor projected,
      Inputs inputs,
      Positions.Distances distances) {
    DisentangledPositions d = config.disentangled();
    if (d == null) {
      return Attention.apply(
          tape,
          heads,
          projected,
          distances.shared(),
          inputs.cuSeqlens(),
          inputs.segments(),
          inputs.maxLength());
    }
    Tensor rows = distances.rows(tape, d.dropout());
    // Of the product of the rows of the sequences only those that scores read, where it can be cut.
    long width = heads.queryWidth();
    boolean isWhole = positions == null && !queryKeyValue.weight().canBeCutAt(width);
    Projection product =
        positions != null
            ? positions
            : isWhole
                ? queryKeyValue
                : queryKeyValue.columns(
                    d.positionToContent() ? 0 : width, d.contentToPosition() ? 2 * width : width);
    int key = isWhole || d.positionToContent() ? 1 : 0;
    return DisentangledAttention.apply(
        tape,
        heads,
        projected,
        new DisentangledAttention.Positions(
            Linear.apply(tape, rows, product),
            d.positionToContent() ? 0 : DisentangledAttention.Positions.NONE,
            d.contentToPosition() ? key : DisentangledAttention.Positions.NONE,
            distances.places()),
        inputs.cuSeqlens(),
        inputs.segments(),
        inputs.maxLength());
  }

  /**
   * The stream of one row of each sequence, (B,C): keys and values come from all rows, everything
   * else runs on B rows. The numbers are those of {@link #forward}; the random streams are others
   * where norms stand before sub-layers.
   *
   * @param rows (B) i32 on the device: the first of each sequence, or the last where attention is
   *     causal
   * @param distances as of {@link #forward}
   * @param positions (B) of those rows; 0: the first, which do not turn
   */
  State forwardRows(
      Tape tape,
      State state,
      Inputs inputs,
      Place at,
      Positions.Distances distances,
      long rows,
      long positions) {
    long B = inputs.sequences();
    boolean isPlaced =
        at.heads.causal()
            ? rows == inputs.firstRows()
            : at.heads.window() > 0 || distances.shared() != null;
    isPlaced |= positions == 0 && at.turnsFirst;
    if (!queryKeyValue.weight().canBeCutAt(at.heads.queryWidth()) || isPlaced) {
      // In blocks, the three cannot be told apart; and attention takes a lone row for the last of
      // its sequence, from which it counts windows and distances.
      State all = forward(tape, state, inputs, at, distances, null);
      if (all.residual == null) {
        return new State(GatherRows.apply(tape, all.branch, rows, B), null);
      }
      // The stream first: the next norm lends its gradient to the branch.
      Tensor residual = GatherRows.apply(tape, all.residual, rows, B);
      return new State(GatherRows.apply(tape, all.branch, rows, B), residual);
    }
    Normed in = enter(tape, state);
    long width = at.heads.queryWidth();
    Projection toKeyValues = queryKeyValue.columns(width, at.heads.width());
    Tensor keyValues;
    Tensor sum;
    Tensor narrow;
    if (in.out() == in.sum()) {
      keyValues = Linear.apply(tape, in.out(), toKeyValues);
      sum = GatherRows.apply(tape, in.out(), rows, B);
      narrow = sum;
    } else {
      sum = GatherRows.apply(tape, in.sum(), rows, B);
      narrow = GatherRows.apply(tape, in.out(), rows, B);
      keyValues = Linear.apply(tape, in.out(), toKeyValues);
    }
    keyValues = placed(tape, keyValues, false, true, at, inputs.positions());
    Tensor queries = Linear.apply(tape, narrow, queryKeyValue.columns(0, width));
    queries = placed(tape, queries, true, false, at, positions);
    Tensor context =
        Attention.apply(
            tape,
            at.heads,
            queries,
            keyValues,
            inputs.oneEach(),
            inputs.cuSeqlens(),
            inputs.segments(),
            inputs.maxLength());
    return finish(tape, Linear.apply(tape, context, attentionOut), sum);
  }

  /** What attention reads, and the stream around it. */
  private Normed enter(Tape tape, State state) {
    if (beforeAttention == null) {
      return new Normed(state.branch, state.branch);
    }
    float dropout = state.residual == null ? 0f : branchDropout(config);
    return beforeAttention.before(tape, state.branch, state.residual, dropout);
  }

  /**
   * The feed-forward part.
   *
   * @param attended what attention gave; consumed
   * @param sum the stream around it
   */
  private State finish(Tape tape, Tensor attended, Tensor sum) {
    float attentionDropout = config.attention().outDropout();
    float feedForwardDropout = config.feedForward().outDropout();
    if (config.isParallel()) {
      // Each branch has a mask of its own, so the next norm, which sees their sum, has none.
      Tensor kept = Dropout.apply(tape, attended, attentionDropout);
      Tensor fed = feed(tape, beforeFeedForward.beside(tape, sum));
      fed = Dropout.apply(tape, fed, feedForwardDropout);
      return new State(Add.apply(tape, kept, fed), sum);
    }
    if (!config.norms().before()) {
      Tensor middle = afterAttention.after(tape, attended, sum, attentionDropout, 0f);
      Tensor fed = feed(tape, middle);
      return new State(afterFeedForward.after(tape, fed, middle, feedForwardDropout, 0f), null);
    }
    Tensor branch = attended;
    if (afterAttention != null) {
      branch = afterAttention.after(tape, branch, null, 0f, 0f);
    }
    Normed second = beforeFeedForward.before(tape, branch, sum, attentionDropout);
    Tensor fed = feed(tape, second.out());
    if (afterFeedForward != null) {
      fed = afterFeedForward.after(tape, fed, null, 0f, 0f);
    }
    return new State(fed, second.sum());
  }

  /**
   * Query and key heads, normalized and turned where the family does so.
   *
   * @param projected queries, then keys and values, as far as they are there; consumed
   * @param positions of its rows, i32 on the device; 0: all are at the first, which does not turn
   */
  private Tensor placed(
      Tape tape, Tensor projected, boolean hasQueries, boolean hasKeys, Place at, long positions) {
    Attention.Heads heads = at.heads;
    Tensor x = projected;
    if (queryNorm != null) {
      x =
          HeadNorm.apply(
              tape,
              heads,
              x,
              hasQueries ? queryNorm : null,
              hasKeys ? keyNorm : null,
              config.norms().eps());
    }
    if (at.rope != null && positions != 0) {
      int count = (hasQueries ? heads.heads() : 0) + (hasKeys ? heads.keyValueHeads() : 0);
      x = Rope.apply(tape, at.rope, x, count, heads.headSize(), positions);
    }
    return x;
  }

  private Tensor feed(Tape tape, Tensor x) {
    TransformerConfig.FeedForward f = config.feedForward();
    return f.isGated()
        ? GatedMlp.apply(tape, x, up, down, f.activation())
        : Mlp.apply(tape, x, up, down, f.activation());
  }
}
