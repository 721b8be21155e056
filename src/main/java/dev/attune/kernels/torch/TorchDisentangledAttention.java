package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.DisentangledAttentionCall;
import dev.attune.kernels.calls.DisentangledAttentionCall.Scores;
import dev.attune.kernels.calls.DisentangledAttentionCall.Shape;
import java.nio.IntBuffer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Disentangled attention by its definition: scores, softmax and products are explicit f32 tensors,
 * head by head of a sequence.
 */
final class TorchDisentangledAttention {
  private final Shape shape;
  private final Scores scores;
  private final int[] cuSeqlens;
  private final TorchDropout dropout;
  private final long q;
  private final long k;
  private final long v;
  private final long posKey;
  private final long posQuery;
  private final long places;

  private TorchDisentangledAttention(
      String op,
      TorchStep now,
      Shape shape,
      Scores scores,
      long q,
      long k,
      long v,
      long posKey,
      long posQuery,
      long places,
      long cuSeqlens) {
    this.shape = shape;
    this.scores = scores;
    this.dropout = now.dropout(scores.p(), scores.seed(), scores.stream());
    this.q = q;
    this.k = k;
    this.v = v;
    this.posKey = posKey;
    this.posQuery = posQuery;
    this.places = places;
    if (shape.B() == 0) {
      this.cuSeqlens = new int[1];
      return;
    }
    this.cuSeqlens = Arguments.offsets(op, "cu_seqlens", cuSeqlens, shape.B());
    long count = 2 * shape.reach() + 1;
    Arguments.indices(op, "places", places, count, shape.P());
    IntBuffer rows = Arguments.ints(places, count);
    for (int i = 1; i < count; i++) {
      int step = rows.get(i) - rows.get(i - 1);
      if (step != 0 && step != 1) {
        throw new IllegalArgumentException(
            String.format(
                "%s: places[%d] is %d, must be %d or one more (the one before)",
                op, i, rows.get(i), rows.get(i - 1)));
      }
    }
  }

  static void forward(TorchPool pool, TorchStep now, DisentangledAttentionCall.Forward c) {
    TorchDisentangledAttention a =
        new TorchDisentangledAttention(
            "disentangled_attention_fwd",
            now,
            c.shape(),
            c.scores(),
            c.q(),
            c.k(),
            c.v(),
            c.posKey(),
            c.posQuery(),
            c.places(),
            c.cuSeqlens());
    long H = c.shape().H();
    pool.tiles(c.shape().B() * H, i -> a.forward(c, (int) (i / H), i % H));
  }

  static void backward(TorchPool pool, TorchStep now, DisentangledAttentionCall.Backward c) {
    TorchDisentangledAttention a =
        new TorchDisentangledAttention(
            "disentangled_attention_bwd",
            now,
            c.shape(),
            c.scores(),
            c.q(),
            c.k(),
            c.v(),
            c.posKey(),
            c.posQuery(),
            c.places(),
            c.cuSeqlens());
    pool.tiles(c.shape().H(), head -> a.backward(c, head));
  }

  private long length(int b) {
    return cuSeqlens[b + 1] - cuSeqlens[b];
  }

  private void forward(DisentangledAttentionCall.Forward c, int b, long head) {
    if (length(b) == 0) {
      return;
    }
    Tensor places = places(b);
    Tensor logits = scores(rows(q, b, head), rows(k, b, head), places, head);
    Tensor probabilities = torch.softmax(logits, 1);
    if (!dropout.isOff()) {
      probabilities = dropout.applyMask(probabilities, mask(b, head));
    }
    dense(c.out(), b, head).copy_(torch.mm(probabilities, widen(rows(v, b, head))));
    sums(c.lse(), b, head).copy_(torch.logsumexp(logits, 1));
  }

  @SuppressWarnings("try") // the scope is there to be closed
  private void backward(DisentangledAttentionCall.Backward c, long head) {
    Tensor dposKey = torch.zeros(shape.P(), shape.D());
    Tensor dposQuery = torch.zeros(shape.P(), shape.D());
    for (int b = 0; b + 1 < cuSeqlens.length; b++) {
      if (length(b) > 0) {
        try (PointerScope scope = new PointerScope()) {
          backward(c, b, head, dposKey, dposQuery);
        }
      }
    }
    if (c.dposKey() != 0) {
      positions(c.dposKey(), head).copy_(dposKey.mul_(scalar(scores.scale())));
    }
    if (c.dposQuery() != 0) {
      positions(c.dposQuery(), head).copy_(dposQuery.mul_(scalar(scores.scale())));
    }
  }

