package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run is told later as it would have been told while it ran. */
class ReplayTest {
  @TempDir private Path folder;

  private static Point at(String series, long x, long seconds) {
    return new Point(series, x, 1_000_000 + 1000 * seconds, 0.5);
  }

  private void record(RunStatus status) throws IOException {
    Path output = Files.createDirectories(folder.toRealPath().resolve("out"));
    try (RunStoreSink sink = new RunStoreSink(folder.resolve("runs"))) {
      sink.begin(start(output, 0));
      sink.write(
          new RunUpdate(
              List.of(
                  at("train/loss", 1, 1),
                  at("train/loss", 2, 10),
                  at("train/loss", 3, 20),
                  at("system/rss_bytes", 5, 5),
                  at("system/rss_bytes", 15, 15)),
              Map.of(),
              3,
              3,
              status));
    }
  }

  private List<String> replayed() throws IOException {
    List<String> heard = new ArrayList<>();
    RunSink sink =
        new RunSink() {
          @Override
          public String name() {
            return "a list";
          }

          @Override
          public void begin(RunStart start) {
            heard.add("begin");
          }

          @Override
          public void write(RunUpdate update) {
            update.points().forEach(point -> heard.add(point.series() + " " + point.x()));
            heard.add(update.status().toString());
          }
        };
    try (RunStore runs = RunStore.open(folder.resolve("runs"))) {
      Replay.send(runs, runs.runs().get(0), sink);
    }
    return heard;
  }

  @Test
  void numbersComeInTheOrderOfTheirTimes() throws IOException {
    record(RunStatus.FINISHED);
    assertEquals(
        List.of(
            "begin",
            "train/loss 1",
            "system/rss_bytes 5",
            "train/loss 2",
            "system/rss_bytes 15",
            "train/loss 3",
            "running",
            "finished"),
        replayed());
  }

  @Test
  void aRunThatIsRunningTellsOfItself() throws IOException {
    record(RunStatus.RUNNING);
    String refused = assertThrows(InputException.class, this::replayed).getMessage();
    assertTrue(refused.contains("is running"), refused);
  }
}
