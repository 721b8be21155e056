package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import java.util.Arrays;

/** The best rate of matrix products that a backend reaches here: what utilization is a share of. */
public final class ProductPeak {
  private static final int N = 768;
  private static final int C = 768;
  private static final int F = 3072;
  private static final int REPEATS = 9;

  private ProductPeak() {}

  /** FLOP/s of a BERT-sized product, the median of a few; takes about 0.2 s. */
  public static double measure(Backend backend, DType dtype) {
    try (Buffer inp = Buffer.allocate(backend, (long) N * C * dtype.sizeBytes(), true);
        Buffer weight = Buffer.allocate(backend, (long) F * C * Float.BYTES, true);
        Buffer out = Buffer.allocate(backend, (long) N * F * dtype.sizeBytes(), true)) {
      double[] rates = new double[REPEATS];
      for (int i = 0; i < REPEATS; i++) {
        long begin = System.nanoTime();
        backend.linearForward(
            out.address(),
            0,
            inp.address(),
            weight.address(),
            0,
            N,
            C,
            F,
            Activation.NONE,
            dtype,
            DType.F32);
        backend.synchronize();
        rates[i] = 2.0 * N * C * F / ((System.nanoTime() - begin) * 1e-9);
      }
      Arrays.sort(rates);
      return rates[REPEATS / 2];
    }
  }
}
