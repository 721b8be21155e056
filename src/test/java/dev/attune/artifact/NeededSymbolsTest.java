package dev.attune.artifact;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.core.Platform;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the native libraries of the JAR need of the machine that they come to. */
class NeededSymbolsTest {
  /** Of every glibc system, the CUDA runtime, and libgcc_s, which the tokenizers' library needs. */
  private static final Set<String> LIBRARIES =
      Set.of(
          "libc.so.6",
          "libm.so.6",
          "libpthread.so.0",
          "libdl.so.2",
          "ld-linux-x86-64.so.2",
          "ld-linux-aarch64.so.1",
          "libgcc_s.so.1",
          "libcudart.so.13");

  private static List<Path> libraries() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("target/classes/dev/attune/native"))) {
      return files.filter(f -> f.toString().endsWith(".so")).toList();
    }
  }

  @Test
  void glibcOf2021Suffices() throws Exception {
    List<String> tooNew = new ArrayList<>();
    for (Path library : libraries()) {
      for (List<String> versions : new ElfFile(library).versions().values()) {
        for (String version : versions) {
          if (version.startsWith("GLIBC_")
              && compare(version.substring("GLIBC_".length()), Platform.OLDEST_GLIBC) > 0) {
            tooNew.add(library.getFileName() + " needs " + version);
          }
        }
      }
    }
    // A toolchain newer than the one that the libraries are published from may bind newer symbols.
    assumeTrue(
        tooNew.isEmpty() || compare(glibc(), "2.36") <= 0,
        "built here with glibc " + glibc() + ", for this machine and newer ones: " + tooNew);
    assertEquals(List.of(), tooNew, "objdump -T names the symbols");
  }

  @Test
  void noLibraryIsNeededThatAServerLacks() throws Exception {
    List<Path> libraries = libraries();
    assertFalse(libraries.isEmpty());
    for (Path library : libraries) {
      for (String needed : new ElfFile(library).libraries()) {
        assertTrue(LIBRARIES.contains(needed), library + " needs " + needed);
      }
    }
  }

  @Test
  void theReaderSeesWhatALibraryOfThisMachineNeeds() throws Exception {
    // Java's own library: written by another linker run, so the reader is not tested on ours alone.
    Path java = Path.of(System.getProperty("java.home"), "lib", "libjava.so");
    assumeTrue(Files.exists(java), "no Linux JDK");
    ElfFile elf = new ElfFile(java);
    assertTrue(elf.libraries().contains("libc.so.6"), elf.libraries().toString());
    assertTrue(elf.libraries().contains("libjvm.so"), elf.libraries().toString());
    Map<String, List<String>> versions = elf.versions();
    assertTrue(
        versions.get("libc.so.6").stream().anyMatch(v -> v.startsWith("GLIBC_2.")),
        versions.toString());
  }

  private static String glibc() throws IOException {
    Process process = new ProcessBuilder("getconf", "GNU_LIBC_VERSION").start();
    return new String(process.getInputStream().readAllBytes()).strip().replace("glibc ", "");
  }

  /** By numbers: 2.4 is older than 2.34. */
  private static int compare(String a, String b) {
    String[] left = a.split("\\.");
    String[] right = b.split("\\.");
    for (int i = 0; i < Math.max(left.length, right.length); i++) {
      int x = i < left.length ? Integer.parseInt(left[i]) : 0;
      int y = i < right.length ? Integer.parseInt(right[i]) : 0;
      if (x != y) {
        return Integer.compare(x, y);
      }
    }
    return 0;
  }
}
