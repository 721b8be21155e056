package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
}
