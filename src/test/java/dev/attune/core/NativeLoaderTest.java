package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files and the order of attempts; what loads here is a recorder, not the system. */
class NativeLoaderTest {
  private static final String NAME = "libsome.so";

  @TempDir Path folder;
  private final byte[] library = new byte[300_000];
  private final List<Path> loaded = new ArrayList<>();

  private URL inJar() throws IOException {
    new Random(7).nextBytes(library);
    Path jar = folder.resolve("some.jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
      out.putNextEntry(new JarEntry("deep/" + NAME));
      out.write(library);
    }
    return new URL("jar:" + jar.toUri() + "!/deep/" + NAME);
  }

  private Cache cache() {
    return Cache.at(folder.resolve("cache"));
  }

  private Path load(URL url, Consumer<Path> system) throws IOException {
    return NativeLoader.load(cache(), url, NativeLoader.Around.NOTHING, system);
  }

  private static Consumer<Path> refusing(Consumer<Path> then, String place, String why) {
    return file -> {
      if (file.toString().contains(place)) {
        throw new UnsatisfiedLinkError(why);
      }
      then.accept(file);
    };
  }

  @Test
  void unpackedOnceAndOnlyForThisUser() throws Exception {
    URL url = inJar();
    Path file = load(url, loaded::add);
    assertArrayEquals(library, Files.readAllBytes(file));
    FileTime made = Files.getLastModifiedTime(file);
    assertEquals(file, load(url, loaded::add));
    assertEquals(made, Files.getLastModifiedTime(file));
    assertEquals(List.of(file, file), loaded);
    assertTrue(file.startsWith(folder.resolve("cache/native")), file.toString());
  }

  @Test
  void aDamagedTruncatedOrForeignFileIsReplacedNeverLoaded() throws Exception {
    URL url = inJar();
    Path file = load(url, loaded::add);
    byte[] damaged = library.clone();
    damaged[1234] ^= 1;
    byte[] truncated = new byte[1000];
    for (byte[] content : List.of(damaged, truncated, new byte[library.length])) {
      Files.write(file, content);
      load(
          url,
          f -> {
            try {
              assertArrayEquals(library, Files.readAllBytes(f), "what is loaded");
            } catch (IOException e) {
              throw new AssertionError(e);
            }
          });
    }
  }

  @Test
  void aSecondClassLoaderGetsACopyThatIsGoneAfterwards() throws Exception {
    URL url = inJar();
    Path file = load(url, loaded::add);
    String why = "Native Library " + file + " already loaded in another classloader";
    assertEquals(file, load(url, refusing(loaded::add, file.getParent().toString(), why)));
    Path copy = loaded.get(1);
    assertNotEquals(file, copy);
    assertTrue(copy.startsWith(folder.resolve("cache/native/copies")), copy.toString());
    assertFalse(Files.exists(copy));
    assertTrue(Files.exists(file));
  }

  @Test
  void copiesOfKilledProcessesAreDeletedLater() throws Exception {
    URL url = inJar();
    Path file = load(url, loaded::add);
    Path copies = Files.createDirectories(folder.resolve("cache/native/copies"));
    Path old = Files.writeString(copies.resolve("a.copy"), "x");
    Path young = Files.writeString(copies.resolve("b.copy"), "x");
    Files.setLastModifiedTime(old, FileTime.from(Instant.now().minusSeconds(4000)));
    load(url, refusing(loaded::add, file.getParent().toString(), "already loaded"));
    assertFalse(Files.exists(old));
    assertTrue(Files.exists(young));
  }

  @Test
  void whereTheSystemRefusesCodeTheTemporaryFolderIsTried() throws Exception {
    URL url = inJar();
    String why = "failed to map segment from shared object: Operation not permitted";
    Path file = load(url, refusing(loaded::add, folder.toString(), why));
    assertEquals(List.of(file), loaded);
    assertFalse(file.startsWith(folder), file.toString());
  }

  @Test
  void whatIsRefusedEverywhereNamesTheFileTheReasonAndTheWayOut() throws Exception {
    URL url = inJar();
    String why = "failed to map segment from shared object: Operation not permitted";
    UnsatisfiedLinkError error =
        assertThrows(UnsatisfiedLinkError.class, () -> load(url, refusing(loaded::add, "/", why)));
    assertTrue(error.getMessage().contains(NAME + " cannot be loaded: " + why), error.getMessage());
    assertTrue(
        error
            .getMessage()
            .contains("ATTUNE_HOME or the Java property attune.cache names another folder"),
        error.getMessage());
    assertEquals(4, error.getSuppressed().length, "file and copy, in both folders");
  }

  @Test
  void aFileBesideTheClassesIsLoadedWhereItLies() throws Exception {
    Path file = Files.writeString(folder.resolve(NAME), "x");
    assertEquals(file, load(file.toUri().toURL(), loaded::add));
    assertEquals(List.of(file), loaded);
  }

  @Test
  void manyThreadsUnpackOneWholeFile() throws Exception {
    URL url = inJar();
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      List<Callable<Path>> calls = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        calls.add(
            () ->
                load(
                    url,
                    f -> {
                      try {
                        assertArrayEquals(library, Files.readAllBytes(f));
                      } catch (IOException e) {
                        throw new AssertionError(e);
                      }
                    }));
      }
      for (Future<Path> result : threads.invokeAll(calls)) {
        result.get();
      }
    } finally {
      threads.shutdown();
    }
    try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
      List<String> names =
          files.filter(Files::isRegularFile).map(f -> f.getFileName().toString()).sorted().toList();
      assertEquals(List.of(NAME, "lock"), names);
    }
  }

  @Test
  void anotherLoadersCopiesAreDeletedOnlyWhereTheyDiffer() throws Exception {
    URL url = inJar();
    Path tree = Files.createDirectories(folder.resolve("other/deep"));
    Path good = Files.write(tree.resolve(NAME), library);
    Path bad = Files.write(tree.resolve("libsome0.so"), new byte[library.length]);
    Path unrelated = Files.writeString(tree.resolve("libsomething.so"), "x");
    NativeLoader.deleteUnlike(folder.resolve("other"), url);
    assertTrue(Files.exists(good));
    assertFalse(Files.exists(bad));
    assertTrue(Files.exists(unrelated));
  }
}
