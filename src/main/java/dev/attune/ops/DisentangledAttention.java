package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.DisentangledAttentionCall;
import dev.attune.kernels.calls.DisentangledAttentionCall.Scores;
import dev.attune.kernels.calls.DisentangledAttentionCall.Shape;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.Arrays;

/**
 * Variable-length multi-head self-attention whose scores know content and relative position apart
 * (He et al., DeBERTa, 2021): beside query and key, the query meets a row of positions, and the key
 * another, by how far the one is from the other. Every row sees its whole sequence.
 */
public final class DisentangledAttention implements Node {
  /** The largest distance at which positions can still differ. */
  private static final int MAX_REACH = 65_535;

  /** Groups of sequences with sums of their own for the gradients of positions. */
  private static final long GROUPS = 8;

  /**
   * Which row of the positions an offset has.
   *
   * @param address (2 reach + 1) i32 on the device, by the offset of the query from the key
   * @param reach offsets beyond it have the place of the last
   */
  public record Places(long address, int reach) {}

  /**
   * The positions of a layer.
   *
   * @param rows (P, parts of H D)
   * @param query the part that keys meet, position to content; {@link #NONE}: scores have no such
   *     term
   * @param key the part that queries meet, content to position; {@link #NONE} likewise
   */
  public record Positions(Tensor rows, int query, int key, Places places) {
    /** No part. */
    public static final int NONE = -1;

    private int used() {
      return (query == NONE ? 0 : 1) + (key == NONE ? 0 : 1);
    }
  }

  private final Attention.Heads heads;
  private final Tensor qkv;
  private final Positions positions;
  private final long cuSeqlens;
  private final long B;
  private final long maxLength;
  private final float dropout;
  private final long stream;
  private final long lse;
  private final Tensor out;

  private DisentangledAttention(
      Attention.Heads heads,
      Tensor qkv,
      Positions positions,
      long cuSeqlens,
      long B,
      long maxLength,
      float dropout,
      long stream,
      long lse,
      Tensor out) {
    this.heads = heads;
    this.qkv = qkv;
    this.positions = positions;
    this.cuSeqlens = cuSeqlens;
    this.B = B;
    this.maxLength = maxLength;
    this.dropout = dropout;
    this.stream = stream;
    this.lse = lse;
    this.out = out;
  }

  /**
   * @param heads as many for keys and values as for queries, without mask
   * @param qkv (N, 3 H D): query, key and value of every row; must have no other consumer
   * @param positions of this layer; their rows must have no other consumer
   * @param cuSeqlens (B+1) i32 on the device
   * @param B number of sequences
   * @param maxLength which the rows of no sequence exceed
   * @return (N, H D)
   */
  public static Tensor apply(
      Tape tape,
      Attention.Heads heads,
      Tensor qkv,
      Positions positions,
      long cuSeqlens,
      long B,
      long maxLength) {
    long width = heads.queryWidth();
    Check.argument(
        heads.heads() == heads.keyValueHeads() && !heads.causal() && heads.window() == 0,
        "disentangled attention has as many heads for keys as for queries and no mask");
    Check.argument(
        qkv.cols() == heads.width()
            && positions.rows.cols() % width == 0
            && Math.max(positions.query, positions.key) < positions.rows.cols() / width,
        "disentangled attention over %d columns and positions of %d, expected %d and parts of %d",
        qkv.cols(),
        positions.rows.cols(),
        heads.width(),
        width);
    Tensor out =
        tape.tensor(
            qkv.rows(), width, qkv.dtype(), qkv.requiresGrad() || positions.rows.requiresGrad());
    long lse = tape.allocate(heads.heads() * qkv.rows() * Float.BYTES);
    DisentangledAttention node =
        new DisentangledAttention(
            heads,
            qkv,
            positions,
            cuSeqlens,
            B,
            maxLength,
            tape.dropout(heads.dropout()),
            tape.takeStreams(1),
            lse,
            out);
    tape.run(
        new DisentangledAttentionCall.Forward(
            out.address(),
            lse,
            node.part(qkv.address(), 0),
            node.part(qkv.address(), 1),
            node.part(qkv.address(), 2),
            node.posKey(positions.rows.address()),
            node.posQuery(positions.rows.address()),
            positions.places.address,
            cuSeqlens,
            node.shape(),
            node.scores(tape)));
    return tape.record(node);
  }

  /** Query, key or value of the rows at an address. */
  private long part(long base, int index) {
    return base + index * heads.queryWidth() * qkv.dtype().sizeBytes();
  }

  /** What keys meet, of the positions at an address; 0: nothing. */
  private long posQuery(long base) {
    return positions.query == Positions.NONE || base == 0 ? 0 : part(base, positions.query);
  }

