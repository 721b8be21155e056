package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class FileOpsTest {
  @TempDir Path folder;

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aTreeIsDeletedAndWhatItsLinksLeadToIsNot() throws IOException {
    Path other = Files.createDirectory(folder.resolve("other"));
    Path kept = Files.writeString(other.resolve("kept"), "x");
    Path tree = folder.resolve("tree");
    Files.createDirectories(tree.resolve("a/b"));
    Files.writeString(tree.resolve("a/b/file"), "x");
    Files.createSymbolicLink(tree.resolve("a/link"), other);
    Files.createSymbolicLink(tree.resolve("nowhere"), tree.resolve("none"));
    FileOps.SYSTEM.deleteTree(tree);
    assertFalse(Files.exists(tree));
    Path link = Files.createSymbolicLink(tree, other);
    FileOps.SYSTEM.deleteTree(link);
    assertFalse(Files.isSymbolicLink(link));
    assertTrue(Files.exists(kept));
    FileOps.SYSTEM.deleteTree(tree); // there is none any more
  }

  /** As where the blocks of a file system have a size that is no power of two. */
  @Test
  void aFileIsNotReadPastMemoryWhereTheJdkRefusesThat() throws IOException {
    Path file = Files.write(folder.resolve("file"), new byte[Chunk.ALIGNMENT]);
    List<FileChannel> tried = new ArrayList<>();
    assertNull(
        FileOps.direct(
            file,
            StandardOpenOption.READ,
            (channel, block) -> {
              tried.add(channel);
              throw new IllegalArgumentException("the alignment is no power of two");
            }));
    tried.forEach(channel -> assertFalse(channel.isOpen()));
  }
}
