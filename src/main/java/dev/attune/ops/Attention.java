package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Variable-length multi-head self-attention over packed rows (Dao, FlashAttention-2, 2023). Queries
 * are either all rows, or one row per sequence when only those are needed (with causal heads, the
 * last).
 */
public final class Attention implements Node {
  /**
   * Shape of the heads.
   *
   * @param heads H query heads
   * @param keyValueHeads Hkv
   * @param headSize D
   * @param dropout on the probabilities
   * @param causal whether a row sees only itself and the rows before it in its sequence
   * @param window how far a row sees, itself included: back, and ahead too where it is not causal;
   *     0: all
   * @param scale of the scores; usually 1 / sqrt(D)
   */
  public record Heads(
      int heads,
      int keyValueHeads,
      int headSize,
      float dropout,
      boolean causal,
      int window,
      float scale) {
    /** H D. */
    public long queryWidth() {
      return (long) heads * headSize;
    }

    /** Hkv D. */
    public long keyValueWidth() {
      return (long) keyValueHeads * headSize;
    }

    /** (H + 2 Hkv) D: query, key and value of a row. */
    public long width() {
      return queryWidth() + 2 * keyValueWidth();
    }
  }

  private final Heads heads;
  private final Tensor queries;
  private final Tensor keyValues;
  private final Tensor bias; // or null
  private final long queryOffset;
  private final long keyOffset;
  private final long cuQueries;
  private final long cuKeys;
  private final long B;
  private final long maxLength;
  private final float dropout;
  private final long stream;
  private final long lse;
  private final Tensor out;

  private Attention(
      Heads heads,
      Tensor queries,
      Tensor keyValues,
      Tensor bias,
      long queryOffset,
      long keyOffset,
      long cuQueries,
      long cuKeys,
      long B,
      long maxLength,
      float dropout,
      long stream,
      long lse,
      Tensor out) {
    this.heads = heads;
    this.queries = queries;
    this.keyValues = keyValues;
    this.bias = bias;
    this.queryOffset = queryOffset;
    this.keyOffset = keyOffset;
    this.cuQueries = cuQueries;
    this.cuKeys = cuKeys;
    this.B = B;
    this.maxLength = maxLength;
    this.dropout = dropout;
    this.stream = stream;
    this.lse = lse;
    this.out = out;
  }

  /**
   * Self-attention.
   *
   * @param qkv (N, (H + 2 Hkv) D): query, key and value of every row
   * @param bias (H, 2 reach + 1) f32 of {@link RelativeBias}, or null
   * @param cuSeqlens (B+1) i32 on the device
   * @param B number of sequences
   * @param maxLength which the rows of no sequence exceed
   * @return (N, H D)
   */
  public static Tensor apply(
      Tape tape, Heads heads, Tensor qkv, Tensor bias, long cuSeqlens, long B, long maxLength) {
    Check.argument(
        qkv.cols() == heads.width(),
        "attention over %d columns, expected (H + 2 Hkv) D = %d",
        qkv.cols(),
        heads.width());
    return apply(
        tape, heads, qkv, qkv, bias, 0, heads.queryWidth(), cuSeqlens, cuSeqlens, B, maxLength);
  }

  /**
   * Attention of some rows only. The queries of a sequence stand at the last of its keys.
   *
   * @param queries (M, H D)
   * @param keyValues (N, 2 Hkv D): key and value of every row
   * @param cuQueries (B+1) i32 on the device: bounds of each sequence's queries
   * @param cuKeys (B+1) i32 on the device
   * @param maxLength which the queries and the keys of no sequence exceed
   * @return (M, H D)
   */
  public static Tensor apply(
      Tape tape,
      Heads heads,
      Tensor queries,
      Tensor keyValues,
      long cuQueries,
      long cuKeys,
      long B,
      long maxLength) {
    Check.argument(
        queries.cols() == heads.queryWidth() && keyValues.cols() == 2 * heads.keyValueWidth(),
        "attention over %d and %d columns, expected %d and %d",
        queries.cols(),
        keyValues.cols(),
        heads.queryWidth(),
        2 * heads.keyValueWidth());
    return apply(tape, heads, queries, keyValues, null, 0, 0, cuQueries, cuKeys, B, maxLength);
  }

  private static Tensor apply(
      Tape tape,
      Heads heads,
      Tensor queries,
      Tensor keyValues,
      Tensor bias,
      long queryOffset,
      long keyOffset,
      long cuQueries,
      long cuKeys,
      long B,
      long maxLength) {
    Check.argument(
        bias == null || (bias.rows() == heads.heads() && bias.cols() % 2 == 1),
        "a bias of %d heads and %d offsets; expected %d heads, and as many offsets to each side",
        bias == null ? 0 : bias.rows(),
        bias == null ? 0 : bias.cols(),
        heads.heads());
    Tensor out =
        tape.tensor(
            queries.rows(),
            heads.queryWidth(),
            queries.dtype(),
            queries.requiresGrad()
                || keyValues.requiresGrad()
                || (bias != null && bias.requiresGrad()));
    long lse = tape.allocate(heads.heads() * queries.rows() * Float.BYTES);
    Attention node =
        new Attention(
            heads,
            queries,
            keyValues,
            bias,
            queryOffset,
            keyOffset,
            cuQueries,
            cuKeys,
            B,
            maxLength,
            tape.dropout(heads.dropout()),
            tape.takeStreams(1),
            lse,
            out);
    tape.run(
        new AttentionCall.Forward(
            out.address(),
            lse,
            node.query(queries.address()),
            node.key(keyValues.address()),
            node.value(keyValues.address()),
            bias == null ? 0 : bias.address(),
            cuQueries,
            cuKeys,
            node.problem(tape)));
    return tape.record(node);
  }

  private AttentionCall.Problem problem(Tape tape) {
    return new AttentionCall.Problem(
        queries.cols(),
        keyValues.cols(),
        B,
        maxLength,
        heads.heads(),
        heads.keyValueHeads(),
        heads.headSize(),
        bias == null ? 0 : (bias.cols() - 1) / 2,
        heads.scale(),
        heads.causal(),
        heads.window(),
        dropout,
        tape.seed(),
        stream,
        queries.dtype());
  }

  private long query(long base) {
    return base + queryOffset * queries.dtype().sizeBytes();
  }

  private long key(long base) {
    return base + keyOffset * keyValues.dtype().sizeBytes();
  }

  private long value(long base) {
    return base + (keyOffset + heads.keyValueWidth()) * keyValues.dtype().sizeBytes();
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    Check.state(
        queries.gradient() == 0 && keyValues.gradient() == 0,
        "queries, keys and values of attention must have no other consumer");
    long dqueries = tape.gradientOf(queries);
    long dkeyValues = tape.gradientOf(keyValues);
    long dbias = bias == null || !bias.requiresGrad() ? 0 : biasGradient(tape);
    tape.run(
        new AttentionCall.Backward(
            query(dqueries),
            key(dkeyValues),
            value(dkeyValues),
            dbias,
            out.gradient(),
            query(queries.address()),
            key(keyValues.address()),
            value(keyValues.address()),
            bias == null ? 0 : bias.address(),
            out.address(),
            lse,
            cuQueries,
            cuKeys,
            problem(tape)));
  }

  /** Layers that share a bias add to one gradient. */
  private long biasGradient(Tape tape) {
    if (bias.gradient() == 0) {
      long sizeBytes = bias.sizeBytes();
      tape.run(new FillZeroCall(tape.gradientOf(bias), sizeBytes));
    }
    return bias.gradient();
  }

  @Override
  public void release(Tape tape) {
    tape.free(lse);
  }
}
