package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What was logged is never lost: not to a resume, nor to a kill in the midst of one. */
class MetricsFileTest {
  private static final String LOGGED =
      """
      {"step":1,"loss":3.0}
      {"step":2,"loss":2.0}
      {"step":2,"eval":{"loss":2.5}}
      {"step":3,"loss":1.0}
      {"step":4,"lo""";
  private static final String KEPT =
      """
      {"step":1,"loss":3.0}
      {"step":2,"loss":2.0}
      {"step":2,"eval":{"loss":2.5}}
      """;

  @TempDir Path scratch;

  private Path logged(String folder) throws IOException {
    Path file = Files.createDirectories(scratch.resolve(folder)).resolve("metrics.jsonl");
    return Files.writeString(file, LOGGED);
  }

  @Test
  void aResumeKeepsTheStepsUpToItsCheckpointAndGoesOn() throws IOException {
    Path file = logged("a");
    try (MetricsFile metrics = MetricsFile.open(file, 2, 1)) {
      metrics.test(7, Map.of("accuracy", 0.5));
    }
    assertEquals(KEPT + "{\"step\":7,\"test\":{\"accuracy\":0.5}}\n", Files.readString(file));
  }

  @Test
  void aRunFromTheBeginningStartsAnew() throws IOException {
    Path file = logged("a");
    MetricsFile.open(file, 0, 1).close();
    assertEquals("", Files.readString(file));
  }

  @Test
  void aKillInTheMidstLeavesTheOldLinesOrTheKeptOnes() throws IOException {
    boolean injected = true;
    int failAt = 1;
    for (; injected; failAt++) {
      Path file = logged("fail-" + failAt);
      FailingFiles failing = new FailingFiles(failAt, true);
      try {
        MetricsFile.open(file, 2, 1, failing).close();
      } catch (UncheckedIOException e) {
        assertTrue(e.getMessage().contains("metrics.jsonl"), e.getMessage());
      }
      injected = failing.reached();
      assertTrue(Set.of(LOGGED, KEPT).contains(Files.readString(file)), "operation " + failAt);
      MetricsFile.open(file, 2, 1).close();
      assertEquals(KEPT, Files.readString(file));
      try (var files = Files.list(file.getParent())) {
        assertEquals(List.of(file), files.toList());
      }
    }
    assertTrue(failAt > 5, "only " + failAt + " operations were made to fail");
  }
}
