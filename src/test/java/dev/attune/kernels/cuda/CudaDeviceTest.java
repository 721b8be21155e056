package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What only a GPU can prove: the CUDA runtime behind its interface, and cuBLASLt's products. Every
 * op runs there too, by the same tests as everywhere, with {@code -Dattune.targets=cuda}.
 */
@Tag("gpu")
class CudaDeviceTest {
  private CudaBackend backend;

  @BeforeEach
  void open() {
    Optional<String> reason = PresetRuntime.unavailableReason();
    Assumptions.assumeTrue(reason.isEmpty(), () -> "no GPU to test on: " + reason.orElseThrow());
    Assumptions.assumeTrue(
        Backends.onDevice(), "this process tests the emulated device; see -Dattune.targets=cuda");
    backend = CudaBackend.open();
  }

  @AfterEach
  void close() {
    if (backend != null) {
      backend.close();
    }
  }

  @Test
  void transfersOfAnySizeArriveWhole() {
    for (int size : new int[] {1, 7, (2 << 20) + 1, 37 << 20}) {
      byte[] bytes = new byte[size];
      new Random(size).nextBytes(bytes);
      try (Buffer buffer = Buffer.allocate(backend, size, false)) {
        buffer.write(0, ByteBuffer.wrap(bytes));
        assertArrayEquals(bytes, Host.bytes(buffer, 0, size));
      }
    }
  }

  /** Uploads are enqueued: one that follows a kernel must not overtake it. */
  @Test
  void transfersKeepTheirPlaceInTheOrderOfCalls() {
    int count = 8 << 20;
    byte[] ones = new byte[count];
    Arrays.fill(ones, (byte) 1);
    try (Buffer source = Buffer.allocate(backend, count, false);
        Buffer target = Buffer.allocate(backend, count, false)) {
      for (int round = 0; round < 20; round++) {
        source.write(0, ByteBuffer.wrap(ones));
        backend.run(new CopyCall(target.address(), source.address(), count));
        source.write(0, ByteBuffer.allocate(count));
        assertArrayEquals(ones, Host.bytes(target, 0, count), "round " + round);
      }
    }
  }

  @Test
  void memoryThatCannotBeHadIsAnErrorAndTheNextCallWorks() {
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> backend.allocate(1L << 44, false));
    assertTrue(e.getMessage().contains("MiB are free"), e.getMessage());
    backend.free(backend.allocate(1 << 20, false), 1 << 20);
  }

  /**
   * What one run's arena gave back, the next run's arena can have: freed memory stays in a pool.
   */
  @Test
  void memoryThatWasFreedCanBeReservedAgain() {
    long before = backend.reservableBytes();
    backend.free(backend.allocate(before, true), before);
    long after = backend.reservableBytes();
    assertTrue(after >= before - (64L << 20), before + " bytes at first, then " + after);
    backend.free(backend.allocate(after, true), after);
  }

  /** Products at the size of a model, in each type: within the rounding of the CPU's. */
  @Test
  void productsAgreeWithTheCpu() {
    int N = 513;
    int C = 768;
    int F = 1024;
    try (CpuBackend cpu = new CpuBackend(2)) {
      for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
        for (Activation activation : new Activation[] {Activation.NONE, Activation.GELU_TANH}) {
          float[] ours = forward(N, C, F, activation, dtype);
          float[] expected = forward(cpu, N, C, F, activation, dtype);
          double squares = 0;
          double errors = 0;
          for (int i = 0; i < ours.length; i++) {
            squares += (double) expected[i] * expected[i];
            errors += ((double) ours[i] - expected[i]) * ((double) ours[i] - expected[i]);
          }
          double relative = Math.sqrt(errors / squares);
          assertTrue(
              relative < (dtype == DType.F32 ? 1e-6 : 0x1p-8),
              activation + " " + dtype + " is off by " + relative);
        }
      }
    }
  }

  /** Whatever algorithm was measured to be the fastest, the next process takes it too. */
  @Test
  void aNewBackendGivesTheSameBits() {
    float[] first = forward(700, 768, 3072, Activation.NONE, DType.BF16);
    backend.close();
    backend = CudaBackend.open();
    assertArrayEquals(first, forward(700, 768, 3072, Activation.NONE, DType.BF16));
  }

  @Test
  void rowCountsOfOneClassAllWork() {
    for (int N = 1000; N < 1030; N++) {
      assertEquals(N * 64, forward(N, 64, 64, Activation.NONE, DType.BF16).length);
    }
  }

  private float[] forward(int N, int C, int F, Activation activation, DType dtype) {
    return forward(backend, N, C, F, activation, dtype);
  }

  private static float[] forward(
      Backend on, int N, int C, int F, Activation activation, DType dtype) {
    Random random = new Random(3);
    try (Buffer inp = random(on, random, N * C, dtype);
        Buffer weight = random(on, random, F * C, dtype);
        Buffer bias = random(on, random, F, DType.F32);
        Buffer out = Buffer.allocate(on, (long) N * F * dtype.sizeBytes(), false);
        Buffer wide = Buffer.allocate(on, (long) N * F * Float.BYTES, false)) {
      on.run(
          new LinearCall.Forward(
              out.address(),
              0,
              inp.address(),
              weight.address(),
              bias.address(),
              N,
              C,
              F,
              activation,
              dtype,
              dtype));
      on.run(new CastCall(wide.address(), out.address(), (long) N * F, false, DType.F32, dtype));
      return Host.floats(wide, 0, N * F);
    }
  }

  private static Buffer random(Backend on, Random random, int count, DType dtype) {
    ByteBuffer bytes =
        ByteBuffer.allocate(count * dtype.sizeBytes()).order(ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      float value = (float) random.nextGaussian();
      if (dtype == DType.BF16) {
        bytes.putShort(DType.toBf16(value));
      } else {
        bytes.putFloat(value);
      }
    }
    Buffer buffer = Buffer.allocate(on, bytes.capacity(), false);
    buffer.write(0, bytes.flip());
    return buffer;
  }
}
