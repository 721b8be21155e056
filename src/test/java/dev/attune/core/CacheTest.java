package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CacheTest {
  @TempDir Path folder;

  private static Cache cache(Map<String, String> properties, Map<String, String> environment) {
    return Cache.of(properties::get, environment::get);
  }

  private Map<String, String> home(Path home) {
    return Map.of("user.home", home.toString());
  }

  @Test
  void theFirstThatIsSetWins() {
    Map<String, String> all =
        Map.of("ATTUNE_HOME", "/named", "XDG_CACHE_HOME", folder.resolve("xdg").toString());
    assertEquals(
        Path.of("/property"),
        cache(Map.of("user.home", "/home/u", "attune.cache", "/property"), all).folder());
    assertEquals(Path.of("/named"), cache(home(Path.of("/home/u")), all).folder());
    assertEquals(
        folder.resolve("xdg/attune"),
        cache(home(Path.of("/home/u")), Map.of("XDG_CACHE_HOME", folder + "/xdg")).folder());
    assertEquals(
        Path.of("/home/u/.cache/attune"), cache(home(Path.of("/home/u")), Map.of()).folder());
  }

  @Test
  void emptyAndRelativeValuesAreNotMistakenForFolders() {
    assertEquals(
        Path.of("/home/u/.cache/attune"),
        cache(
                Map.of("user.home", "/home/u", "attune.cache", ""),
                Map.of("ATTUNE_HOME", " ", "XDG_CACHE_HOME", "relative"))
            .folder());
    assertEquals(
        Path.of("some/where").toAbsolutePath(),
        cache(Map.of("attune.cache", "some/where"), Map.of()).folder());
    assertThrows(
        InputException.class, () -> cache(Map.of("attune.cache", "a\u0000b"), Map.of()).folder());
  }

  @ParameterizedTest
  @ValueSource(strings = {"?", "/", "", " ", "relative/home"})
  void whereThereIsNoHomeThereIsAPrivateTemporaryFolder(String home) throws Exception {
    Cache cache = cache(Map.of("user.home", home), Map.of());
    Path used = cache.writable();
    assertTrue(used.isAbsolute());
    assertTrue(used.startsWith(System.getProperty("java.io.tmpdir")), used.toString());
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(used)));
    assertEquals(used, cache.folder());
    assertEquals(used, cache.writable(), "one folder for the process");
    assertEquals(used.resolve("native"), cache.natives());
  }

  @Test
  void whereTheHomeCannotBeWrittenATemporaryFolderTakesItsPlace() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    Cache cache = cache(home(file), Map.of());
    assertEquals(file.resolve(".cache/attune"), cache.folder(), "still read from there");
    assertTrue(cache.writable().startsWith(System.getProperty("java.io.tmpdir")));
    assertEquals(cache.writable().resolve("native"), cache.natives());
  }

  @Test
  void aFolderThatWasNamedIsNotReplacedInSilence() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    Cache cache = cache(Map.of(), Map.of("ATTUNE_HOME", file.resolve("below").toString()));
    InputException refusal = assertThrows(InputException.class, cache::writable);
    assertTrue(refusal.getMessage().contains("named by ATTUNE_HOME"), refusal.getMessage());
    assertTrue(refusal.getMessage().contains(file.toString()), refusal.getMessage());
    assertTrue(
        cache.natives().startsWith(System.getProperty("java.io.tmpdir")),
        "code is loaded from elsewhere, which a warning says");
  }

  @Test
  void madeFoldersAreForTheUserAlone() throws Exception {
    Path home = Files.createDirectory(folder.resolve("home"));
    Cache cache = cache(home(home), Map.of());
    for (Path made : List.of(cache.natives(), cache.writable(), home.resolve(".cache"))) {
      assertEquals(
          "rwx------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(made)),
          "" + made);
    }
  }

  @Test
  void aLinkToAFolderIsAFolder() throws Exception {
    Path real = Files.createDirectory(folder.resolve("real"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), real);
    assertEquals(link, Cache.at(link).writable());
    assertEquals(link.resolve("native"), Cache.at(link).natives());
  }

  @Test
  void lockedWorkIsDoneByOneAtATime() throws Exception {
    Path lock = folder.resolve("lock");
    AtomicInteger inside = new AtomicInteger();
    List<Callable<Integer>> calls = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      calls.add(
          () ->
              Cache.locked(
                  lock,
                  () -> {},
                  () -> {
                    int here = inside.incrementAndGet();
                    Thread.yield();
                    inside.decrementAndGet();
                    return here;
                  }));
    }
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      for (Future<Integer> result : threads.invokeAll(calls)) {
        assertEquals(1, result.get());
      }
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void aFolderForCodeThatOthersCouldWriteToIsClosed() throws Exception {
    Path natives = Files.createDirectories(folder.resolve("native"));
    Files.setPosixFilePermissions(natives, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertEquals(natives, Cache.at(folder).natives());
    assertEquals(
        "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(natives)));
  }

  @Test
  void codeOfAnotherUserIsNotTrusted() throws Exception {
    Path natives = Files.createDirectories(folder.resolve("native"));
    assertTrue(Cache.isTrusted(natives));
    if ((int) Files.getAttribute(Path.of("/proc/self"), "unix:uid")
        == 0) { // only root may give away
      Files.setAttribute(natives, "unix:uid", 65534);
      assertFalse(Cache.isTrusted(natives));
      assertNotEquals(natives, Cache.at(folder).natives());
    }
  }

  @Test
  void optionsAreThoseOfTheInnermostMount() {
    String info =
        """
        22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
        40 22 0:31 / /home rw,nosuid,nodev,noexec,relatime shared:9 - ext4 /dev/vdb rw
        41 40 0:32 / /home/with\\040space rw - tmpfs tmpfs rw
        42 22 0:33 / /homeless ro - tmpfs tmpfs rw
        """;
    assertEquals(List.of("rw", "relatime"), MountOptions.of(Path.of("/tmp/x"), info));
    assertTrue(MountOptions.of(Path.of("/home/u/.cache"), info).contains("noexec"));
    assertEquals(List.of("rw"), MountOptions.of(Path.of("/home/with space/u"), info));
    assertEquals(List.of("ro"), MountOptions.of(Path.of("/homeless/u"), info));
    assertEquals(List.of(), MountOptions.of(Path.of("/x"), ""));
  }

  @Test
  void platformsAreNamedAsMavenClassifiers() {
    assertEquals("linux-x86_64", Platform.name("Linux", "amd64"));
    assertEquals("linux-arm64", Platform.name("Linux", "aarch64"));
    assertEquals("macosx-arm64", Platform.name("Mac OS X", "aarch64"));
    assertEquals("windows-x86_64", Platform.name("Windows 11", "amd64"));
    assertEquals("freebsd-riscv64", Platform.name("FreeBSD", "riscv64"));
  }

  @Test
  void refusalsOfTheSystemComeWithAdvice() {
    assertTrue(
        Platform.advice("libx.so: version `GLIBC_2.34' not found (required by /x)")
            .contains("Ubuntu 22.04"));
    assertTrue(
        Platform.advice("Error loading shared library ld-linux-x86-64.so.2: No such file")
            .contains("Alpine"));
    assertTrue(
        Platform.advice("failed to map segment from shared object: Operation not permitted")
            .contains("noexec"));
    assertEquals("", Platform.advice("undefined symbol: x"));
  }
}
