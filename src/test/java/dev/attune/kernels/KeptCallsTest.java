package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Host;
import dev.attune.track.TracedBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

/** Calls that are kept to run again. */
class KeptCallsTest {
  private static final int SIZE = 64;

  private static byte[] all(int value) {
    byte[] bytes = new byte[SIZE];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  @Test
  void theyRunOnWhatIsThereThen() {
    CpuBackend backend = new CpuBackend(1);
    Replay again;
    try (Buffer inp = Buffer.allocate(backend, SIZE, false);
        Buffer out = Buffer.allocate(backend, 300 * SIZE, false)) {
      Host.fill(inp, 1);
      // More calls than there is room for at first.
      again =
          backend.keep(
              () -> {
                for (int i = 0; i < 300; i++) {
                  backend.run(new CopyCall(out.address() + i * SIZE, inp.address(), SIZE));
                }
                backend.run(new FillZeroCall(out.address() + SIZE, SIZE));
              });
      assertArrayEquals(all(1), Host.bytes(out, 299 * SIZE, SIZE));
      Host.fill(inp, 2);
      Host.fill(out, 3);
      again.run();
      for (int i = 0; i < 300; i++) {
        assertArrayEquals(all(i == 1 ? 0 : 2), Host.bytes(out, i * SIZE, SIZE));
      }
      backend.run(new FillZeroCall(out.address(), SIZE)); // no longer kept
      Host.fill(out, 3);
      again.run();
      assertArrayEquals(all(2), Host.bytes(out, 0, SIZE));
    }
    backend.close();
    assertThrows(IllegalStateException.class, again::run);
  }

  /** What fails is not kept. */
  @Test
  void aCallThatFailsEndsIt() {
    try (CpuBackend backend = new CpuBackend(1);
        Buffer out = Buffer.allocate(backend, SIZE, false)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.keep(() -> backend.run(new FillZeroCall(0, SIZE))));
      Host.fill(out, 1);
      backend.run(new FillZeroCall(out.address(), SIZE));
      assertArrayEquals(all(0), Host.bytes(out, 0, SIZE));
    }
  }

  /** It would be kept with them. */
  @Test
  void anotherThreadsCallBetweenTwoIsRefused() {
    try (CpuBackend backend = new CpuBackend(1);
        Buffer out = Buffer.allocate(backend, SIZE, false)) {
      FillZeroCall call = new FillZeroCall(out.address(), SIZE);
      backend.keep(
          () -> {
            backend.run(call);
            CompletionException refused =
                assertThrows(
                    CompletionException.class,
                    () -> CompletableFuture.runAsync(() -> backend.run(call)).join());
            assertInstanceOf(IllegalStateException.class, refused.getCause());
            backend.run(call);
          });
      CompletableFuture.runAsync(() -> backend.run(call)).join();
    }
  }

  /** Who looks on sees every call, each time. */
  @Test
  void aTracedBackendKeepsNone() {
    try (CpuBackend backend = new CpuBackend(1);
        Buffer out = Buffer.allocate(backend, SIZE, false)) {
      List<String> heard = new ArrayList<>();
      Backend traced = TracedBackend.of(backend, (name, begin, end) -> heard.add(name));
      assertNull(traced.keep(() -> traced.run(new FillZeroCall(out.address(), SIZE))));
      assertEquals(List.of("fill_zero"), heard);
    }
  }
}
