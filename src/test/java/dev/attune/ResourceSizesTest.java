package dev.attune;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the tests read is small enough to live among the sources: 2 MB in all. */
class ResourceSizesTest {
  private static final long MOST_BYTES = 2_000_000;

  @Test
  void resourcesOfTheTestsAreTwoMegabytesAtMost() throws IOException {
    long bytes = 0;
    try (Stream<Path> files = Files.walk(Path.of("src/test/resources"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        bytes += Files.size(file);
      }
    }
    assertTrue(
        bytes <= MOST_BYTES,
        "src/test/resources holds "
            + bytes
            + " bytes, more than "
            + MOST_BYTES
            + ". tools/goldens.py writes reference numbers in few bytes: write_json gzips, and"
            + " write_tensors keeps sums of large matrices");
  }
}
