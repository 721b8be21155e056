package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.ChoiceFile;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.Backends;
import dev.attune.run.RunOption;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Memory, transfers, lifetime and faults of the backend, on the emulated device. */
class CudaBackendTest {
  private CpuBackend cpu;
  private EmulatedRuntime runtime;
  private CudaBackend backend;

  @BeforeEach
  void open() {
    Assumptions.assumeFalse(
        dev.attune.testkit.Backends.onDevice(), "this process has loaded the kernels for a device");
    cpu = new CpuBackend(1);
    runtime = new EmulatedRuntime(cpu);
    backend = Emulation.open(runtime, cpu);
  }

  @AfterEach
  void close() {
    if (cpu != null) {
      backend.close();
      cpu.close();
    }
  }

  @Test
  void saysWhatItIs() {
    assertEquals("cuda", backend.name());
    assertEquals(DeviceKind.CUDA, backend.device());
    assertTrue(backend.hasFastBf16());
    assertEquals(
        "cuda, emulated device, compute capability 9.0, 3 multiprocessors, 1 GiB, CUDA 13.0",
        backend.description());
  }

  @Test
  void closingGivesEverythingBack() {
    long address = backend.allocate(1000, false);
    backend.run(
        new LinearCall.Forward(
            address, 0, address, address, 0, 1, 2, 2, Activation.NONE, DType.BF16, DType.F32));
    backend.free(address, 1000);
    backend.close();
    backend.close();
    assertTrue(runtime.isClean());
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> backend.run(new FillZeroCall(8, 0)));
    assertTrue(e.getMessage().contains("closed"), e.getMessage());
  }

  @Test
  void transfersOfAnySizeArriveWhole() {
    for (int size : new int[] {1, 7, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 11 << 20}) {
      byte[] bytes = new byte[size];
      new Random(size).nextBytes(bytes);
      try (Buffer buffer = Buffer.allocate(backend, size + 3L, false)) {
        ByteBuffer source = ByteBuffer.wrap(bytes);
        buffer.write(2, source);
        assertEquals(size, source.position());
        assertArrayEquals(bytes, Host.bytes(buffer, 2, size));
        assertArrayEquals(new byte[2], Host.bytes(buffer, 0, 2));
        assertArrayEquals(new byte[1], Host.bytes(buffer, size + 2, 1));
      }
    }
  }

  @Test
  void memoryThatCannotBeHadIsAnErrorThatSaysHowMuchThereIs() {
    int before = runtime.liveBlocks();
    DeviceMemoryException e =
        assertThrows(
            DeviceMemoryException.class,
            () -> backend.allocate(EmulatedRuntime.MEMORY_BYTES, false));
    assertTrue(e.getMessage().contains("1024 MiB) were wanted"), e.getMessage());
    assertTrue(e.getMessage().contains("of 1024 MiB are free"), e.getMessage());
    assertEquals(before, runtime.liveBlocks());
    backend.free(backend.allocate(100, false), 100);
  }

  @Test
  void theErrorSaysWhatTheMemoryWasFor() {
    DeviceMemoryException e =
        assertThrows(
            DeviceMemoryException.class,
            () -> new Arena(backend, 2 * EmulatedRuntime.MEMORY_BYTES));
    assertTrue(e.getMessage().startsWith("no room for activations: out of GPU"), e.getMessage());
  }

  @Test
  void anArenaLeavesRoomForTheRest() {
    long reservable = backend.reservableBytes();
    assertTrue(reservable > EmulatedRuntime.MEMORY_BYTES / 2, "reservable " + reservable);
    backend.free(backend.allocate(reservable, true), reservable);
    assertTrue(runtime.freeBytes() - reservable >= 128 << 20);
  }

  @Test
  void aLostDeviceFailsAtOnceAndEverAfterWithOneMessage() {
    long address = backend.allocate(100, false);
    runtime.breakDown("cudaErrorLaunchFailure (unspecified launch failure)");
    BackendException first =
        assertThrows(
            BackendException.class, () -> backend.upload(address, ByteBuffer.allocate(10)));
    assertTrue(first.getMessage().contains("unspecified launch failure"), first.getMessage());
    assertTrue(RunOption.worded(first.getMessage()).contains("with --resume"), first.getMessage());
    assertSame(CudaFailure.class, first.getCause().getClass());
    for (Runnable call :
        new Runnable[] {
          () -> backend.run(new FillZeroCall(address, 10)),
          () -> backend.allocate(10, false),
          () -> backend.download(ByteBuffer.allocate(10), address),
          backend::synchronize,
          backend::reservableBytes,
          () ->
              backend.run(
                  new LinearCall.Forward(
                      address,
                      0,
                      address,
                      address,
                      0,
                      1,
                      1,
                      1,
                      Activation.NONE,
                      DType.F32,
                      DType.F32))
        }) {
      BackendException later = assertThrows(BackendException.class, call::run);
      assertEquals(first.getMessage(), later.getMessage());
    }
    backend.free(address, 100);
    backend.close();
  }

  /** Kernels cannot throw: what they find is told when the host next waits, and only once. */
  @Test
  void aBadIndexIsReportedAtTheNextDownload() {
    try (Buffer buffer = Buffer.allocate(backend, 4096, false)) {
      ByteBuffer ids = ByteBuffer.allocate(4).order(java.nio.ByteOrder.nativeOrder());
      buffer.write(0, ids.putInt(0, 12));
      backend.run(
          new EmbeddingCall.Forward(
              buffer.address() + 1024,
              buffer.address() + 2048,
              0,
              0,
              buffer.address(),
              0,
              0,
              1,
              8,
              10,
              1,
              1,
              DType.F32));
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> Host.bytes(buffer, 0, 4));
      assertTrue(e.getMessage().contains("ids[0] is 12"), e.getMessage());
      assertEquals(12, Host.bytes(buffer, 0, 4)[0]);
    }
  }

  @Test
  void aLibraryThatIsNotThereIsNamed() {
    BackendException e =
        assertThrows(BackendException.class, () -> KernelLibrary.cuda(Path.of("/other.so")));
    assertTrue(e.getMessage().contains("/other.so"), e.getMessage());
    assertTrue(e.getMessage().contains("cannot open shared object file"), e.getMessage());
  }

  /**
   * Where there is no device, the option is refused with the reason, and nothing takes its place.
   */
  @Test
  void theOptionSaysWhyItCannotBeHad() {
    Optional<String> reason = PresetRuntime.unavailableReason();
    Assumptions.assumeTrue(reason.isPresent(), "there is a device");
    InputException e = assertThrows(InputException.class, () -> Backends.open("cuda", 1));
    assertTrue(
        RunOption.worded(e.getMessage()).startsWith("--backend cuda cannot run here: "),
        e.getMessage());
    assertTrue(e.getMessage().contains(reason.get()), e.getMessage());
  }

  @Test
  void choicesOfAlgorithmsComeBackAndSurviveTornAndDamagedLines(@TempDir Path folder)
      throws Exception {
    Path file = folder.resolve("deep/products.txt");
    byte[] choice = new byte[LtAlgorithms.BYTES];
    new Random(1).nextBytes(choice);
    ChoiceFile written = new ChoiceFile(file, choice.length);
    assertEquals(null, written.get("a"));
    written.put("a", choice);
    written.put("c", choice);
    // A digit of c's choice flips; the line of b is cut short.
    String text = Files.readString(file);
    int digit = text.indexOf("c ") + 2;
    char flipped = text.charAt(digit) == '0' ? '1' : '0';
    text = text.substring(0, digit) + flipped + text.substring(digit + 1);
    Files.writeString(file, text + "\nb 00ff");
    ChoiceFile read = new ChoiceFile(file, choice.length);
    assertArrayEquals(choice, read.get("a"));
    assertEquals(null, read.get("b"));
    assertEquals(null, read.get("c"));
    assertFalse(Files.readString(file).isEmpty());
  }
}
