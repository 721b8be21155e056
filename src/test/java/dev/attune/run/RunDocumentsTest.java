package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is kept of a run beside its numbers. */
class RunDocumentsTest {
  @TempDir private Path folder;

  @Test
  void filesAreListedWhileOthersComeAndGo() throws Exception {
    Files.writeString(folder.resolve("b.txt"), "four");
    Files.writeString(Files.createDirectory(folder.resolve("a")).resolve("c.txt"), "one");
    AtomicBoolean ended = new AtomicBoolean();
    Thread other =
        new Thread(
            () -> {
              for (int i = 0; !ended.get(); i++) {
                try {
                  Path some = folder.resolve("passing-" + i % 8);
                  Files.createFile(some);
                  Files.delete(some);
                } catch (IOException e) {
                  throw new AssertionError(e);
                }
              }
            });
    other.start();
    try {
      for (int i = 0; i < 500; i++) {
        ArrayNode files = RunDocuments.artifacts(folder);
        assertEquals("a/c.txt", files.get(0).path("file").asText());
        assertEquals(4, files.get(1).path("bytes").asInt());
      }
    } finally {
      ended.set(true);
      other.join();
    }
  }
}
