package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.Platform;
import org.junit.jupiter.api.Test;

/** What someone reads who has the JAR only, on a platform that it has no library for. */
class NativeLibraryTest {
  @Test
  void theMessageSaysWhatWasLookedForWhatThereIsAndWhatCanBeDone() {
    String mac = NativeLibrary.missing("attune_cpu", "macosx-arm64");
    assertTrue(mac.contains("/dev/attune/native/macosx-arm64/libattune_cpu.dylib"), mac);
    assertTrue(mac.contains("which has it for " + Platform.name()), mac);
    assertTrue(mac.contains("org.bytedeco:pytorch"), mac);
    assertTrue(mac.contains("classifier macosx-arm64"), mac);
    assertTrue(mac.contains("mvn package"), mac);

    String windows = NativeLibrary.missing("attune_cpu", "windows-x86_64");
    assertTrue(windows.contains("/windows-x86_64/attune_cpu.dll"), windows);
  }

  @Test
  void theTorchBackendIsNamedOnlyWhereItsPresetIsPublished() {
    String message = NativeLibrary.missing("attune_cpu", "linux-riscv64");
    assertFalse(message.contains("pytorch"), message);
    assertTrue(message.contains("/linux-riscv64/libattune_cpu.so"), message);
  }

  @Test
  void aMissingDeviceLibraryIsNoReasonForAdviceOnTheCpu() {
    String message = NativeLibrary.missing("attune_cuda", Platform.name());
    assertTrue(message.contains("libattune_cuda"), message);
    assertFalse(message.contains("torch"), message);
  }
}
