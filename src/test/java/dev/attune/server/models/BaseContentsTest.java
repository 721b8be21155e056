package dev.attune.server.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.http.ApiException;
import dev.attune.testkit.TinyDecoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** When the files of a base are read again: a text that is the same object was not made anew. */
class BaseContentsTest {
  @TempDir Path scratch;
  private Path base;
  private final BaseContents contents = new BaseContents();

  @BeforeEach
  void makeBase() {
    base = scratch.resolve("base");
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(base, backend, 32);
    }
  }

  @Test
  void whatIsNoPartOfTheContentIsNotLookedAt() throws Exception {
    String content = contents.now(base);
    Files.createSymbolicLink(base.resolve("dangling"), scratch.resolve("nowhere"));
    Files.createSymbolicLink(base.resolve("model-1-of-2.safetensors"), scratch.resolve("nowhere"));
    Files.writeString(base.resolve("README.md"), "words");
    assertSame(content, contents.now(base));
  }

  @Test
  void otherFilesAreAnotherContent() throws Exception {
    String content = contents.now(base);
    Path config = base.resolve("config.json");
    String was = Files.readString(config);
    Files.writeString(config, was + "\n");
    assertNotEquals(content, contents.now(base));
    Files.delete(config);
    assertEquals(503, assertThrows(ApiException.class, () -> contents.now(base)).status());
    Files.writeString(config, was);
    assertEquals(content, contents.now(base));
  }

  @Test
  void oneOfManyReads() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      Callable<String> ask = () -> contents.of(base);
      Set<String> made = Collections.newSetFromMap(new IdentityHashMap<>());
      for (Future<String> one : threads.invokeAll(Collections.nCopies(32, ask))) {
        made.add(one.get());
      }
      assertEquals(1, made.size(), List.copyOf(made)::toString);
    } finally {
      threads.shutdown();
    }
  }
}
