package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Memory, opening and closing, and the two ops that only move bytes. */
class BackendTest extends KernelContract {
  private static KernelCase fillZero(int bytes) {
    KernelCase k = KernelCase.forward(DType.F32, "fillZero bytes=%d", bytes);
    k.overwritten("out", Storage.U8, bytes);
    return k.calls((backend, at) -> backend.run(new FillZeroCall(at.of("out"), bytes)))
        .gives(p -> Map.of("out", new double[bytes]));
  }

  private static KernelCase copy(int bytes) {
    KernelCase k = KernelCase.forward(DType.F32, "copy bytes=%d", bytes);
    double[] inp = new double[bytes];
    for (int i = 0; i < bytes; i++) {
      inp[i] = k.random().nextInt(256);
    }
    k.input("inp", Storage.U8, inp);
    k.overwritten("out", Storage.U8, bytes);
    return k.calls((backend, at) -> backend.run(new CopyCall(at.of("out"), at.of("inp"), bytes)))
        .gives(p -> Map.of("out", inp));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> sizes = new TreeSet<>(Shapes.widths());
    sizes.addAll(List.of(0, 4095, 4096, 4097, 100_003));
    List<KernelCase> cases = new ArrayList<>();
    for (int size : sizes) {
      cases.add(fillZero(size));
      cases.add(copy(size));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(fillZero(200_003), copy(200_003));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(fillZero(100_000_000), copy(10_000_000));
  }

  /** Each level runs here or is reported as skipped, with the reason. */
  @ParameterizedTest
  @EnumSource(value = Isa.class)
  void everyLevelOpensOrSaysWhyNot(Isa isa) {
    try (CpuBackend backend = new CpuBackend(1, isa)) {
      assertEquals("cpu", backend.name());
      assertEquals(DeviceKind.CPU, backend.device());
      assertTrue(isa == Isa.BEST || backend.isa() == isa, "opened " + backend.isa());
      assertEquals("cpu, " + backend.isa().label() + ", 1 thread", backend.description());
      assertEquals(backend.isa().compareTo(Isa.V4_BF16) >= 0, backend.hasFastBf16());
      assertEquals(Optional.empty(), CpuBackend.unavailableReason(isa));
    } catch (UnsupportedOperationException e) {
      assertTrue(
          e.getMessage()
              .contains("the instruction-set level " + isa.label() + " is not available: "),
          e.getMessage());
      assertEquals(Optional.of(e.getMessage()), CpuBackend.unavailableReason(isa));
      assumeTrue(false, e.getMessage());
    }
  }

  @Test
  void theBestLevelIsTheLastThatRuns() {
    List<Isa> levels = new ArrayList<>(Backends.levels());
    assertTrue(levels.contains(Isa.PORTABLE), "levels " + levels);
    levels.remove(Isa.AMX_EMULATED);
    try (CpuBackend backend = new CpuBackend(1, Isa.BEST)) {
      assertEquals(levels.get(levels.size() - 1), backend.isa());
    }
  }

  @Test
  void threadsOutOfRangeAreRefused() {
    for (int threads : new int[] {0, -1, 4097}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> new CpuBackend(threads, Isa.PORTABLE).close());
      assertEquals("threads is " + threads + ", must be 1..4096", e.getMessage());
    }
  }

  @Test
  void aClosedBackendSaysSo() {
    CpuBackend backend = new CpuBackend(1, Isa.PORTABLE);
    backend.close();
    backend.close();
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> backend.run(new FillZeroCall(0, 0)));
    assertTrue(e.getMessage().contains("closed"), e.getMessage());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void memoryStartsAsZerosAndReadsAsZerosAfterDiscard(Target target) {
    try (Buffer buffer = Buffer.allocate(target.backend(), 20_000, false)) {
      assertArrayEquals(new byte[20_000], Host.bytes(buffer, 0, 20_000));
      Host.fill(buffer, 7);
      target.backend().advise(buffer.address(), 20_000, true);
      target.backend().discard(buffer.address() + 100, 15_000);
      byte[] bytes = Host.bytes(buffer, 0, 20_000);
      for (int i = 0; i < 20_000; i++) {
        assertEquals(i >= 100 && i < 15_100 ? 0 : 7, bytes[i], "byte " + i);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void memoryThatCannotBeHadIsAnError(Target target) {
    Backend backend = target.backend();
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> backend.allocate(1L << 60, false));
    assertTrue(e.getMessage().contains(String.valueOf(1L << 60)), e.getMessage());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    assertNullsRefused(target, fillZero(9), "out");
    assertNullsRefused(target, copy(9), "out", "inp");
    fillZero(9)
        .instead((b, at) -> b.run(new FillZeroCall(at.of("out"), -1)))
        .assertRefused(target.backend(), "bytes", -1);
    copy(9)
        .instead((b, at) -> b.run(new CopyCall(at.of("out"), at.of("inp"), -1)))
        .assertRefused(target.backend(), "bytes", -1);
  }
}
