package dev.attune.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class AddressSpaceTest {
  private static final String LIMITS =
      """
      Limit                     Soft Limit           Hard Limit           Units
      Max processes             96000                96000                processes
      Max address space         %s           unlimited            bytes
      Max file locks            unlimited            unlimited            locks
      """;

  @Test
  void theBoundIsReadFromWhatTheSystemTells() {
    assertEquals(OptionalLong.empty(), AddressSpace.limitBytes(LIMITS.formatted("unlimited")));
    assertEquals(
        OptionalLong.of(8192000000L), AddressSpace.limitBytes(LIMITS.formatted("8192000000")));
  }

  @Test
  void theAdviceNamesBothNumbers() {
    String advice = AddressSpace.advice(8L << 30, 6L << 30);
    assertTrue(advice.contains("8192 MiB (ulimit -v)"), advice);
    assertTrue(advice.contains("6144 MiB: raise that limit"), advice);
  }
}
