package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.testkit.FailingFiles;
import dev.attune.train.TrainListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
    try (MetricsFile metrics = MetricsFile.open(file, 2, 1, note -> {})) {
      metrics.test(7, Map.of("accuracy", 0.5));
    }
    assertEquals(KEPT + "{\"step\":7,\"test\":{\"accuracy\":0.5}}\n", Files.readString(file));
  }

  @Test
  void aRunFromTheBeginningStartsAnew() throws IOException {
    Path file = logged("a");
    MetricsFile.open(file, 0, 1, note -> {}).close();
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
        MetricsFile.open(file, 2, 1, note -> {}, failing).close();
      } catch (UncheckedIOException e) {
        assertTrue(e.getMessage().contains("metrics.jsonl"), e.getMessage());
      }
      injected = failing.reached();
      assertTrue(Set.of(LOGGED, KEPT).contains(Files.readString(file)), "operation " + failAt);
      MetricsFile.open(file, 2, 1, note -> {}).close();
      assertEquals(KEPT, Files.readString(file));
      try (var files = Files.list(file.getParent())) {
        assertEquals(List.of(file), files.toList());
      }
    }
    assertTrue(failAt > 5, "only " + failAt + " operations were made to fail");
  }

  /** A line that finds no room waits for the next one, and stands there once. */
  @Test
  void linesThatCannotBeWrittenWait() throws IOException {
    Path file = logged("a");
    List<String> notes = new ArrayList<>();
    FailingFiles failing = new FailingFiles(8); // of the second line, in its midst
    try (MetricsFile metrics = MetricsFile.open(file, 2, 1, notes::add, failing)) {
      for (int step = 7; step <= 9; step++) {
        metrics.test(step, Map.of("accuracy", 0.5));
      }
    }
    assertTrue(failing.reached());
    assertEquals(1, notes.size(), notes.toString());
    assertTrue(notes.get(0).contains("kept in memory"), notes.toString());
    String line = "{\"step\":%d,\"test\":{\"accuracy\":0.5}}\n";
    assertEquals(
        KEPT + line.formatted(7) + line.formatted(8) + line.formatted(9), Files.readString(file));
  }

  @Test
  void aStepIsWrittenAsJackson() throws IOException {
    Path file = scratch.resolve("steps.jsonl");
    TrainListener.Step step =
        new TrainListener.Step(
            3,
            9,
            0.5,
            Double.NaN,
            Double.NEGATIVE_INFINITY,
            2e-5,
            77,
            1,
            1,
            Map.of("a\"b", 1e-300));
    try (MetricsFile metrics = MetricsFile.open(file, 0, 1, note -> {})) {
      metrics.before(new SilentRunListener()).onStep(step);
    }
    ObjectNode line = JsonNodeFactory.instance.objectNode();
    line.put("step", 3L).put("epoch", 0.5).put("loss", Double.NaN);
    line.put("grad_norm", Double.NEGATIVE_INFINITY).put("learning_rate", 2e-5).put("tokens", 77L);
    line.put("a\"b", 1e-300);
    assertEquals(line + "\n", Files.readString(file));
  }
}
