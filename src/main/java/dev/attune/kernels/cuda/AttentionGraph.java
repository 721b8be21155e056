package dev.attune.kernels.cuda;

import dev.attune.kernels.cuda.OperationGraph.Mode;
import dev.attune.kernels.cuda.OperationGraph.Tensor;
import dev.attune.kernels.cuda.OperationGraph.Type;
import java.util.List;

/**
 * Self-attention over packed rows in the operations of cuDNN, which knows the pattern and runs it
 * as one fused kernel (Flash Attention; the deterministic backward as a few). The order and the
 * form of the operations are those that its documentation and NVIDIA's cudnn-frontend use: another
 * order that computes the same would not be recognised.
 *
 * <p>Queries, keys and values are the parts of one product's rows, {@code (N, (H + 2 Hkv) D)}.
 * Sequences are found through offsets; those of no rows fill the count up.
 */
final class AttentionGraph {
  /**
   * What a graph is made for.
   *
   * @param sequences B
   * @param length S, which no sequence exceeds
   * @param heads H
   * @param keyValueHeads Hkv
   * @param headSize D
   */
  record Shape(
      long sequences,
      long length,
      long heads,
      long keyValueHeads,
      long headSize,
      float scale,
      boolean causal) {
    /** Elements of a row of the product: query, key and value. */
    long width() {
      return (heads + 2 * keyValueHeads) * headSize;
    }

    /** Elements of a row of the output. */
    long outWidth() {
      return heads * headSize;
    }
  }

  private final Shape shape;
  final OperationGraph graph = new OperationGraph();

  /** Rows of each sequence (B). */
  final Tensor lengths;

  /** First element of each sequence in arrays of {@link Shape#width} a row (B+1). */
  final Tensor rowOffsets;

  /** The same, of {@link Shape#outWidth} a row. */
  final Tensor outOffsets;

  /** The same, of H a row. */
  final Tensor statsOffsets;

  final Tensor q;
  final Tensor k;
  final Tensor v;
  final Tensor out;

  /** Log-sum-exp of the scaled scores, (N,H) f32. */
  final Tensor stats;

  // Backward only.
  Tensor dout;
  Tensor dq;
  Tensor dk;
  Tensor dv;

  /** Scratch (B,H,S) f32: sums of dout .* out. */
  Tensor dots;

  private AttentionGraph(Shape shape, boolean transposedValues) {
    this.shape = shape;
    this.lengths = graph.counts("lengths", shape.sequences);
    this.rowOffsets = graph.counts("row offsets", shape.sequences + 1);
    this.outOffsets = graph.counts("out offsets", shape.sequences + 1);
    this.statsOffsets = graph.counts("stats offsets", shape.sequences + 1);
    this.q = rows("q", shape.heads, shape.width(), rowOffsets);
    this.k = transposedRows("k");
    this.v =
        transposedValues
            ? transposedRows("v")
            : rows("v", shape.keyValueHeads, shape.width(), rowOffsets);
    this.out = rows("out", shape.heads, shape.outWidth(), outOffsets);
    this.stats =
        graph.device(
            "stats",
            Type.F32,
            List.of(shape.sequences, shape.heads, shape.length, 1L),
            List.of(shape.length * shape.heads, 1L, shape.heads, 1L),
            statsOffsets);
  }

  /** (B, heads, S, D) bf16, rows {@code width} apart. */
  private Tensor rows(String name, long heads, long width, Tensor offsets) {
    return graph.device(
        name,
        Type.BF16,
        List.of(shape.sequences, heads, shape.length, shape.headSize),
        List.of(shape.length * width, shape.headSize, width, 1L),
        offsets);
  }

  /** (B, Hkv, D, S) bf16: the second operand of a product over D. */
  private Tensor transposedRows(String name) {
    return graph.device(
        name,
        Type.BF16,
        List.of(shape.sequences, shape.keyValueHeads, shape.headSize, shape.length),
        List.of(shape.length * shape.width(), shape.headSize, 1L, shape.width()),
        rowOffsets);
  }

  private List<Long> scoreDims() {
    return List.of(shape.sequences, shape.heads, shape.length, shape.length);
  }

  private List<Long> rowDims() {
    return List.of(shape.sequences, shape.heads, shape.length, 1L);
  }

  /** {@code out = softmax(scale q k^T) v}, and the stats. */
  static AttentionGraph forward(Shape shape) {
    AttentionGraph g = new AttentionGraph(shape, false);
    OperationGraph graph = g.graph;
    Tensor product = g.product();
    graph.matmulZeroBeyond(g.q, g.k, product, g.lengths, g.lengths);
    Tensor scores = g.causal(g.padded(g.scaled(product)));
    Tensor max = graph.virtual("max", Type.F32, g.rowDims());
    graph.reduce(true, scores, max);
    Tensor shifted = graph.pointwise("scores - max", Mode.SUB, scores, max);
    Tensor exp = graph.pointwise("exp", Mode.EXP, shifted, null);
    Tensor sum = graph.virtual("sum", Type.F32, g.rowDims());
    graph.reduce(false, exp, sum);
    Tensor log = graph.pointwise("log sum", Mode.LOG, sum, null);
    graph.pointwise(Mode.ADD, max, log, g.stats);
    Tensor probabilities = graph.virtual("probabilities", Type.BF16, g.scoreDims());
    graph.pointwise(Mode.DIV, exp, sum, probabilities);
    graph.matmul(probabilities, g.v, g.out, g.lengths, null, g.lengths);
    return g;
  }

