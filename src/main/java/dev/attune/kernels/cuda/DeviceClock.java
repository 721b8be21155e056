package dev.attune.kernels.cuda;

/** Times work on the device, for choices between ways to do it. */
final class DeviceClock {
  private static final int REPEATS = 3;

  /** Calls of a measurement, in a row. */
  private static final int CALLS = 4;

  /** Fills that keep the device busy until a measurement is enqueued whole. */
  private static final int FILLS = 8;

  private DeviceClock() {}

  /**
   * Seconds of a call, the least of a few measurements of several. Waits for the device.
   *
   * @param call enqueues the work; its kernels are loaded, as they are once it has run
   * @param fill device memory that nobody needs, of {@code fillBytes}: some ten MiB or more
   */
  static double seconds(CudaRuntime runtime, long fill, long fillBytes, Runnable call) {
    long begin = runtime.createEvent();
    long end = runtime.createEvent();
    try {
      double least = Double.POSITIVE_INFINITY;
      for (int repeat = 0; repeat < REPEATS; repeat++) {
        // Enqueueing small work takes longer than the work: what is measured must not begin before
        // all of it is enqueued.
        for (int i = 0; i < FILLS; i++) {
          runtime.zero(fill, fillBytes);
        }
        call.run();
        runtime.record(begin);
        for (int i = 0; i < CALLS; i++) {
          call.run();
        }
        runtime.record(end);
        runtime.await(end);
        least = Math.min(least, runtime.elapsedSeconds(begin, end) / CALLS);
      }
      return least;
    } finally {
      runtime.destroyEvent(begin);
      runtime.destroyEvent(end);
    }
  }
}