  private void backward(
      DisentangledAttentionCall.Backward c, int b, long head, Tensor dposKey, Tensor dposQuery) {
    Tensor query = widen(rows(q, b, head));
    Tensor key = widen(rows(k, b, head));
    Tensor gradient = widen(dense(c.dout(), b, head));
    Tensor places = places(b);
    Tensor p = scores(query, key, places, head).sub_(sums(c.lse(), b, head).unsqueeze(1)).exp_();
    Tensor dp = torch.mm(gradient, widen(rows(v, b, head)).t());
    Tensor dropped = p;
    if (!dropout.isOff()) {
      Tensor mask = mask(b, head);
      dropped = dropout.applyMask(p, mask);
      dp = dropout.applyMask(dp, mask);
    }
    // From f32 and not from out as rounded: see TorchAttention.
    Tensor delta = p.mul(dp).sum(new long[] {1}, true, new ScalarTypeOptional());
    delta.div_(p.sum(new long[] {1}, true, new ScalarTypeOptional()).clamp_min_(scalar(0.5)));
    Tensor ds = dp.sub_(delta).mul_(p);
    Tensor dq = torch.mm(ds, key);
    Tensor dk = torch.mm(ds.t(), query);
    long length = length(b);
    if (posKey != 0) {
      Tensor logits = torch.zeros(length, shape.P()).scatter_add_(1, places, ds);
      dq.add_(torch.mm(logits, widen(positions(posKey, head))));
      dposKey.add_(torch.mm(logits.t(), query));
    }
    if (posQuery != 0) {
      Tensor logits =
          torch
              .zeros(length, shape.P())
              .scatter_add_(1, places.t().contiguous(), ds.t().contiguous());
      dk.add_(torch.mm(logits, widen(positions(posQuery, head))));
      dposQuery.add_(torch.mm(logits.t(), key));
    }
    Scalar scale = scalar(scores.scale());
    rows(c.dq(), b, head).copy_(dq.mul_(scale));
    rows(c.dk(), b, head).copy_(dk.mul_(scale));
    rows(c.dv(), b, head).copy_(torch.mm(dropped.t(), gradient));
  }

  /** Scaled scores of a head of a sequence: (queries, keys). */
  private Tensor scores(Tensor queries, Tensor keys, Tensor places, long head) {
    Tensor query = widen(queries);
    Tensor key = widen(keys);
    Tensor logits = torch.mm(query, key.t());
    if (posKey != 0) {
      logits.add_(torch.mm(query, widen(positions(posKey, head)).t()).gather(1, places));
    }
    if (posQuery != 0) {
      Tensor met = torch.mm(key, widen(positions(posQuery, head)).t());
      logits.add_(met.gather(1, places.t().contiguous()).t());
    }
    return logits.mul_(scalar(scores.scale()));
  }

  /** The row of the positions of each query and key of a sequence: (queries, keys) i64. */
  private Tensor places(int b) {
    long length = length(b);
    long reach = shape.reach();
    Tensor row = torch.arange(new Scalar(length));
    Tensor offsets =
        row.unsqueeze(1)
            .sub(row.unsqueeze(0))
            .clamp(new ScalarOptional(new Scalar(-reach)), new ScalarOptional(new Scalar(reach)))
            .add(new Scalar(reach));
    return view(places, DType.I32, 2 * reach + 1)
        .index_select(0, offsets.reshape(-1))
        .view(length, length)
        .to(ScalarType.Long);
  }

  private Tensor mask(int b, long head) {
    long length = length(b);
    return dropout.attention(head, 1, cuSeqlens[b], length, length, shape.H()).squeeze(0);
  }

  private Tensor rows(long address, int b, long head) {
    return matrix(address, cuSeqlens[b], length(b), shape.stride(), head);
  }

  private Tensor dense(long address, int b, long head) {
    return matrix(address, cuSeqlens[b], length(b), shape.H() * shape.D(), head);
  }

  private Tensor positions(long address, long head) {
    return matrix(address, 0, shape.P(), shape.posStride(), head);
  }

  private Tensor matrix(long address, long first, long count, long stride, long head) {
    long offset = (first * stride + head * shape.D()) * scores.dtype().sizeBytes();
    return strided(
        address + offset, scores.dtype(), new long[] {count, shape.D()}, new long[] {stride, 1});
  }

  /** The log-sum-exps of a head of a sequence. */
  private Tensor sums(long lse, int b, long head) {
    long N = cuSeqlens[cuSeqlens.length - 1];
    return view(lse + (head * N + cuSeqlens[b]) * Float.BYTES, DType.F32, length(b));
  }
}