  /** What queries meet. */
  private long posKey(long base) {
    return positions.key == Positions.NONE || base == 0 ? 0 : part(base, positions.key);
  }

  private Shape shape() {
    return new Shape(
        qkv.rows(),
        qkv.cols(),
        positions.rows.cols(),
        B,
        maxLength,
        heads.heads(),
        heads.headSize(),
        positions.rows.rows(),
        positions.places.reach);
  }

  private Scores scores(Tape tape) {
    return new Scores(heads.scale(), dropout, tape.seed(), stream, qkv.dtype());
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    Check.state(
        qkv.gradient() == 0 && positions.rows.gradient() == 0,
        "queries, keys, values and positions of attention must have no other consumer");
    Shape shape = shape();
    long groups = Math.max(1, Math.min(B, GROUPS));
    long floats =
        DisentangledAttentionCall.scratch(shape.N(), shape.H(), shape.D(), shape.P(), groups);
    long dqkv = tape.gradientOf(qkv);
    long dpositions = positions.rows.requiresGrad() ? positionsGradient(tape) : 0;
    long scratch = tape.allocate(floats * Float.BYTES);
    tape.run(
        new DisentangledAttentionCall.Backward(
            part(dqkv, 0),
            part(dqkv, 1),
            part(dqkv, 2),
            posKey(dpositions),
            posQuery(dpositions),
            scratch,
            out.gradient(),
            part(qkv.address(), 0),
            part(qkv.address(), 1),
            part(qkv.address(), 2),
            posKey(positions.rows.address()),
            posQuery(positions.rows.address()),
            out.address(),
            lse,
            positions.places.address,
            cuSeqlens,
            shape,
            groups,
            scores(tape)));
    tape.free(scratch);
  }

  /** Parts that no score reads have a gradient of 0. */
  private long positionsGradient(Tape tape) {
    Tensor rows = positions.rows;
    long gradient = tape.gradientOf(rows);
    if (rows.cols() > positions.used() * heads.queryWidth()) {
      tape.run(new FillZeroCall(gradient, rows.sizeBytes()));
    }
    return gradient;
  }

  @Override
  public void release(Tape tape) {
    tape.free(lse);
  }

  /**
   * The row of {@code 2 span} positions of each offset of a query from a key, from {@code -reach}
   * to {@code reach}, as Transformers' {@code build_relative_position} of DeBERTa computes it, in
   * its f32. The reach is the least beyond which all offsets of a side have one row.
   *
   * @param buckets span: near offsets have a row each, farther ones share rows that grow
   *     logarithmically up to {@code maxDistance}; 0: each offset has its own, and the span is
   *     {@code maxDistance}
   */
  public static int[] places(int buckets, int maxDistance) {
    int middle = buckets / 2;
    Check.argument(
        maxDistance >= 1 && (buckets == 0 || (middle >= 1 && maxDistance - 1 > middle)),
        "%d buckets of offsets up to %d; there must be at least 2, and offsets beyond %d",
        buckets,
        maxDistance,
        middle + 1);
    Check.argument(
        maxDistance >= leastMaxDistance(buckets),
        "%d buckets of offsets up to %d leave rows out; the offsets must reach to %d",
        buckets,
        maxDistance,
        leastMaxDistance(buckets));
    int span = buckets == 0 ? maxDistance : buckets;
    int reach = 1;
    while (reach < MAX_REACH && bucket(reach, middle, maxDistance) < span) {
      reach++;
    }
    int far = reach;
    int[] places = new int[2 * reach + 1];
    Arrays.setAll(
        places,
        i -> {
          int offset = i - far;
          int bucket = bucket(Math.abs(offset), middle, maxDistance);
          return Math.max(0, Math.min(2 * span - 1, span + (offset < 0 ? -bucket : bucket)));
        });
    return places;
  }

  /**
   * The least {@code maxDistance} with which neighbouring offsets have the same row or neighbouring
   * ones, as the kernels need it: with fewer, rows of so many buckets are left out. The first step
   * of the logarithm is the largest one.
   */
  public static int leastMaxDistance(int buckets) {
    int middle = buckets / 2;
    if (middle == 0) {
      return 1;
    }
    int least = middle + 2;
    while (bucket(middle + 1, middle, least) > middle + 1) {
      least++;
    }
    return least;
  }

  private static int bucket(int distance, int middle, int maxDistance) {
    if (middle == 0 || distance <= middle) {
      return distance;
    }
    float ratio = (float) Math.log((float) distance / middle);
    float longest = (float) Math.log((float) ((maxDistance - 1) / (double) middle));
    return (int) Math.ceil(ratio / longest * (middle - 1)) + middle;
  }
}
