package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Attention by its definition: scores, softmax and products are explicit f32 tensors, one sequence
 * after another. A tile is some key/value heads with the query heads that read them, and some query
 * rows with all keys of the sequence; its scores are bounded, so memory does not grow with the
 * square of the length.
 *
 * <p>Inside a tile the query heads of one key/value head lie one below the other, so that grouped
 * heads are one product: queries (Hkv', G * rows, D), keys and values (Hkv', keys, D), scores
 * (Hkv', G * rows, keys), with G = H / Hkv.
 */
final class TorchAttention {
  /** The most scores of a tile, unless one row of one group of heads has more. */
  private static final long TILE = 1L << 22;

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
  private final DType dtype;
  private final TorchDropout dropout;

  TorchAttention(
      String op,
      long qStride,
      long kvStride,
      long B,
      long H,
      long Hkv,
      long D,
      float scale,
      boolean causal,
      long window,
      float p,
      long seed,
      long stream,
      DType dtype) {
    Arguments.count(op, "B", B);
    Arguments.dimension(op, "H", H);
    Arguments.dimension(op, "Hkv", Hkv);
    Arguments.dimension(op, "D", D);
    if (H % Hkv != 0) {
      throw new IllegalArgumentException(op + ": Hkv = " + Hkv + "; it must divide H = " + H);
    }
    Arguments.stride(op, "qStride", qStride, H * D);
    Arguments.stride(op, "kvStride", kvStride, Hkv * D);
    Arguments.finite(op, "scale", scale);
    Arguments.size(op, "window", window);
    Arguments.floating(op, "dtype", dtype);
    this.op = op;
    this.H = H;
    this.Hkv = Hkv;
    this.G = H / Hkv;
    this.D = D;
    this.qStride = qStride;
    this.kvStride = kvStride;
    this.scale = scale;
    this.causal = causal;
    this.window = window;
    this.dtype = dtype;
    this.dropout = new TorchDropout(op, "p", p, seed, stream);
  }

  void forward(long out, long lse, long q, long k, long v, long cuQ, long cuK, long B) {
    if (B == 0) {
      return;
    }
    int[] queryOffsets = Arguments.offsets(op, "cuQ", cuQ, B);
    int[] keyOffsets = Arguments.offsets(op, "cuK", cuK, B);
    long Nq = queryOffsets[(int) B];
    if (Nq == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "lse", lse);
    Arguments.present(op, "q", q);
    if (keyOffsets[(int) B] > 0) {
      Arguments.present(op, "k", k);
      Arguments.present(op, "v", v);
    }
    Tensor saved = view(lse, DType.F32, H, Nq);
    for (int b = 0; b < B; b++) {
      long begin = queryOffsets[b];
      long queries = queryOffsets[b + 1] - begin;
      long keys = keyOffsets[b + 1] - keyOffsets[b];
      if (queries == 0) {
        continue;
      }
      if (keys == 0) {
        view(row(out, begin, H * D), dtype, queries, H * D).zero_();
        saved.narrow(1, begin, queries).fill_(scalar(Double.NEGATIVE_INFINITY));
        continue;
      }
      long heads = headsOfTile(queries, keys);
      for (long head = 0; head < Hkv; head += heads) {
        long n = Math.min(heads, Hkv - head);
        Tensor key = heads(k, keyOffsets[b], keys, kvStride, head, n);
        Tensor value = heads(v, keyOffsets[b], keys, kvStride, head, n);
        long step = rowsOfTile(keys);
        for (long first = 0; first < queries; first += step) {
          long rows = Math.min(step, queries - first);
          long at = begin + first;
          Tensor scores = scores(q, key, at, first, rows, queries, keys, head, n);
          Tensor sums = torch.logsumexp(scores, 2);
          Tensor probabilities = torch.softmax(scores, 2);
          if (!dropout.isOff()) {
            Tensor mask = mask(head, n, at, rows, keys);
            probabilities = dropout.applyMask(probabilities, mask);
          }
          // A row that sees no key: 0, where softmax says 0 / 0.
          Tensor blind = sums.eq(scalar(Double.NEGATIVE_INFINITY)).unsqueeze(2);
          Tensor result = torch.bmm(probabilities, value).masked_fill_(blind, scalar(0));
          queryHeads(out, at, rows, H * D, head, n).copy_(result.view(n, G, rows, D));
          saved.narrow(0, head * G, n * G).narrow(1, at, rows).copy_(sums.view(n * G, rows));
        }
      }
    }
  }

  void backward(
      long dq,
      long dk,
      long dv,
      long dout,
      long q,
      long k,
      long v,
      long out,
      long lse,
      long cuQ,
      long cuK,
      long B) {
    if (B == 0) {
      return;
    }
    int[] queryOffsets = Arguments.offsets(op, "cuQ", cuQ, B);
    int[] keyOffsets = Arguments.offsets(op, "cuK", cuK, B);
    long Nq = queryOffsets[(int) B];
    if (Nq > 0) {
      Arguments.present(op, "dq", dq);
      Arguments.present(op, "dout", dout);
      Arguments.present(op, "q", q);
      Arguments.present(op, "out", out);
      Arguments.present(op, "lse", lse);
    }
    if (keyOffsets[(int) B] > 0) {
      Arguments.present(op, "dk", dk);
      Arguments.present(op, "dv", dv);
      Arguments.present(op, "k", k);
      Arguments.present(op, "v", v);
    }
    for (int b = 0; b < B; b++) {
      long begin = queryOffsets[b];
      long queries = queryOffsets[b + 1] - begin;
      long keyBegin = keyOffsets[b];
      long keys = keyOffsets[b + 1] - keyBegin;
      if (keys == 0) {
        if (queries > 0) {
          queryHeads(dq, begin, queries, qStride, 0, Hkv).zero_();
        }
        continue;
      }
      if (queries == 0) {
        keyHeads(dk, keyBegin, keys, 0, Hkv).zero_();
        keyHeads(dv, keyBegin, keys, 0, Hkv).zero_();
        continue;
      }
      long heads = headsOfTile(queries, keys);
      for (long head = 0; head < Hkv; head += heads) {
        long n = Math.min(heads, Hkv - head);
        backwardHeads(dq, dk, dv, dout, q, k, v, lse, Nq, begin, queries, keyBegin, keys, head, n);
      }
    }
  }

  /** One sequence, {@code n} key/value heads: tiles of rows add up the gradients of the keys. */
  private void backwardHeads(
      long dq,
      long dk,
      long dv,
      long dout,
      long q,
      long k,
      long v,
      long lse,
      long Nq,
      long begin,
      long queries,
      long keyBegin,
      long keys,
      long head,
      long n) {
    Tensor key = heads(k, keyBegin, keys, kvStride, head, n);
    Tensor value = heads(v, keyBegin, keys, kvStride, head, n);
    Tensor saved = view(lse, DType.F32, H, Nq).narrow(0, head * G, n * G);
    Tensor keyGradient = null;
    Tensor valueGradient = null;
    long step = rowsOfTile(keys);
    for (long first = 0; first < queries; first += step) {
      long rows = Math.min(step, queries - first);
      long at = begin + first;
      Tensor query = queries(q, at, rows, qStride, head, n);
      Tensor gradient = queries(dout, at, rows, H * D, head, n);

      // p = exp(scores - lse); a row that sees no key has lse -inf and p 0.
      Tensor sums = saved.narrow(1, at, rows).reshape(n, G * rows, 1);
      Tensor blind = sums.eq(scalar(Double.NEGATIVE_INFINITY));
      Tensor p =
          scores(q, key, at, first, rows, queries, keys, head, n)
              .sub_(sums)
              .exp_()
              .masked_fill_(blind, scalar(0));
      Tensor dp = torch.bmm(gradient, value.transpose(1, 2));
      Tensor dropped = p;
      if (!dropout.isOff()) {
        Tensor mask = mask(head, n, at, rows, keys);
        dropped = dropout.applyMask(p, mask);
        dp = dropout.applyMask(dp, mask);
      }
      Tensor dvTile = torch.bmm(dropped.transpose(1, 2), gradient);
      Tensor delta = p.mul(dp).sum(new long[] {2}, true, new ScalarTypeOptional());
      Tensor ds = dp.sub_(delta).mul_(p).mul_(scalar(scale));
      Tensor dkTile = torch.bmm(ds.transpose(1, 2), query);
      queryHeads(dq, at, rows, qStride, head, n).copy_(torch.bmm(ds, key).view(n, G, rows, D));
      keyGradient = keyGradient == null ? dkTile : keyGradient.add_(dkTile);
      valueGradient = valueGradient == null ? dvTile : valueGradient.add_(dvTile);
    }
    store(keyHeads(dk, keyBegin, keys, head, n), keyGradient, false);
    store(keyHeads(dv, keyBegin, keys, head, n), valueGradient, false);
  }

  /** Scaled scores of a tile, -inf where a query does not see a key: (n, G * rows, keys). */
  private Tensor scores(
      long q,
      Tensor key,
      long at,
      long first,
      long rows,
      long queries,
      long keys,
      long head,
      long n) {
    Tensor query = queries(q, at, rows, qStride, head, n);
    Tensor scores = torch.bmm(query, key.transpose(1, 2)).mul_(scalar(scale));
    if (causal || window > 0) {
      // The last key that a query sees if causal; the window counts back from it.
      long last = first + keys - queries;
      Tensor lastKey = torch.arange(new Scalar(last), new Scalar(last + rows)).unsqueeze(1);
      Tensor index = torch.arange(new Scalar(keys));
      Scalar hidden = scalar(Double.NEGATIVE_INFINITY);
      Tensor perHead = scores.view(n * G, rows, keys);
      if (causal) {
        perHead.masked_fill_(index.gt(lastKey), hidden);
      }
      if (window > 0) {
        perHead.masked_fill_(index.le(lastKey.sub(new Scalar(window))), hidden);
      }
    }
    return scores;
  }

  private Tensor mask(long head, long n, long at, long rows, long keys) {
    return dropout.attention(head * G, n * G, at, rows, keys, H).reshape(n, G * rows, keys);
  }

  /** Query-like rows of a tile as f32 (n, G * rows, D). */
  private Tensor queries(long address, long at, long rows, long stride, long head, long n) {
    return widen(queryHeads(address, at, rows, stride, head, n)).reshape(n, G * rows, D);
  }

  /** Key-like rows of a sequence as f32 (n, keys, D). */
  private Tensor heads(long address, long at, long rows, long stride, long head, long n) {
    return widen(keyHeads(address, at, rows, head, n));
  }

  /** View of query-like rows: (n, G, rows, D). */
  private Tensor queryHeads(long address, long at, long rows, long stride, long head, long n) {
    return strided(
        row(address, at, stride) + head * G * D * dtype.sizeBytes(),
        dtype,
        new long[] {n, G, rows, D},
        new long[] {G * D, D, stride, 1});
  }

  /** View of key-like rows: (n, rows, D). */
  private Tensor keyHeads(long address, long at, long rows, long head, long n) {
    return strided(
        row(address, at, kvStride) + head * D * dtype.sizeBytes(),
        dtype,
        new long[] {n, rows, D},
        new long[] {D, kvStride, 1});
  }

  private long row(long address, long row, long stride) {
    return address + row * stride * dtype.sizeBytes();
  }

  /** Key/value heads of a tile: all rows of as many as fit, at least one. */
  private long headsOfTile(long queries, long keys) {
    return Math.max(1, Math.min(Hkv, TILE / (G * queries * keys)));
  }

  /** Query rows of a tile: if more heads than one fit, all rows do. */
  private long rowsOfTile(long keys) {
    return Math.max(1, TILE / (G * keys));
  }
}
