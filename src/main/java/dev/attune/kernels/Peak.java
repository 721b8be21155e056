package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import java.util.Arrays;

/** How many operations a second a device can do here: what utilization is a share of. */
public final class Peak {
  private static final int REPEATS = 9;

  /**
   * A product.
   *
   * @param calls in a row, so that waiting for a device once does not show
   */
  private record Shape(int N, int C, int F, int calls) {}

  /** Of BERT's size: what a CPU is given. */
  private static final Shape CPU = new Shape(768, 768, 3072, 1);

  /** Large enough to fill a GPU. */
  private static final Shape DEVICE = new Shape(8192, 4096, 4096, 8);

  private Peak() {}

  /**
   * FLOP/s of the hardware with operands of a type, whichever kernels this backend runs; takes
   * about 0.2 s. Where that is not known, as on a GPU, {@link #ofProducts}.
   */
  public static double of(Backend backend, DType dtype) {
    double peak = backend.peakFlopsPerSecond(dtype);
    return peak > 0 ? peak : ofProducts(backend, dtype);
  }

  /**
   * FLOP/s of a large product, the median of a few; takes about 0.2 s.
   *
   * @return NaN if a device has no room for it: a finished run must not fail here
   */
  public static double ofProducts(Backend backend, DType dtype) {
    try {
      return rate(backend, dtype);
    } catch (DeviceMemoryException e) {
      return Double.NaN;
    }
  }

  private static double rate(Backend backend, DType dtype) {
    Shape s = backend.device() == DeviceKind.CPU ? CPU : DEVICE;
    DType weightDtype = backend.wantsBf16Weights() ? dtype : DType.F32;
    try (Buffer inp = Buffer.allocate(backend, (long) s.N * s.C * dtype.sizeBytes(), true);
        Buffer weight = Buffer.allocate(backend, (long) s.F * s.C * weightDtype.sizeBytes(), true);
        Buffer out = Buffer.allocate(backend, (long) s.N * s.F * dtype.sizeBytes(), true)) {
      double[] rates = new double[REPEATS];
      for (int i = 0; i < REPEATS; i++) {
        backend.synchronize();
        long begin = System.nanoTime();
        for (int call = 0; call < s.calls; call++) {
          backend.run(
              new LinearCall.Forward(
                  out.address(),
                  0,
                  inp.address(),
                  weight.address(),
                  0,
                  s.N,
                  s.C,
                  s.F,
                  Activation.NONE,
                  dtype,
                  weightDtype));
        }
        backend.synchronize();
        rates[i] = 2.0 * s.N * s.C * s.F * s.calls / ((System.nanoTime() - begin) * 1e-9);
      }
      Arrays.sort(rates);
      return rates[REPEATS / 2];
    }
  }
}
