package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * The programs of {@code native/test}, which test native code from native code: the emulated CUDA
 * device, and the CUDA kernels on it against the CPU kernels.
 */
class NativeTest {
  @Test
  void nativeTestsPass() throws IOException, InterruptedException {
    Path build = Path.of(System.getProperty("attune.native.build", "target/native"));
    Process process =
        new ProcessBuilder("ctest", "--test-dir", build.toString(), "--output-on-failure")
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("100% tests passed"), output);
  }
}
