package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class TorchBackendTest extends TorchTestCase {
  @Test
  void describesItself() {
    assertEquals("torch", backend.name());
    assertEquals(DeviceKind.CPU, backend.device());
    assertEquals("torch, libtorch on the cpu, 2 threads", backend.description());
    assertFalse(backend.hasFastBf16());
  }

  @Test
  void memoryIsAlignedZeroedAndChecked() {
    for (long size : new long[] {1, 63, 4096, 10_000_000}) {
      long address = backend.allocate(size, true);
      assertEquals(0, address % 64);
      backend.advise(address, size, false);
      ByteBuffer view = backend.view(address, size);
      for (int i = 0; i < size; i += 61) {
        assertEquals(0, view.get(i));
        view.put(i, (byte) 1);
      }
      backend.discard(address, size);
      for (int i = 0; i < size; i++) {
        assertEquals(0, view.get(i));
      }
      assertThrows(IllegalArgumentException.class, () -> backend.free(address, size + 1));
      backend.free(address, size);
      assertThrows(IllegalArgumentException.class, () -> backend.free(address, size));
    }
    assertThrows(IllegalArgumentException.class, () -> backend.allocate(0, false));
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> backend.allocate(1L << 60, false));
    assertTrue(e.getMessage().contains("MiB were wanted"), e.getMessage());
  }

  @Test
  void untouchedPagesCostNothing() throws Exception {
    long before = residentBytes();
    long size = 1L << 30;
    long address = backend.allocate(size, false);
    assertTrue(residentBytes() - before < size / 8, "reserving must not touch pages");
    backend.free(address, size);
  }

  @Test
  void fillAndCopy() {
    double[] values = normal(DType.F32, 33);
    long inp = put(DType.F32, values);
    long out = poison(33);
    backend.run(new CopyCall(out, inp, 33 * 4));
    assertArrayEquals(values, get(DType.F32, out, 33));
    backend.run(new FillZeroCall(out, 32 * 4));
    values = java.util.Arrays.copyOf(new double[32], 33);
    values[32] = get(DType.F32, inp, 33)[32];
    assertArrayEquals(values, get(DType.F32, out, 33));
    assertDoesNotThrow(() -> backend.run(new FillZeroCall(out, 0)));
  }

  @Test
  void noRowsIsValid() {
    assertDoesNotThrow(
        () -> {
          backend.run(
              new LinearCall.Forward(
                  0, 0, 0, 0, 0, 0, 4, 4, Activation.GELU, DType.F32, DType.F32));
          backend.run(new DropoutCall(0, 0, 0, 0.1f, 1, 2, DType.F32));
          backend.run(new CastCall(0, 0, 0, false, DType.F32, DType.BF16));
          backend.run(new CrossEntropyCall(0, 0, 0, 0, 0, 4, -100, 0, 1, DType.F32));
          backend.run(new MeanPoolCall.Forward(0, 0, 0, 0, 4, DType.F32));
          backend.run(
              new AttentionCall.Forward(
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  new AttentionCall.Problem(4, 4, 0, 0, 1, 1, 4, 1, false, 0, 0, 1, 2, DType.F32)));
        });
  }

  @Test
  void refusalsNameOpValueAndRange() {
    long x = poison(64);
    refused(
        "linear_fwd: N is -1, must be 0..2^48",
        () ->
            backend.run(
                new LinearCall.Forward(
                    x, 0, x, x, 0, -1, 4, 4, Activation.NONE, DType.F32, DType.F32)));
    refused(
        "linear_fwd: C is 0, must be 1..2^48",
        () ->
            backend.run(
                new LinearCall.Forward(
                    x, 0, x, x, 0, 1, 0, 4, Activation.NONE, DType.F32, DType.F32)));
    refused(
        "linear_fwd: weight is null, must be an address",
        () ->
            backend.run(
                new LinearCall.Forward(
                    x, 0, x, 0, 0, 1, 4, 4, Activation.NONE, DType.F32, DType.F32)));
    refused(
        "linear_fwd: dtype is I32, must be F32 or BF16",
        () ->
            backend.run(
                new LinearCall.Forward(
                    x, 0, x, x, 0, 1, 4, 4, Activation.NONE, DType.I32, DType.F32)));
    refused(
        "dropout: p is 1.0, must be in [0, 1)",
        () -> backend.run(new DropoutCall(x, x, 4, 1, 1, 2, DType.F32)));
    refused(
        "dropout: p is NaN, must be in [0, 1)",
        () -> backend.run(new DropoutCall(x, x, 4, Float.NaN, 1, 2, DType.F32)));
    refused(
        "cross_entropy: label_smoothing is 1.5, must be in [0, 1]",
        () -> backend.run(new CrossEntropyCall(x, 0, x, x, 1, 4, -100, 1.5f, 1, DType.F32)));
    long cu = put(0, 2);
    refused(
        "attention_fwd: H is 4, must be a multiple of Hkv, which is 3",
        () ->
            backend.run(
                new AttentionCall.Forward(
                    x,
                    x,
                    x,
                    x,
                    x,
                    cu,
                    cu,
                    new AttentionCall.Problem(
                        16, 16, 1, 1, 4, 3, 4, 1, false, 0, 0, 1, 2, DType.F32))));
    refused(
        "attention_fwd: q_stride is 15, must be at least 16 (elements of a row), times 1 rows at most 2^48",
        () ->
            backend.run(
                new AttentionCall.Forward(
                    x,
                    x,
                    x,
                    x,
                    x,
                    cu,
                    cu,
                    new AttentionCall.Problem(
                        15, 16, 1, 1, 4, 2, 4, 1, false, 0, 0, 1, 2, DType.F32))));
    long falling = put(0, 2, 1);
    refused(
        "mean_pool_fwd: cu_seqlens[2] is 1, must be 2 and up",
        () -> backend.run(new MeanPoolCall.Forward(x, x, falling, 2, 4, DType.F32)));
    refused("torch backend: threads = 0; it must be 1..256", () -> new TorchBackend(0).close());
  }

  private static void refused(String message, Runnable call) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, call::run).getMessage());
  }

  @Test
  void closedBackendRefusesWorkButFreesMemory() {
    TorchBackend closing = new TorchBackend(2);
    Buffer buffer = Buffer.allocate(closing, 64, false);
    long address = buffer.address();
    closing.close();
    closing.close();
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> closing.run(new FillZeroCall(address, 64)));
    assertEquals("the torch backend is closed", e.getMessage());
    assertThrows(IllegalStateException.class, () -> closing.allocate(64, false));
    buffer.close();
    buffer.close();
  }

  @Test
  @Timeout(60)
  void secondThreadIsRefusedNotQueued() throws Exception {
    int count = 1 << 20;
    long tensor = poison(count);
    AtomicReference<IllegalStateException> refusal = new AtomicReference<>();
    Thread other =
        new Thread(
            () -> {
              while (refusal.get() == null) {
                callOrRecord(refusal, () -> backend.run(new FillZeroCall(tensor, 4L * count)));
              }
            });
    other.start();
    while (refusal.get() == null) {
      callOrRecord(refusal, () -> backend.run(new FillZeroCall(tensor, 4L * count)));
    }
    other.join();
    assertEquals(
        "fill_zero: another thread is using the torch backend, which serves one at a time",
        refusal.get().getMessage());
  }

  private static void callOrRecord(AtomicReference<IllegalStateException> refusal, Runnable call) {
    try {
      call.run();
    } catch (IllegalStateException e) {
      refusal.set(e);
    }
  }

  @Test
  void repeatsGiveEqualBits() {
    int N = 130;
    int C = 96;
    double[] inp = normal(DType.F32, N * C);
    double[] weight = normal(DType.F32, C * C);
    long inpAt = put(DType.F32, inp);
    long weightAt = put(DType.F32, weight);
    long outAt = poison(N * C);
    double[] first = null;
    for (int i = 0; i < 20; i++) {
      backend.run(
          new LinearCall.Forward(
              outAt, 0, inpAt, weightAt, 0, N, C, C, Activation.GELU, DType.F32, DType.F32));
      double[] out = get(DType.F32, outAt, N * C);
      first = first == null ? out : first;
      assertArrayEquals(first, out);
    }
  }

  @Test
  void numberOfThreadsDoesNotChangeABit() {
    int N = 600;
    int C = 520;
    int H = 4;
    long inp = put(DType.F32, normal(DType.F32, N * C));
    long weight = put(DType.F32, normal(DType.F32, C * C));
    long cu = put(0, 100, 350, N);
    long logits = inp;
    int[] labels = new int[N];
    long labelsAt = put(labels);
    double[][] first = null;
    for (int threads : new int[] {1, 2, 5}) {
      try (TorchBackend b = new TorchBackend(threads)) {
        long out = poison(N * C);
        long dweight = poison(C * C);
        long dbias = poison(C);
        long attention = poison(N * C);
        long lse = poison(H * N);
        long normed = poison(N * C);
        long mean = poison(N);
        long rstd = poison(N);
        long dsum = poison(N * C);
        long losses = poison(N);
        long squares = poison(2);
        DType type = DType.F32;
        b.run(
            new LinearCall.Forward(
                out, 0, inp, weight, weight, N, C, C, Activation.GELU, type, type));
        b.run(new LinearCall.BackwardWeight(dweight, dbias, out, inp, N, C, C, false, type));
        b.run(
            new AttentionCall.Forward(
                attention,
                lse,
                inp,
                inp,
                inp,
                cu,
                cu,
                new AttentionCall.Problem(
                    C, C, 3, N, H, H, C / H, 0.1f, false, 0, 0.1f, 1, 2, type)));
        b.run(
            new LayerNormCall.Forward(
                normed, 0, mean, rstd, inp, out, weight, weight, N, C, 1e-5f, 0.1f, 0.1f, 1, 2,
                type));
        b.run(
            new LayerNormCall.Backward(
                dsum, 0, dbias, poison(C), out, 0, inp, mean, rstd, weight, N, C, 0.1f, 0.1f, 1, 2,
                false, true, type));
        b.run(new CrossEntropyCall(losses, 0, logits, labelsAt, N, C, -100, 0, 1, type));
        b.run(new SumOfSquaresCall.Flat(squares, inp, N * C));
        double[][] results = {
          get(type, out, N * C),
          get(type, dweight, C * C),
          get(type, dbias, C),
          get(type, attention, N * C),
          get(type, normed, N * C),
          get(type, dsum, N * C),
          get(type, losses, N),
          {b.view(squares, 8).getDouble()}
        };
        first = first == null ? results : first;
        for (int i = 0; i < results.length; i++) {
          assertArrayEquals(first[i], results[i], "result " + i + ", threads " + threads);
        }
      }
    }
  }

  @Test
  void twoThousandCallsLeaveNothingBehind() throws Exception {
    int N = 64;
    int C = 64;
    int H = 4;
    long inp = put(DType.BF16, normal(DType.BF16, N * C));
    long out = poison(DType.BF16, N * C);
    long sum = poison(DType.BF16, N * C);
    long grad = put(DType.BF16, normal(DType.BF16, N * C));
    long weight = put(DType.F32, normal(DType.F32, C * C));
    long dweight = poison(C * C);
    long statistics = poison(H * N);
    long more = poison(H * N);
    long cu = put(0, 20, 20, N);
    long table = put(DType.F32, normal(DType.F32, C * C));
    long moment1 = poison(C * C);
    long moment2 = poison(C * C);
    backend.run(new FillZeroCall(moment1, 4L * C * C));
    backend.run(new FillZeroCall(moment2, 4L * C * C));
    int[] ids = new int[N];
    for (int n = 0; n < N; n++) {
      ids[n] = n % C;
    }
    long index = put(ids);
    Backend b = backend;
    DType type = DType.BF16;
    Runnable round =
        () -> {
          b.run(
              new LinearCall.Forward(
                  out, sum, inp, weight, weight, N, C, C, Activation.GELU_TANH, type, DType.F32));
          b.run(
              new LinearCall.BackwardInput(
                  out,
                  0,
                  grad,
                  weight,
                  sum,
                  N,
                  C,
                  C,
                  Activation.GELU_TANH,
                  false,
                  type,
                  DType.F32));
          b.run(
              new LinearCall.BackwardWeight(dweight, statistics, grad, inp, N, C, C, false, type));
          b.run(
              new AttentionCall.Forward(
                  out,
                  statistics,
                  inp,
                  inp,
                  inp,
                  cu,
                  cu,
                  new AttentionCall.Problem(
                      C, C, 3, N, H, H, C / H, 0.25f, true, 8, 0.1f, 1, 2, type)));
          b.run(
              new LayerNormCall.Forward(
                  out,
                  sum,
                  statistics,
                  more,
                  inp,
                  inp,
                  weight,
                  weight,
                  N,
                  C,
                  1e-5f,
                  0.1f,
                  0.1f,
                  1,
                  2,
                  type));
          b.run(
              new LayerNormCall.Backward(
                  out,
                  0,
                  dweight,
                  dweight,
                  grad,
                  0,
                  sum,
                  statistics,
                  more,
                  weight,
                  N,
                  C,
                  0.1f,
                  0.1f,
                  1,
                  2,
                  false,
                  false,
                  type));
          b.run(new EmbeddingCall.Forward(out, table, 0, 0, index, 0, 0, N, C, C, 0, 0, type));
          b.run(new CrossEntropyCall(statistics, out, inp, index, N, C, -100, 0.1f, 1, type));
          b.run(
              new AdamWCall.Flat(
                  table, moment1, moment2, sum, weight, N * C, 0.9f, 0.99f, 1e-8f, 0.1f, 1f));
          b.run(new SumOfSquaresCall.Flat(statistics, weight, C * C));
        };
    for (int i = 0; i < 30; i++) {
      round.run();
    }
    long objects = Pointer.totalCount();
    long before = residentBytes();
    for (int i = 0; i < 200; i++) {
      round.run();
    }
    long grown = residentBytes() - before;
    assertTrue(Pointer.totalCount() <= objects, Pointer.totalCount() + " JavaCPP objects alive");
    // The Java heap may grow meanwhile; one leaked temporary a call would be over 32 MiB.
    assertTrue(grown < 24L << 20, "grew by " + (grown >> 10) + " KiB in 2,000 calls");
  }

  private static long residentBytes() throws Exception {
    Path statm = Path.of("/proc/self/statm");
    Assumptions.assumeTrue(Files.exists(statm), "no /proc here");
    return Long.parseLong(Files.readString(statm).split(" ")[1]) * 4096;
  }
}
