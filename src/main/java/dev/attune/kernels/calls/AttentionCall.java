package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Variable-length multi-head attention over packed rows. */
public final class AttentionCall {
  private static final long MAX_HEAD_SIZE = 256;

  private AttentionCall() {}

  /**
   * What both directions of a call have in common, but for its tensors.
   *
   * @param qStride elements between rows of q, and of dq
   * @param kvStride elements between rows of k and v, and of dk and dv
   * @param B sequences
   * @param maxLength no sequence has more queries or keys
   * @param D head size, at most 256
   * @param scale of the scores
   * @param window 0, or how many keys back a query sees, itself included
   * @param p probability of dropout
   */
  public record Problem(
      long qStride,
      long kvStride,
      long B,
      long maxLength,
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
    void fill(Frame frame) {
      frame.stride(qStride, H * D, B).stride(kvStride, Hkv * D, B);
      frame.count(B).bound(maxLength);
      if (Hkv < 1 || H % Hkv != 0) {
        frame.refuse("is %d, must be a multiple of Hkv, which is %d", H, Hkv);
      }
      frame.dim(H).dim(Hkv).dim(D, MAX_HEAD_SIZE);
      frame.finite(scale).flag(causal).bound(window);
      frame.probability(p).any(seed).any(stream).dtype(dtype);
    }
  }

  /**
   * {@code q (Nq,H,D)}, {@code k, v (Nk,Hkv,D)}, {@code out (Nq,H,D)} dense, {@code lse (H,Nq)}
   * f32; sequences bounded by {@code cuQ, cuK (B+1)}.
   */
  public record Forward(
      long out, long lse, long q, long k, long v, long cuQ, long cuK, Problem problem)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(out).writes(lse).reads(q).reads(k).reads(v).reads(cuQ).reads(cuK);
      problem.fill(frame);
    }
  }

  /** Overwrites {@code dq, dk, dv}, which have the strides of q and of k, v. */
  public record Backward(
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
      Problem problem)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(dq).writes(dk).writes(dv).reads(dout).reads(q).reads(k).reads(v);
      frame.reads(out).reads(lse).reads(cuQ).reads(cuK);
      problem.fill(frame);
    }
  }
}
