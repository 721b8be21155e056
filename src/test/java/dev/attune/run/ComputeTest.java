package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class ComputeTest {
  private static Compute of(String... options) {
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    for (int i = 0; i < options.length; i += 2) {
      config.set(RunOption.valueOf(options[i]), options[i + 1]);
    }
    return Compute.of(config.build());
  }

  private static String refusal(String... options) {
    return RunOption.worded(assertThrows(InputException.class, () -> of(options)).getMessage());
  }

  @Test
  void aLevelThatIsNamedIsOpened() {
    try (Backend backend = of("ISA", "Portable", "THREADS", "1").open()) {
      assertEquals("cpu, portable", backend.arithmetic());
    }
  }

  @Test
  void anUnknownLevelIsRefusedWithAllThereAre() {
    assertEquals(
        "--isa is 'sse9'; allowed are auto, best, portable, avx2, avx512, avx512_bf16, amx",
        refusal("ISA", "sse9"));
  }

  @Test
  void aLevelOfTheCpuForAnotherBackendIsRefused() {
    String message = refusal("ISA", "avx2", "BACKEND", "torch");
    assertTrue(
        message.startsWith("--isa chooses among the CPU's kernels; --backend torch"), message);
  }

  @Test
  void aRunThatGoesOnComputesAsItBegan() {
    Compute begun = of().goingOn("cpu, portable", "fp32");
    assertEquals(Optional.of(Isa.PORTABLE), begun.level());
    assertEquals(PrecisionOption.FP32, begun.precision());
    // What is asked for stays, to be compared with what the run began with.
    Compute asked = of("PRECISION", "bf16", "ISA", "best").goingOn("cpu, portable", "fp32");
    assertEquals(Optional.of(Isa.BEST), asked.level());
    assertEquals(PrecisionOption.BF16, asked.precision());
    assertEquals(Optional.empty(), of("BACKEND", "torch").goingOn("cpu, portable", "fp32").level());
  }

  @Test
  void aRunThatBeganOnALevelThatIsNotHereIsRefused() {
    List<Isa> missing = Stream.of(Isa.values()).filter(level -> !level.isAvailable()).toList();
    assumeTrue(!missing.isEmpty(), "this processor has all levels");
    String arithmetic = "cpu, " + missing.get(0).label();
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> of().goingOn(arithmetic, "fp32"))
                .getMessage());
    String reason = CpuBackend.unavailableReason(missing.get(0)).orElseThrow();
    assertTrue(message.contains("Here " + reason + ". Go on with"), message);
    assertTrue(message.contains("--isa avx2"), message);
  }
}
