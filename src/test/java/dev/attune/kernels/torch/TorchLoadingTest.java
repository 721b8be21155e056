package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;

/** What a process must have, and must not have done, for libtorch to be used in it. */
class TorchLoadingTest extends TorchTestCase {
  @Test
  void missingPresetIsExplainedNotThrown() throws Exception {
    List<URL> urls = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      if (!Path.of(entry).getFileName().toString().startsWith("pytorch-")) {
        urls.add(Path.of(entry).toUri().toURL());
      }
    }
    ClassLoader platform = ClassLoader.getPlatformClassLoader();
    try (URLClassLoader loader = new URLClassLoader(urls.toArray(new URL[0]), platform)) {
      Class<?> facade = Class.forName(TorchBackend.class.getName(), true, loader);
      Optional<?> reason = (Optional<?>) facade.getMethod("unavailableReason").invoke(null);
      String expected =
          "libtorch is not on the class path: org/bytedeco/pytorch/global/torch.class is missing;"
              + " add the Maven artifact org.bytedeco:pytorch";
      assertEquals(expected, reason.orElseThrow());
      InvocationTargetException thrown =
          assertThrows(
              InvocationTargetException.class,
              () -> facade.getConstructor(int.class).newInstance(1));
      assertEquals("dev.attune.kernels.BackendException", thrown.getCause().getClass().getName());
      assertEquals(expected, thrown.getCause().getMessage());
    }
  }

  @Test
  void javaCppLimitsAreOff() {
    assertTrue(Pointer.maxBytes() <= 0);
    assertTrue(Pointer.maxPhysicalBytes() <= 0);
  }

  @Test
  void limitsAreTurnedOffWhereTheLauncherDidNot() throws Exception {
    assertEquals("0 0", runWithoutOptions("facade"));
  }

  @Test
  void limitsFixedEarlierAreRefused() throws Exception {
    String message = runWithoutOptions("pointer");
    assertTrue(
        message.contains(
            "start Java with -Dorg.bytedeco.javacpp.maxBytes=0"
                + " -Dorg.bytedeco.javacpp.maxPhysicalBytes=0"),
        message);
  }

  private static String runWithoutOptions(String first) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                FreshProcess.class.getName(),
                first)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor());
    return output.strip();
  }

  /** A JVM that was started without JavaCPP's properties. */
  static final class FreshProcess {
    private FreshProcess() {}

    public static void main(String[] args) {
      if (args[0].equals("facade")) {
        TorchBackend.unavailableReason();
        System.out.println(Pointer.maxBytes() + " " + Pointer.maxPhysicalBytes());
      } else {
        Pointer.totalBytes();
        try {
          new TorchBackend(1).close();
        } catch (IllegalStateException e) {
          System.out.println(e.getMessage());
        }
      }
    }
  }
}
