package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Adam with decoupled weight decay, with the values of the step block ({@link StepCall}). */
public final class AdamWCall {
  /** Moments in 8 bits that share a scale: the header's constant. */
  public static final int MOMENT_BLOCK = 256;

  private AdamWCall() {}

  /**
   * Over {@code count} elements.
   *
   * @param shadow bf16 or 0: receives the new weights, rounded
   * @param lrFactor what the step's rate is multiplied by here
   * @param seed of the rounding of bf16 moments; no matter where they are f32, as {@code stream}
   *     and {@code first}
   * @param stream of the rounding, to which that of the step is added
   * @param first number of the first element: the rounding is drawn by numbers
   * @param moments type of m and v: f32 or bf16
   */
  public record Flat(
      long weight,
      long m,
      long v,
      long shadow,
      long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor,
      long seed,
      long stream,
      long first,
      DType moments)
      implements Call {
    /** With moments in f32. */
    public Flat(
        long weight,
        long m,
        long v,
        long shadow,
        long grad,
        long count,
        float beta1,
        float beta2,
        float eps,
        float weightDecay,
        float lrFactor) {
      this(
          weight,
          m,
          v,
          shadow,
          grad,
          count,
          beta1,
          beta2,
          eps,
          weightDecay,
          lrFactor,
          0,
          0,
          0,
          DType.F32);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).mayWrite(shadow).reads(grad).count(count);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor).any(seed).any(stream).any(first).dtype(moments);
    }
  }

  /**
   * Over a table (V,C) whose gradient is zero outside the rows with state 2.
   *
   * @param rowState (V) u8: 0 never had a gradient, 1 had one in an earlier step, 2 has one
   * @param lrFactor what the step's rate is multiplied by here
   * @param seed of the rounding of bf16 moments, by the elements' numbers in the table; no matter
   *     where they are f32, as {@code stream}
   * @param stream of the rounding, to which that of the step is added
   * @param moments type of m and v: f32 or bf16
   */
  public record Rows(
      long weight,
      long m,
      long v,
      long grad,
      long rowState,
      long V,
      long C,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor,
      long seed,
      long stream,
      DType moments)
      implements Call {
    /** With moments in f32. */
    public Rows(
        long weight,
        long m,
        long v,
        long grad,
        long rowState,
        long V,
        long C,
        float beta1,
        float beta2,
        float eps,
        float weightDecay,
        float lrFactor) {
      this(
          weight,
          m,
          v,
          grad,
          rowState,
          V,
          C,
          beta1,
          beta2,
          eps,
          weightDecay,
          lrFactor,
          0,
          0,
          DType.F32);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).reads(grad).reads(rowState);
      frame.count(V).columns(C, V);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor).any(seed).any(stream).dtype(moments);
    }
  }

  /**
   * {@link Rows} where those without a gradient lag behind until {@link SettleRows}, and moments
   * lie in the order in which rows first had a gradient.
   *
   * @param rows (M) i32, distinct: those of state 2, which are settled
   * @param lag {@link #lagBytes}, zeros before the first step
   */
  public record LazyRows(
      long weight,
      long m,
      long v,
      long grad,
      long rowState,
      long rows,
      long lag,
      long M,
      long V,
      long C,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor,
      long seed,
      long stream,
      DType moments)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).reads(grad).reads(rowState).reads(rows, M > 0);
      frame.writes(lag).bound(M).count(V).columns(C, V);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor).any(seed).any(stream).dtype(moments);
    }
  }

  /**
   * Makes the updates that rows lag behind.
   *
   * @param rows (M) i32; 0: all rows
   */
  public record SettleRows(
      long weight,
      long m,
      long v,
      long lag,
      long rowState,
      long rows,
      long M,
      long V,
      long C,
      DType moments)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(v).writes(lag).reads(rowState).mayRead(rows);
      frame.bound(M).count(V).columns(C, V).dtype(moments);
    }
  }

  /**
   * Over {@code count} elements whose moments are codes in blocks of {@link #MOMENT_BLOCK}.
   *
   * @param m u8: codes of the map with a sign
   * @param mScale f32, one a block: the largest magnitude
   * @param v u8: codes of the map without a sign
   * @param vScale f32, one a block
   * @param shadow bf16 or 0: receives the new weights, rounded
   * @param lrFactor what the step's rate is multiplied by here
   */
  public record EightBit(
      long weight,
      long m,
      long mScale,
      long v,
      long vScale,
      long shadow,
      long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float lrFactor)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.writes(weight).writes(m).writes(mScale).writes(v).writes(vScale).mayWrite(shadow);
      frame.reads(grad).count(count);
      frame.probability(beta1).probability(beta2).positive(eps).notNegative(weightDecay);
      frame.notNegative(lrFactor);
    }
  }

  /** Bytes of what a table of {@code V} rows notes of those that lag: the header's constants. */
  public static long lagBytes(long V) {
    return 16 + 64 * 48 + 2 * V * Integer.BYTES;
  }
}
