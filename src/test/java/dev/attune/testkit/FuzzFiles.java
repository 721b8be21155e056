package dev.attune.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * Files that fuzz targets write their bytes to, over and over: in memory where that is possible.
 */
public final class FuzzFiles {
  private static final Path MEMORY = Path.of("/dev/shm");

  private final Path folder;

  public FuzzFiles() {
    try {
      folder =
          Files.isWritable(MEMORY)
              ? Files.createTempDirectory(MEMORY, "attune-fuzz")
              : Files.createTempDirectory("attune-fuzz");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Runtime.getRuntime().addShutdownHook(new Thread(this::delete));
  }

  public Path folder() {
    return folder;
  }

  /** A file of these bytes; a new one each time, since readers may have mapped the one before. */
  public Path write(String name, byte[] bytes) {
    try {
      Path file = folder.resolve(name);
      Files.deleteIfExists(file);
      return Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void delete() {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
