package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AttentionCachedCall;
import dev.attune.kernels.calls.AttentionCall;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Attention by its definition: scores, softmax and products are explicit f32 tensors, sequence by
 * sequence. A tile is some key/value heads with the query heads that read them, and some query rows
 * with all keys of the sequence; its scores are bounded, so memory does not grow with the square of
 * the length.
 *
 * <p>Inside a tile the query heads of one key/value head lie one below the other, so that grouped
 * heads are one product: queries (Hkv', G * rows, D), keys and values (Hkv', keys, D), scores
 * (Hkv', G * rows, keys), with G = H / Hkv.
 */
final class TorchAttention {
  /** Queries {@code query..} of the batch, which meet the keys {@code key..}. */
  private record Sequence(long query, long queries, long key, long keys) {}

  /** {@code n} key/value heads from {@code head} on, {@code rows} queries from {@code first} on. */
  private record Tile(Sequence sequence, long head, long n, long first, long rows) {}

  private final String op;
  private final long H;
  private final long Hkv;
  private final long G;
  private final long D;
  private final long qStride;
  private final long kvStride;
  private final float scale;
  private final boolean causal;
  private final long window;
  private final long reach;
  private final long bias; // null: none
  private final DType dtype;
  private final TorchDropout dropout;

  private TorchAttention(String op, TorchStep now, AttentionCall.Problem a, long bias) {
    this.op = op;
    this.H = a.H();
    this.Hkv = a.Hkv();
    this.G = H / Hkv;
    this.D = a.D();
    this.qStride = a.qStride();
    this.kvStride = a.kvStride();
    this.scale = a.scale();
    this.causal = a.causal();
    this.window = a.window();
    this.reach = a.reach();
    this.bias = bias;
    this.dtype = a.dtype();
    this.dropout = now.dropout(a.p(), a.seed(), a.stream());
  }

  static void forward(TorchPool pool, TorchStep now, AttentionCall.Forward c) {
    TorchAttention attention = new TorchAttention("attention_fwd", now, c.problem(), c.bias());
    List<Sequence> sequences = attention.sequences(c.cuQ(), c.cuK(), c.problem().B());
    attention.forward(pool, c.out(), c.lse(), c.q(), c.k(), c.v(), sequences);
  }

  static void backward(TorchPool pool, TorchStep now, AttentionCall.Backward c) {
    TorchAttention attention = new TorchAttention("attention_bwd", now, c.problem(), c.bias());
    attention.backward(pool, c, attention.sequences(c.cuQ(), c.cuK(), c.problem().B()));
  }

  /** Over a cache: sequence b's keys are rows kStart[b] .. kStart[b] + kCount[b]. */
  static void cachedForward(TorchPool pool, TorchStep now, AttentionCachedCall c) {
    AttentionCall.Problem causal =
        new AttentionCall.Problem(
            c.qStride(),
            c.kvStride(),
            c.B(),
            0,
            c.H(),
            c.Hkv(),
            c.D(),
            c.scale(),
            true,
            c.window(),
            0,
            0,
            0,
            c.dtype());
    TorchAttention attention = new TorchAttention("attention_cached_fwd", now, causal, 0);
    List<Sequence> sequences = attention.cachedSequences(c.cuQ(), c.kStart(), c.kCount(), c.B());
    attention.forward(pool, c.out(), 0, c.q(), c.kCache(), c.vCache(), sequences);
  }

  /** {@code lse} may be null here. */
  private void forward(
      TorchPool pool, long out, long lse, long q, long k, long v, List<Sequence> sequences) {
    long Nq = sequences.stream().mapToLong(Sequence::queries).sum();
    if (Nq == 0) {
      return;
    }
    List<Tile> tiles = new ArrayList<>();
    for (Sequence sequence : sequences) {
      if (sequence.queries > 0) {
        for (Tile heads : headTiles(sequence)) {
          tiles.addAll(rowTiles(heads));
        }
      }
    }
    pool.tiles(tiles.size(), i -> forwardTile(tiles.get((int) i), out, lse, q, k, v, Nq));
  }

  private void forwardTile(Tile tile, long out, long lse, long q, long k, long v, long Nq) {
    Tensor result = queryHeads(out, tile, H * D);
    Tensor saved = lse == 0 ? null : savedSums(lse, tile, Nq);
    if (tile.sequence.keys == 0) {
      result.zero_();
      if (saved != null) {
        saved.fill_(minusInfinity());
      }
      return;
    }
    Tensor scores = scores(queries(q, tile, qStride), keys(k, tile), tile);
    Tensor sums = torch.logsumexp(scores, 2);
    Tensor probabilities = torch.softmax(scores, 2);
    if (!dropout.isOff()) {
      probabilities = dropout.applyMask(probabilities, mask(tile));
    }
    // A row that sees no key gives 0, where softmax says 0 / 0.
    Tensor blind = sums.eq(minusInfinity()).unsqueeze(2);
    Tensor product = torch.bmm(probabilities, keys(v, tile)).masked_fill_(blind, scalar(0));
    result.copy_(product.view(tile.n, G, tile.rows, D));
    if (saved != null) {
      saved.copy_(sums.view(tile.n * G, tile.rows));
    }
  }

  private void backward(TorchPool pool, AttentionCall.Backward c, List<Sequence> sequences) {
    long Nq = sequences.stream().mapToLong(Sequence::queries).sum();
    List<Tile> tiles = new ArrayList<>();
    for (Sequence sequence : sequences) {
      tiles.addAll(headTiles(sequence));
    }
    float[][] biasGradients = new float[c.dbias() == 0 ? 0 : tiles.size()][];
    pool.tiles(tiles.size(), i -> backwardHeads(tiles.get((int) i), c, Nq, biasGradients, (int) i));
    // In the order of the tiles, whoever was done first.
    long offsets = 2 * reach + 1;
    for (int i = 0; i < biasGradients.length; i++) {
      if (biasGradients[i] != null) {
        Tile heads = tiles.get(i);
        long first = c.dbias() + heads.head * G * offsets * Float.BYTES;
        view(first, DType.F32, heads.n * G * offsets).add_(torch.tensor(biasGradients[i]));
      }
    }
  }

  /** Some heads of a sequence: tiles of rows, one after another, add up the keys' gradients. */
  private void backwardHeads(
      Tile heads, AttentionCall.Backward c, long Nq, float[][] biasGradients, int number) {
    if (heads.sequence.keys == 0) {
      queryHeads(c.dq(), heads, qStride).zero_();
      return;
    }
    Tensor dkTensor = keyHeads(c.dk(), heads);
    Tensor dvTensor = keyHeads(c.dv(), heads);
    if (heads.rows == 0) {
      dkTensor.zero_();
      dvTensor.zero_();
      return;
    }
    Tensor key = keys(c.k(), heads);
    Tensor value = keys(c.v(), heads);
    Tensor dkSum = null;
    Tensor dvSum = null;
    Tensor biasSum = null;
    for (Tile tile : rowTiles(heads)) {
      Tensor query = queries(c.q(), tile, qStride);
      Tensor gradient = queries(c.dout(), tile, H * D);

      // p = exp(scores - lse); a row that sees no key has lse -inf and p 0.
      Tensor sums = savedSums(c.lse(), tile, Nq).reshape(tile.n, G * tile.rows, 1);
      Tensor blind = sums.eq(minusInfinity());
      Tensor p = scores(query, key, tile).sub_(sums).exp_().masked_fill_(blind, scalar(0));
      Tensor dp = torch.bmm(gradient, value.transpose(1, 2));
      Tensor dropped = p;
      if (!dropout.isOff()) {
        Tensor mask = mask(tile);
        dropped = dropout.applyMask(p, mask);
        dp = dropout.applyMask(dp, mask);
      }
      Tensor dvTile = torch.bmm(dropped.transpose(1, 2), gradient);
      // The sum that softmax's gradient takes off: dout * out, but from f32 and not from out as
      // rounded. As lse is rounded too, a row of p does not sum to 1 exactly; with large scores
      // that would be most of ds. (A row that sees no key sums to 0.)
      Tensor delta = p.mul(dp).sum(new long[] {2}, true, new ScalarTypeOptional());
      delta.div_(p.sum(new long[] {2}, true, new ScalarTypeOptional()).clamp_min_(scalar(0.5)));
      Tensor ds = dp.sub_(delta).mul_(p);
      if (c.dbias() != 0) {
        biasSum = biasSum == null ? torch.zeros(tile.n * G, 2 * reach + 1) : biasSum;
        biasSum.index_add_(1, places(tile).reshape(-1), ds.reshape(tile.n * G, -1));
      }
      ds.mul_(scalar(scale));
      Tensor dkTile = torch.bmm(ds.transpose(1, 2), query);
      queryHeads(c.dq(), tile, qStride).copy_(torch.bmm(ds, key).view(tile.n, G, tile.rows, D));
      dkSum = dkSum == null ? dkTile : dkSum.add_(dkTile);
      dvSum = dvSum == null ? dvTile : dvSum.add_(dvTile);
    }
    dkTensor.copy_(dkSum);
    dvTensor.copy_(dvSum);
    if (biasSum != null) {
      float[] values = new float[(int) biasSum.numel()];
      biasSum.contiguous().data_ptr_float().get(values);
      biasGradients[number] = values;
    }
  }

  /** Scaled scores of a tile, -inf where a query does not see a key: (n, G * rows, keys). */
  private Tensor scores(Tensor query, Tensor key, Tile tile) {
    Tensor scores = torch.bmm(query, key.transpose(1, 2)).mul_(scalar(scale));
    Tensor perHead = scores.view(tile.n * G, tile.rows, tile.sequence.keys);
    if (bias != 0) {
      Tensor rows =
          view(
              bias + tile.head * G * (2 * reach + 1) * Float.BYTES,
              DType.F32,
              tile.n * G,
              2 * reach + 1);
      perHead.add_(rows.index_select(1, places(tile).reshape(-1)).view_as(perHead));
    }
    if (causal || window > 0) {
      Tensor ahead = ahead(tile);
      if (causal) {
        perHead.masked_fill_(ahead.gt(new Scalar(0)), minusInfinity());
      }
      if (window > 0) {
        perHead.masked_fill_(ahead.abs().ge(new Scalar(window)), minusInfinity());
      }
    }
    return scores;
  }

  /** How far each key is ahead of the place of each query: (rows, keys). */
  private static Tensor ahead(Tile tile) {
    long first = tile.first + tile.sequence.keys - tile.sequence.queries;
    Tensor place = torch.arange(new Scalar(first), new Scalar(first + tile.rows)).unsqueeze(1);
    return torch.arange(new Scalar(tile.sequence.keys)).sub(place);
  }

  /** The place of each query's and key's offset in a row of the bias: (rows, keys). */
  private Tensor places(Tile tile) {
    return ahead(tile)
        .clamp(new ScalarOptional(new Scalar(-reach)), new ScalarOptional(new Scalar(reach)))
        .add(new Scalar(reach));
  }

  private Tensor mask(Tile tile) {
    long row = tile.sequence.query + tile.first;
    return dropout
        .attention(tile.head * G, tile.n * G, row, tile.rows, tile.sequence.keys, H)
        .reshape(tile.n, G * tile.rows, tile.sequence.keys);
  }

  /** Query-like rows of a tile as f32 (n, G * rows, D). */
  private Tensor queries(long address, Tile tile, long stride) {
    return widen(queryHeads(address, tile, stride)).reshape(tile.n, G * tile.rows, D);
  }

  /** Key-like rows of a sequence as f32 (n, keys, D). */
  private Tensor keys(long address, Tile tile) {
    return widen(keyHeads(address, tile));
  }

  /** View of query-like rows: (n, G, rows, D). */
  private Tensor queryHeads(long address, Tile tile, long stride) {
    long offset = (tile.sequence.query + tile.first) * stride + tile.head * G * D;
    return strided(
        address + offset * dtype.sizeBytes(),
        dtype,
        new long[] {tile.n, G, tile.rows, D},
        new long[] {G * D, D, stride, 1});
  }

  /** View of key-like rows: (n, keys, D). */
  private Tensor keyHeads(long address, Tile tile) {
    long offset = tile.sequence.key * kvStride + tile.head * D;
    return strided(
        address + offset * dtype.sizeBytes(),
        dtype,
        new long[] {tile.n, tile.sequence.keys, D},
        new long[] {D, kvStride, 1});
  }

  /** View of the log-sum-exps of a tile: (n * G, rows). */
  private Tensor savedSums(long lse, Tile tile, long Nq) {
    long offset = tile.head * G * Nq + tile.sequence.query + tile.first;
    return strided(
        lse + offset * Float.BYTES,
        DType.F32,
        new long[] {tile.n * G, tile.rows},
        new long[] {Nq, 1});
  }

  private List<Sequence> sequences(long cuQ, long cuK, long B) {
    if (B == 0) {
      return List.of();
    }
    int[] queries = Arguments.offsets(op, "cu_q", cuQ, B);
    int[] keys = Arguments.offsets(op, "cu_k", cuK, B);
    List<Sequence> sequences = new ArrayList<>();
    for (int b = 0; b < B; b++) {
      sequences.add(
          new Sequence(queries[b], queries[b + 1] - queries[b], keys[b], keys[b + 1] - keys[b]));
    }
    return sequences;
  }

  private List<Sequence> cachedSequences(long cuQ, long kStart, long kCount, long B) {
    if (B == 0) {
      return List.of();
    }
    int[] queries = Arguments.offsets(op, "cu_q", cuQ, B);
    IntBuffer starts = Arguments.ints(kStart, B);
    IntBuffer counts = Arguments.ints(kCount, B);
    List<Sequence> sequences = new ArrayList<>();
    for (int b = 0; b < B; b++) {
      int rows = queries[b + 1] - queries[b];
      Arguments.least(op, "k_start[" + b + "]", starts.get(b), 0);
      Arguments.least(op, "k_count[" + b + "]", counts.get(b), rows);
      sequences.add(new Sequence(queries[b], rows, starts.get(b), counts.get(b)));
    }
    return sequences;
  }

  /** All rows of as many key/value heads as fit a tile, at least one. */
  private List<Tile> headTiles(Sequence sequence) {
    long scores = Math.max(1, G * sequence.queries * sequence.keys);
    long step = Math.max(1, TorchPool.TILE / scores);
    List<Tile> tiles = new ArrayList<>();
    for (long head = 0; head < Hkv; head += step) {
      tiles.add(new Tile(sequence, head, Math.min(step, Hkv - head), 0, sequence.queries));
    }
    return tiles;
  }

  /** The same heads, as many rows as fit a tile, at least one. */
  private List<Tile> rowTiles(Tile heads) {
    long step = Math.max(1, TorchPool.TILE / Math.max(1, heads.n * G * heads.sequence.keys));
    List<Tile> tiles = new ArrayList<>();
    for (long first = 0; first < heads.rows; first += step) {
      long rows = Math.min(step, heads.rows - first);
      tiles.add(new Tile(heads.sequence, heads.head, heads.n, first, rows));
    }
    return tiles;
  }

  private static Scalar minusInfinity() {
    return scalar(Double.NEGATIVE_INFINITY);
  }
}
