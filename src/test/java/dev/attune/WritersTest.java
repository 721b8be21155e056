package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.FileOutputStream;
import java.io.FileWriter;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Files are written by {@link dev.attune.core.FileOps} alone, as the room {@code storage} says:
 * what writes otherwise is neither synced nor made to fail by tests.
 */
class WritersTest {
  /** Who may, and why. */
  private static final Map<String, String> ALLOWED =
      Map.of(
          "core.FileOps", "these are the operations",
          "core.Cache", "locks and temporary folders, which hold nothing",
          "core.Content", "native libraries, which are compared with the JAR before every load",
          "core.NativeLoader", "copies of them that are deleted once they are loaded",
          "folder.FolderLock", "the lock itself",
          "data.DataFile", "a copy of a pipe, for as long as it is read",
          "data.mapped.StoreWriter", "the lock of a store in the making",
          "hub.HubCache", "links, which have no content",
          "Trainer", "a temporary folder for the folds of a cross-validation");

  private static final Set<String> WRITES =
      Set.of(
          "copy",
          "createDirectories",
          "createDirectory",
          "createFile",
          "createLink",
          "createSymbolicLink",
          "createTempDirectory",
          "createTempFile",
          "delete",
          "deleteIfExists",
          "move",
          "newBufferedWriter",
          "newByteChannel",
          "newOutputStream",
          "write",
          "writeString");

  private static final Set<String> STREAMS =
      Set.of(
          FileOutputStream.class.getName(),
          FileWriter.class.getName(),
          RandomAccessFile.class.getName());

  @Test
  void nobodyElseWritesFiles() {
    Map<String, Set<String>> found = new TreeMap<>();
    for (JavaClass javaClass :
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.attune")) {
      String name =
          javaClass.getName().replaceFirst("^dev\\.attune\\.", "").replaceFirst("\\$.*", "");
      for (JavaAccess<?> access : javaClass.getAccessesFromSelf()) {
        if (writes(access.getTarget())) {
          found
              .computeIfAbsent(name, key -> new TreeSet<>())
              .add(access.getTarget().getFullName() + " in line " + access.getLineNumber());
        }
      }
    }
    Map<String, Set<String>> others = new TreeMap<>(found);
    others.keySet().removeAll(ALLOWED.keySet());
    assertEquals(
        Map.of(), others, "write these through storage.AtomicFile, or as parts by core.FileOps");
    Set<String> idle = new TreeSet<>(ALLOWED.keySet());
    idle.removeAll(found.keySet());
    assertEquals(Set.of(), idle, "these write nothing any more");
  }

  private static boolean writes(AccessTarget target) {
    String owner = target.getOwner().getName();
    if (owner.equals(Files.class.getName())) {
      return WRITES.contains(target.getName());
    }
    if (owner.equals(StandardOpenOption.class.getName())) {
      return Set.of("WRITE", "APPEND", "CREATE", "CREATE_NEW", "TRUNCATE_EXISTING")
          .contains(target.getName());
    }
    boolean isMade = target.getName().equals("<init>");
    return isMade
        && (STREAMS.contains(owner)
            || owner.equals(PrintWriter.class.getName())
                && target.getFullName().matches(".*\\((java\\.io\\.File|java\\.lang\\.String).*"));
  }
}
