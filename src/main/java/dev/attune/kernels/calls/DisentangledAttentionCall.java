package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Attention whose scores know content and relative position apart (He et al., 2021). */
public final class DisentangledAttentionCall {
  private static final long MAX_HEAD_SIZE = 256;

  /** Elements of a row of scratch are a multiple of this. */
  private static final long SCRATCH_STEP = 16;

  private DisentangledAttentionCall() {}

  /**
   * Elements of the scratch of {@link Backward}, f32.
   *
   * @param groups of sequences, each with sums of its own for the positions
   */
  public static long scratch(long N, long H, long D, long P, long groups) {
    long width = (D + SCRATCH_STEP - 1) / SCRATCH_STEP * SCRATCH_STEP;
    return (groups * 2 * P + N) * H * width;
  }

  /**
   * What both directions of a call have in common, but for its tensors.
   *
   * @param stride elements between rows of q, k and v, and of their gradients
   * @param posStride elements between rows of the positions, and of their gradients
   * @param B sequences
   * @param maxLength no sequence has more rows
   * @param D head size, at most 256
   * @param P rows of the positions
   * @param reach how far apart a query and a key have places of their own
   */
  public record Shape(
      long N,
      long stride,
      long posStride,
      long B,
      long maxLength,
      long H,
      long D,
      long P,
      long reach) {
    void fill(Frame frame) {
      frame.count(N).stride(stride, H * D, N).stride(posStride, H * D, P);
      frame.count(B).bound(maxLength).dim(H).dim(D, MAX_HEAD_SIZE).columns(P, H * D);
      frame.within(reach, 0, AttentionCall.MAX_REACH);
    }
  }

  /**
   * How scores become probabilities.
   *
   * @param scale of the scores
   * @param p probability of dropout
   */
  public record Scores(float scale, float p, long seed, long stream, DType dtype) {
    void fill(Frame frame) {
      frame.finite(scale).probability(p).any(seed).any(stream).dtype(dtype);
    }
  }

  /**
   * {@code q, k, v (N,H,D)}, {@code out (N,H,D)} dense, {@code lse (H,N)} f32.
   *
   * @param posKey (P,H,D) what queries meet; 0: scores have no such term
   * @param posQuery (P,H,D) what keys meet; 0: scores have no such term
   * @param places (2 reach + 1) i32: the row of the positions by the offset of the query from the
   *     key
   * @param cuSeqlens (B+1) i32
   */
  public record Forward(
      long out,
      long lse,
      long q,
      long k,
      long v,
      long posKey,
      long posQuery,
      long places,
      long cuSeqlens,
      Shape shape,
      Scores scores)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).writes(lse).reads(q).reads(k).reads(v).mayRead(posKey).mayRead(posQuery);
      frame.reads(places).reads(cuSeqlens);
      shape.fill(frame);
      scores.fill(frame);
    }
  }

  /**
   * Overwrites {@code dq, dk, dv}, which have the strides of q, k and v.
   *
   * @param dposKey (P,H,D) overwritten; 0: not wanted
   * @param dposQuery (P,H,D) overwritten; 0: not wanted
   * @param scratch as many f32 as {@link #scratch} says
   */
  public record Backward(
      long dq,
      long dk,
      long dv,
      long dposKey,
      long dposQuery,
      long scratch,
      long dout,
      long q,
      long k,
      long v,
      long posKey,
      long posQuery,
      long out,
      long lse,
      long places,
      long cuSeqlens,
      Shape shape,
      long groups,
      Scores scores)
      implements Call {
    private static final long MAX_GROUPS = 65_535;

    @Override
    public void fill(Frame frame) {
      frame.writes(dq).writes(dk).writes(dv);
      if (posKey == 0 && dposKey != 0) {
        frame.refuse("is given where there is no pos_key");
      }
      frame.mayWrite(dposKey);
      if (posQuery == 0 && dposQuery != 0) {
        frame.refuse("is given where there is no pos_query");
      }
      frame.mayWrite(dposQuery).writes(scratch).reads(dout).reads(q).reads(k).reads(v);
      frame.mayRead(posKey).mayRead(posQuery).reads(out).reads(lse);
      frame.reads(places).reads(cuSeqlens);
      shape.fill(frame);
      frame.within(groups, 1, MAX_GROUPS);
      scores.fill(frame);
    }
  }
}
