package dev.attune.kernels.calls;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Variable-length multi-head attention over packed rows. */
public final class AttentionCall {
  /** The largest reach of a bias. */
  static final long MAX_REACH = 65_535;

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
   * @param reach of the bias; 0 where there is none
   * @param scale of the scores
   * @param window 0, or how far a query sees, itself included: back, and ahead too where it is not
   *     causal
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
      long reach,
      float scale,
      boolean causal,
      long window,
      float p,
      long seed,
      long stream,
      DType dtype) {
    /** Without a bias. */
    public Problem(
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
      this(
          qStride, kvStride, B, maxLength, H, Hkv, D, 0, scale, causal, window, p, seed, stream,
          dtype);
    }

    private Problem ofRows(RowRange range) {
      return new Problem(
          qStride,
          kvStride,
          range.sequences().count(),
          range.sequences().maxLength(),
          H,
          Hkv,
          D,
          reach,
          scale,
          causal,
          window,
          p,
          range.seed(),
          range.stream(stream),
          dtype);
    }

    private long q(RowRange range, long address) {
      return range.at(address, qStride * dtype.sizeBytes());
    }

    private long kv(RowRange range, long address) {
      return range.at(address, kvStride * dtype.sizeBytes());
    }

    private long out(RowRange range, long address) {
      return range.at(address, H * D * dtype.sizeBytes());
    }

    /** Each job has a block of its own: (H, rows). */
    private long lse(RowRange range, long address) {
      return range.at(address, H * Float.BYTES);
    }

    void fill(Frame frame, long bias) {
      boolean grouped = Hkv >= 1 && H % Hkv == 0; // else widths mean nothing
      frame.stride(qStride, grouped ? H * D : 0, B).stride(kvStride, grouped ? Hkv * D : 0, B);
      frame.count(B).bound(maxLength);
      if (!grouped) {
        frame.refuse("is %d, must be a multiple of Hkv, which is %d", H, Hkv);
      }
      frame.dim(H).dim(Hkv).dim(D, MAX_HEAD_SIZE);
      if (bias == 0 && reach != 0) {
        frame.refuse("is %d, must be 0 where there is no bias", reach);
      }
      frame.within(reach, 0, MAX_REACH);
      frame.finite(scale).flag(causal).bound(window);
      frame.probability(p).any(seed).any(stream).dtype(dtype);
    }
  }

  /**
   * {@code q (Nq,H,D)}, {@code k, v (Nk,Hkv,D)}, {@code out (Nq,H,D)} dense, {@code lse (H,Nq)}
   * f32; sequences bounded by {@code cuQ, cuK (B+1)}.
   *
   * @param bias (H, 2 reach + 1) f32, added to the scaled scores by the offset of the key from the
   *     query; 0: none
   */
  public record Forward(
      long out, long lse, long q, long k, long v, long bias, long cuQ, long cuK, Problem problem)
      implements RowCall {
    /** Without a bias. */
    public Forward(
        long out, long lse, long q, long k, long v, long cuQ, long cuK, Problem problem) {
      this(out, lse, q, k, v, 0, cuQ, cuK, problem);
    }

    /** Of attention of all rows: each is a query and a key. */
    @Override
    public Forward ofRows(RowRange range) {
      Check.state(cuQ == cuK, "attention of some rows alone");
      long bounds = range.sequences().cuSeqlens();
      return new Forward(
          problem.out(range, out),
          problem.lse(range, lse),
          problem.q(range, q),
          problem.kv(range, k),
          problem.kv(range, v),
          bias,
          bounds,
          bounds,
          problem.ofRows(range));
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(out).writes(lse).reads(q).reads(k).reads(v).mayRead(bias);
      frame.reads(cuQ).reads(cuK);
      problem.fill(frame, bias);
    }
  }

  /**
   * Overwrites {@code dq, dk, dv}, which have the strides of q and of k, v.
   *
   * @param dbias (H, 2 reach + 1) f32, added to; 0: not wanted
   */
  public record Backward(
      long dq,
      long dk,
      long dv,
      long dbias,
      long dout,
      long q,
      long k,
      long v,
      long bias,
      long out,
      long lse,
      long cuQ,
      long cuK,
      Problem problem)
      implements RowCall {
    /** Without a bias. */
    public Backward(
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
        Problem problem) {
      this(dq, dk, dv, 0, dout, q, k, v, 0, out, lse, cuQ, cuK, problem);
    }

    /** Of a bias that is frozen: its gradient would be one of all rows. */
    @Override
    public Backward ofRows(RowRange range) {
      Check.state(cuQ == cuK, "attention of some rows alone");
      Check.state(dbias == 0, "a bias of attention is trained by several jobs");
      long bounds = range.sequences().cuSeqlens();
      return new Backward(
          problem.q(range, dq),
          problem.kv(range, dk),
          problem.kv(range, dv),
          0,
          problem.out(range, dout),
          problem.q(range, q),
          problem.kv(range, k),
          problem.kv(range, v),
          bias,
          problem.out(range, out),
          problem.lse(range, lse),
          bounds,
          bounds,
          problem.ofRows(range));
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(dq).writes(dk).writes(dv);
      if (bias == 0 && dbias != 0) {
        frame.refuse("is given where there is no bias");
      }
      frame.mayWrite(dbias).reads(dout).reads(q).reads(k).reads(v).mayRead(bias);
      frame.reads(out).reads(lse).reads(cuQ).reads(cuK);
      problem.fill(frame, bias);
    }
  }
}
