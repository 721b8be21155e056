package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.FileOps;
import dev.attune.data.mapped.StoreWriter;
import dev.attune.data.mapped.Stores;
import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files are known again while nobody has written to them, and only then. */
class KnownContentTest {
  private static final Duration AT_ONCE = Duration.ofHours(-1);

  @TempDir Path temp;

  private Stores stores(FileOps files) {
    return new Stores(() -> temp.resolve("stores"), files, note -> {});
  }

  private KnownContent known() {
    return new KnownContent(stores(FileOps.SYSTEM), 2, AT_ONCE);
  }

  private List<String> kept() throws IOException {
    try (Stream<Path> entries = Files.list(temp.resolve("stores"))) {
      return entries.map(path -> path.getFileName().toString()).toList();
    }
  }

  @Test
  void aFileThatNobodyWroteToIsNotReadAgain() throws IOException {
    Path file = Files.writeString(temp.resolve("a.csv"), "text,label\na,x\n");
    String content = known().of(file);
    assertEquals(1, kept().size());
    String key = kept().get(0);
    assertTrue(key.startsWith("file-"), key);
    FileOps.SYSTEM.deleteTree(temp.resolve("stores").resolve(key));
    try (StoreWriter writer = stores(FileOps.SYSTEM).begin()) {
      stores(FileOps.SYSTEM)
          .publish(
              writer, key, JsonNodeFactory.instance.objectNode().put("content", "as was kept"));
    }
    assertEquals("as was kept", known().of(file));
    assertNotEquals("as was kept", content);
  }

  @Test
  void anEditIsSeenThoughSizeAndTimeAreAsBefore() throws IOException {
    Path file = Files.writeString(temp.resolve("a.csv"), "text,label\na,x\n");
    String before = known().of(file);
    FileTime time = Files.getLastModifiedTime(file);
    Files.writeString(file, "text,label\nb,x\n");
    Files.setLastModifiedTime(file, time);
    assertNotEquals(before, known().of(file));
    Path other = Files.writeString(temp.resolve("b.csv"), "text,label\na,x\n");
    Files.setLastModifiedTime(other, time);
    Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
    assertEquals(before, known().of(file));
  }

  @Test
  void aFileThatWasJustWrittenIsReadAgain() throws IOException {
    Path file = Files.writeString(temp.resolve("a.csv"), "text,label\na,x\n");
    Files.createDirectory(temp.resolve("stores"));
    String content = new KnownContent(stores(FileOps.SYSTEM), 2).of(file);
    assertEquals(List.of(), kept());
    assertEquals(content, known().of(file));
  }

  @Test
  void whereNothingCanBeKeptItIsRead() throws IOException {
    Path file = Files.writeString(temp.resolve("a.csv"), "text,label\na,x\n");
    String content = known().of(file);
    FileOps.SYSTEM.deleteTree(temp.resolve("stores"));
    for (int at = 1; at < 4; at++) {
      assertEquals(content, new KnownContent(stores(new FailingFiles(at)), 2, AT_ONCE).of(file));
    }
  }
}
