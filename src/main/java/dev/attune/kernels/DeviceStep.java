package dev.attune.kernels;

import java.nio.ByteBuffer;

/**
 * Training steps on a device that works on while the host goes on. What changes from step to step
 * (learning rate, loss scale, the key of the dropout masks) lies in the memory of the device, so
 * that the work of a step can be recorded once, as a graph, and launched as one ever after; results
 * come back on their own.
 *
 * <p>All calls are enqueued and wait for nothing, but for {@link Results#await}.
 */
public interface DeviceStep {
  /** Begins a run: forgets that a loss or a gradient was not finite. */
  void reset();

  /**
   * Ends a run: the random streams of ops are again what their callers say. Does nothing on a
   * device that has failed.
   */
  void end();

  /**
   * The values of the step that follows.
   *
   * @param streamBase added to the random streams of all ops
   * @param lossScale what gradients are multiplied by, before they are clipped
   */
  void set(
      long streamBase,
      float learningRate,
      float biasCorrection1,
      float biasCorrection2,
      float lossScale);

  /**
   * Looks at losses. From the first one on that is not finite, the optimizers below do nothing, as
   * from a norm that is not: where a square overflows, its gradient may well be finite.
   *
   * @param losses {@code count} f32 on the device
   */
  void watch(long losses, long count);

  /**
   * Measures and clips. From the first norm on that is not finite, the optimizers below do nothing:
   * the weights stay those of the step before, however many steps are enqueued.
   *
   * @param sumsOfSquares {@code count} f64 on the device
   * @param maxNorm 0: gradients are not clipped
   * @param outNorm f64 on the device, overwritten by the norm, loss scale included
   */
  void clip(long sumsOfSquares, long count, float maxNorm, long outNorm);

  /** {@code AdamWCall.Flat} with the values of {@link #set} and {@link #clip}. */
  void adamw(
      long weight,
      long m,
      long v,
      long shadow,
      long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay);

  /** {@code AdamWCall.Rows} with the values of {@link #set} and {@link #clip}. */
  void adamwRows(
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
      float weightDecay);

  /**
   * {@code SgdCall.Flat} with the values of {@link #set} and {@link #clip}; the momentum of the
   * first step must be zero.
   */
  void sgd(
      long weight,
      long momentumBuffer,
      long shadow,
      long grad,
      long count,
      float momentum,
      float weightDecay,
      boolean nesterov);

  /** Recorded work. */
  interface Graph extends AutoCloseable {
    /** Enqueues all of it, with the addresses and numbers that it was recorded with. */
    void launch();

    @Override
    void close();
  }

  /**
   * Records the work that {@code body} enqueues, which does not run. It must neither wait nor
   * transfer nor allocate, so it must have run before with the same shapes.
   */
  Graph capture(Runnable body);

  /** Results that travel to the host by themselves, in {@code slots} that go round. */
  interface Results extends AutoCloseable {
    /** Enqueues a copy of {@code sizeBytes} from the device into a slot. */
    void post(int slot, int offset, long address, int sizeBytes);

    /** Ends what is posted to a slot. */
    void seal(int slot);

    /** A slot's bytes, in native order, once what was posted until {@link #seal} is there. */
    ByteBuffer await(int slot);

    @Override
    void close();
  }

  Results results(int slots, int slotBytes);
}
