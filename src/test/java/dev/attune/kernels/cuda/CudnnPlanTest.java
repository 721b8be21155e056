package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.kernels.cuda.AttentionGraph.Shape;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Whether cuDNN knows the graphs, for a device that is only described: the library has to be
 * installed, a GPU not.
 */
class CudnnPlanTest {
  /** An H100's properties as cuDNN writes them; {@code capability} 900 is Hopper. */
  private static String device(int capability) {
    return """
        {"deviceName":"described","smCountOrigin":0,"cudaDeviceId":0,"deviceVer":%d,
        "driverVer":13000,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],
        "regsPerBlock":65536,"multiProcessorCount":132,"smClockRateKHz":1980000,
        "memClockRateKHz":2619000,"l2CacheSize":52428800,"warpSize":32,
        "maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,
        "reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,
        "maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,
        "supportCoopLaunch":1,"totalGlobalMem":85000000000}"""
        .formatted(capability);
  }

  @BeforeEach
  void needsTheLibrary() {
    Optional<String> reason = CudnnAttention.unavailableReason();
    assumeTrue(reason.isEmpty(), () -> reason.get());
  }

  @ParameterizedTest
  @CsvSource({
    "32, 512, 16, 16, 64, false",
    "32, 512, 12, 12, 64, true",
    "8, 2048, 32, 8, 128, true",
    "8, 2048, 32, 8, 128, false",
    "16, 1024, 14, 2, 64, true",
    "16, 1024, 8, 8, 80, true",
    "16, 1024, 8, 8, 96, false",
    "64, 512, 12, 12, 32, false",
  })
  void knowsBothDirections(
      long sequences, long length, long heads, long keyValueHeads, long headSize, boolean causal) {
    Shape shape = new Shape(sequences, length, heads, keyValueHeads, headSize, 0.125f, causal);
    CudnnPlan.Target hopper = CudnnPlan.Target.described(device(900));
    try (CudnnPlan forward = new CudnnPlan(AttentionGraph.forward(shape).graph, hopper);
        CudnnPlan backward = new CudnnPlan(AttentionGraph.backward(shape).graph, hopper)) {
      assertTrue(forward.workspaceBytes() < 1 << 20, "forward keeps no scores");
      assertTrue(backward.workspaceBytes() > 0);
    }
  }

  /** Its backward pass over packed sequences needs Hopper's instructions. */
  @ParameterizedTest
  @CsvSource({"800", "860"})
  void refusesOlderDevices(int capability) {
    Shape shape = new Shape(8, 512, 8, 8, 64, 0.125f, false);
    CudnnPlan.Target older = CudnnPlan.Target.described(device(capability));
    assertThrows(
        CudaFailure.class, () -> new CudnnPlan(AttentionGraph.backward(shape).graph, older));
  }
}
