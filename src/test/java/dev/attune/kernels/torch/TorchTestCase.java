package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.attune.core.DType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;

/** A backend for the class, memory for each test, and doubles in and out of it. */
abstract class TorchTestCase {
  static final DType[] DTYPES = {DType.F32, DType.BF16};

  private record Block(long address, long sizeBytes) {}

  static TorchBackend backend;

  final Random random = new Random(20);
  private final Deque<Block> blocks = new ArrayDeque<>();

  @BeforeAll
  static void open() {
    Assumptions.assumeTrue(
        TorchBackend.unavailableReason().isEmpty(),
        () -> TorchBackend.unavailableReason().orElseThrow());
    backend = new TorchBackend(2);
  }

  @AfterAll
  static void close() {
    if (backend != null) {
      backend.close();
    }
  }

  @AfterEach
  void free() {
    while (!blocks.isEmpty()) {
      Block block = blocks.pop();
      backend.free(block.address, block.sizeBytes);
    }
  }

  /** Fresh memory full of 0xFF: NaN in f32 and bf16. */
  long poison(DType dtype, int count) {
    long sizeBytes = Math.max(1, (long) count * dtype.sizeBytes());
    long address = backend.allocate(sizeBytes, false);
    blocks.push(new Block(address, sizeBytes));
    ByteBuffer view = backend.view(address, sizeBytes);
    while (view.hasRemaining()) {
      view.put((byte) 0xFF);
    }
    return address;
  }

  long poison(int count) {
    return poison(DType.F32, count);
  }

  /** The values, which must be representable: see {@link #normal}. */
  long put(DType dtype, double... values) {
    long address = poison(dtype, values.length);
    ByteBuffer view = backend.view(address, (long) values.length * dtype.sizeBytes());
    for (double value : values) {
      if (dtype == DType.F32) {
        view.putFloat((float) value);
      } else {
        view.putShort(DType.toBf16((float) value));
      }
    }
    return address;
  }

  long put(int... values) {
    long address = poison(DType.I32, values.length);
    backend.view(address, (long) values.length * Integer.BYTES).asIntBuffer().put(values);
    return address;
  }

  double[] get(DType dtype, long address, int count) {
    ByteBuffer view = backend.view(address, (long) count * dtype.sizeBytes());
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = dtype == DType.F32 ? view.getFloat() : DType.fromBf16(view.getShort());
    }
    return values;
  }

  /** Normal deviates that are exact in {@code dtype}. */
  double[] normal(DType dtype, int count) {
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = round(dtype, random.nextGaussian());
    }
    return values;
  }

  static double round(DType dtype, double value) {
    float narrow = (float) value;
    return dtype == DType.F32 ? narrow : DType.fromBf16(DType.toBf16(narrow));
  }

  static double[] round(DType dtype, double[] values) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = round(dtype, values[i]);
    }
    return rounded;
  }

  static double[] add(double[] a, double[] b) {
    double[] sum = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      sum[i] = a[i] + b[i];
    }
    return sum;
  }

  static double[] times(double factor, double[] values) {
    double[] product = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      product[i] = factor * values[i];
    }
    return product;
  }

  /**
   * One rounding to the type (2^-24 or 2^-8 of the value, here doubled) and the f32 noise of a
   * short sum.
   */
  static void assertClose(DType dtype, double[] expected, double[] actual, String what) {
    assertEquals(expected.length, actual.length, what);
    double relative = dtype == DType.F32 ? 1e-5 : 1.0 / 128;
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      boolean same = Double.compare(expected[i], actual[i]) == 0;
      if (!same && !(error <= relative * Math.abs(expected[i]) + 1e-5)) {
        fail(
            String.format(
                "%s %s[%d]: expected %.9g, got %.9g", dtype, what, i, expected[i], actual[i]));
      }
    }
  }

  static void assertClose(double[] expected, double[] actual, String what) {
    assertClose(DType.F32, expected, actual, what);
  }
}
