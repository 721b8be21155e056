package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Host;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** A copy is whole, or none. */
class PieceCopyTest {
  private static final int BYTES = 1 << 10; // one piece

  @Test
  void aPieceThatCannotBeCopiedLeavesNoCopy() {
    BackendException broken = new BackendException("broken");
    Backend failing =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (proxy, method, arguments) -> {
                  throw broken;
                });
    try (CpuBackend backend = new CpuBackend(1);
        Buffer from = Buffer.allocate(backend, BYTES, true);
        Buffer to = Buffer.allocate(backend, BYTES, true)) {
      PieceCopy copy = new PieceCopy();
      copy.add(from, to);
      assertSame(broken, assertThrows(BackendException.class, () -> copy.help(failing)));
      // It is saved on another thread, which has nothing to do any more.
      assertSame(broken, assertThrows(IllegalStateException.class, copy::run).getCause());
    }
  }

  @Test
  void whoeverCopiesItIsWhole() {
    byte[] content = new byte[BYTES];
    content[BYTES - 1] = 3;
    try (CpuBackend backend = new CpuBackend(1);
        Buffer from = Buffer.allocate(backend, BYTES, true);
        Buffer to = Buffer.allocate(backend, BYTES, true)) {
      from.write(0, ByteBuffer.allocateDirect(BYTES).put(content).flip());
      PieceCopy copy = new PieceCopy();
      copy.add(from, to);
      copy.help(backend);
      copy.run();
      assertArrayEquals(content, Host.bytes(to, 0, BYTES));
    }
  }
}
