package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Peak;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.memory.Buffer;

/**
 * The best rates that this machine showed: what every backend's rate is a share of.
 *
 * @param copy bytes read and written per second by a copy between two large blocks
 * @param productF32 FLOP/s of a large product
 * @param productBf16 the same with bf16 operands
 */
record Peaks(double copy, double productF32, double productBf16) {
  /** Far more than the last-level cache. */
  private static final long COPY_BYTES = 128L << 20;

  /** On a device: copies of one sample, so that waiting for it once does not show. */
  private static final int DEVICE_CALLS = 20;

  private static final int COPIES = 9;
  private static final int PRODUCTS = 3;

  /** Measures with our kernels; the best of several tries, which takes about two seconds. */
  static Peaks measure(Backend backend) {
    return new Peaks(copy(backend), product(backend, DType.F32), product(backend, DType.BF16));
  }

  double product(DType dtype) {
    return dtype == DType.BF16 ? productBf16 : productF32;
  }

  private static double copy(Backend backend) {
    try (Buffer inp = Buffer.allocate(backend, COPY_BYTES, true);
        Buffer out = Buffer.allocate(backend, COPY_BYTES, true)) {
      // Untouched pages would all be one page of zeros.
      backend.run(new FillZeroCall(inp.address(), COPY_BYTES));
      backend.run(new FillZeroCall(out.address(), COPY_BYTES));
      backend.synchronize();
      int calls = backend.device() == DeviceKind.CPU ? 1 : DEVICE_CALLS;
      double best = 0;
      for (int i = 0; i < COPIES; i++) {
        long begin = System.nanoTime();
        for (int call = 0; call < calls; call++) {
          backend.run(new CopyCall(out.address(), inp.address(), COPY_BYTES));
        }
        backend.synchronize();
        best = Math.max(best, 2.0 * COPY_BYTES * calls / ((System.nanoTime() - begin) * 1e-9));
      }
      return best;
    }
  }

  private static double product(Backend backend, DType dtype) {
    double best = 0;
    for (int i = 0; i < PRODUCTS; i++) {
      best = Math.max(best, Peak.ofProducts(backend, dtype));
    }
    return best;
  }
}