  /**
   * The gradients of {@link #forward}'s inputs. Each is one product written once, rather than sums
   * that blocks add to memory in turn: the same numbers every time.
   */
  static AttentionGraph backward(Shape shape) {
    AttentionGraph g = new AttentionGraph(shape, true);
    OperationGraph graph = g.graph;
    g.dout = g.rows("dout", shape.heads, shape.outWidth(), g.outOffsets);
    g.dq = g.rows("dq", shape.heads, shape.width(), g.rowOffsets);
    g.dk = g.rows("dk", shape.keyValueHeads, shape.width(), g.rowOffsets);
    g.dv = g.rows("dv", shape.keyValueHeads, shape.width(), g.rowOffsets);
    g.dots = graph.device("dots", Type.F32, g.rowDims(), OperationGraph.dense(g.rowDims()), null);

    Tensor products = graph.pointwise("dout .* out", Mode.MUL, g.dout, g.out);
    Tensor sums = graph.virtual("sums of dout .* out", Type.F32, g.rowDims());
    graph.reduce(false, products, sums);
    graph.pointwise(Mode.MUL, sums, graph.scalar("one", 1), g.dots);

    Tensor product = g.product();
    graph.matmul(g.q, g.k, product, g.lengths, g.lengths, null);
    Tensor padded = g.padded(g.scaled(product));
    Tensor shifted = g.causal(graph.pointwise("scores - stats", Mode.SUB, padded, g.stats));
    Tensor probabilities = graph.pointwise("probabilities", Mode.EXP, shifted, null);
    Tensor transposed = graph.transposed("probabilities^T", probabilities, Type.BF16);
    g.keyGradient(transposed, g.dout, g.dv);

    Tensor dprobabilities = graph.virtual("dprobabilities", Type.F32, g.scoreDims());
    graph.matmul(g.dout, g.v, dprobabilities, g.lengths, g.lengths, null);
    Tensor centred = graph.pointwise("dprobabilities - dots", Mode.SUB, dprobabilities, g.dots);
    Tensor weighted = graph.pointwise("dscores / scale", Mode.MUL, centred, probabilities);
    Tensor dscores =
        graph.pointwise("dscores", Mode.MUL, weighted, graph.scalar("scale", shape.scale));
    g.keyGradient(graph.transposed("dscores^T", dscores, Type.BF16), g.q, g.dk);
    graph.matmul(
        dscores, graph.transposed("k^T^T", g.k, Type.BF16), g.dq, g.lengths, null, g.lengths);
    return g;
  }

  /** q k^T, to be filled. */
  private Tensor product() {
    return graph.virtual("q k^T", Type.F32, scoreDims());
  }

  private Tensor scaled(Tensor product) {
    return graph.pointwise("scores", Mode.MUL, product, graph.scalar("scale", shape.scale));
  }

  /** Minus infinity where the row or the column is beyond the sequence. */
  private Tensor padded(Tensor scores) {
    Tensor row = graph.index("row", scores, 2);
    Tensor col = graph.index("col", scores, 3);
    Tensor rowIn = graph.pointwise("row < length", Mode.CMP_LT, row, lengths);
    Tensor colIn = graph.pointwise("col < length", Mode.CMP_LT, col, lengths);
    Tensor inside = graph.pointwise("inside", Mode.LOGICAL_AND, rowIn, colIn);
    return graph.select("scores inside", scores, minusInfinity(), inside);
  }

  /** Minus infinity where the column is after the row, for causal heads. */
  private Tensor causal(Tensor scores) {
    if (!shape.causal) {
      return scores;
    }
    Tensor row = graph.index("causal row", scores, 2);
    Tensor col = graph.index("causal col", scores, 3);
    Tensor seen = graph.pointwise("row >= col", Mode.CMP_GE, row, col);
    return graph.select("scores seen", scores, minusInfinity(), seen);
  }

  private Tensor minusInfinity() {
    return graph.scalar("minus infinity", Float.NEGATIVE_INFINITY);
  }

  /**
   * {@code gradient = left^T-like (S,S) times rows (S,D)}, summed over the heads that share a key.
   */
  private void keyGradient(Tensor left, Tensor right, Tensor gradient) {
    if (shape.heads == shape.keyValueHeads) {
      graph.matmul(left, right, gradient, lengths, null, lengths);
      return;
    }
    Tensor perHead =
        graph.virtual(
            gradient.name() + " of each head",
            Type.BF16,
            List.of(shape.sequences, shape.heads, shape.length, shape.headSize));
    graph.matmul(left, right, perHead, lengths, null, lengths);
    graph.reduce(false, perHead, gradient);
  }
}
