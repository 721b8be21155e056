package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.train.StepPhases.Phase;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChromeTraceTest {
  private static final int CALLS = 40_000;

  @TempDir Path temp;

  /** As where a checkpoint is saved while the run goes on. */
  @Test
  void callsOfAnotherThreadStandOnALineOfTheirOwnAndNoneIsLost() throws Exception {
    ChromeTrace trace = new ChromeTrace();
    trace.enter(Phase.FORWARD);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread saving = new Thread(() -> calls(trace, "download"));
    saving.setUncaughtExceptionHandler((thread, e) -> failure.set(e));
    saving.start();
    calls(trace, "linear");
    saving.join();
    assertNull(failure.get());
    trace.enter(null);
    Path file = temp.resolve("trace.json");
    trace.write(file);
    Map<String, Integer> lines = new TreeMap<>();
    for (JsonNode event : new ObjectMapper().readTree(file.toFile()).path("traceEvents")) {
      if (event.path("ph").asText().equals("X")) {
        lines.merge(event.path("name").asText() + " " + event.path("tid"), 1, Integer::sum);
      }
    }
    assertEquals(Map.of("download 3", CALLS, "linear 2", CALLS, "forward 1", 1), lines);
  }

  private static void calls(ChromeTrace trace, String name) {
    for (int i = 0; i < CALLS; i++) {
      trace.called(name, i, i + 1);
    }
  }
}
