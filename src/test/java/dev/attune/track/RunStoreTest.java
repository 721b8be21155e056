package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static dev.attune.track.TrackTrial.steps;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
import dev.attune.track.StoredRun.Owner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is recorded is found again, whatever became of who recorded it. */
class RunStoreTest {
  @TempDir private Path temporary;
  private Path store;
  private Path output;

  @BeforeEach
  void folders() throws IOException {
    store = temporary.resolve("runs");
    output = Files.createDirectories(temporary.toRealPath().resolve("out"));
  }

  private void record(Path folder, RunUpdate... updates) throws IOException {
    try (RunStoreSink sink = new RunStoreSink(store)) {
      sink.begin(start(folder, 0));
      for (RunUpdate update : updates) {
        sink.write(update);
      }
    }
  }

  @Test
  void numbersAndDocumentsComeBack() throws IOException {
    record(
        output,
        steps(1, 20, RunStatus.RUNNING),
        new RunUpdate(
            List.of(
                new Point("eval/accuracy", 20, 5, 0.75), new Point("eval/loss", 20, 5, Double.NaN)),
            Map.of(Documents.SUMMARY, JsonNodeFactory.instance.objectNode().put("steps", 20)),
            20,
            20,
            RunStatus.FINISHED));
    try (RunStore runs = RunStore.open(store)) {
      StoredRun run = runs.runs().get(0);
      assertEquals(1, runs.runs().size());
      assertEquals("out", run.name());
      assertEquals(RunStatus.FINISHED, run.status());
      assertEquals(20, run.step());
      assertEquals(20, run.totalSteps());
      assertEquals(List.of("train/loss", "eval/accuracy", "eval/loss"), runs.series(run));
      List<Point> losses = runs.points(run, "train/loss", Long.MIN_VALUE);
      assertEquals(20, losses.size());
      assertEquals(new Point("train/loss", 4, 1_000_004, 2.5), losses.get(3));
      assertEquals(2, runs.points(run, "train/loss", 18).size());
      Map<String, Double> last = runs.last(run);
      assertEquals(0.5, last.get("train/loss"));
      assertEquals(0.75, last.get("eval/accuracy"));
      assertTrue(Double.isNaN(last.get("eval/loss")));
      assertEquals(20, runs.document(run, Documents.SUMMARY).path("steps").asInt());
      assertEquals("3", runs.document(run, Documents.CONFIG).path("epochs").asText());
      assertTrue(runs.document(run, Documents.CONFUSION).isMissingNode());
    }
  }

  @Test
  void aRunWhoseProcessIsGoneIsShownAsInterruptedAndGoesOnUnderItsId() throws IOException {
    Owner gone = new Owner(Host.name(), ProcessHandle.current().pid(), 12345);
    try (RunStoreSink sink = new RunStoreSink(store, gone)) {
      sink.begin(start(output, 0));
      sink.write(steps(1, 9, RunStatus.RUNNING));
    }
    String id;
    try (RunStore runs = RunStore.open(store)) {
      assertEquals(RunStatus.INTERRUPTED, runs.runs().get(0).status());
      id = runs.runs().get(0).id();
    }
    try (RunStoreSink sink = new RunStoreSink(store)) {
      sink.begin(start(output, 5));
      try (RunStore runs = RunStore.open(store)) {
        StoredRun run = runs.find(output.toString());
        assertEquals(RunStatus.RUNNING, run.status());
        assertEquals(id, run.id());
        assertEquals(5, runs.points(run, "train/loss", 0).size(), "what is done again is gone");
        assertThrows(InputException.class, () -> runs.delete(run));
      }
      sink.write(steps(6, 20, RunStatus.FINISHED));
    }
    try (RunStore runs = RunStore.open(store)) {
      assertEquals(1, runs.runs().size());
      assertEquals(20, runs.points(runs.runs().get(0), "train/loss", 0).size());
      assertEquals(RunStatus.FINISHED, runs.runs().get(0).status());
    }
  }

  @Test
  void whatTheProcessUsesIsKeptBySecondsFromTheFirstBeginning() throws IOException {
    long created = 1_000_000; // of all runs that start() begins
    for (long began : new long[] {created, created + 60_000}) {
      try (RunStoreSink sink = new RunStoreSink(store)) {
        sink.begin(start(output, began == created ? 0 : 1));
        // A process counts its own seconds.
        Point used = new Point("system/rss_bytes", 5, began + 5000, began);
        sink.write(new RunUpdate(List.of(used), Map.of(), 1, 2, RunStatus.INTERRUPTED));
      }
    }
    try (RunStore runs = RunStore.open(store)) {
      List<Point> points = runs.points(runs.runs().get(0), "system/rss_bytes", Long.MIN_VALUE);
      assertEquals(List.of(5L, 65L), points.stream().map(Point::x).toList());
    }
  }

  @Test
  void aProcessOfAnotherMachineIsGoneWhenItHasBeenSilentForLong() {
    Owner other = new Owner("another-machine", 1, 1);
    Instant now = Instant.now();
    assertTrue(other.isAlive(now.minusSeconds(60), now));
    assertTrue(!other.isAlive(now.minusSeconds(180), now));
    assertTrue(Owner.current().isAlive(now.minusSeconds(180), now));
  }

  @Test
  void aRunIsFoundByIdBeginningNameAndFolder() throws IOException {
    Path second = Files.createDirectories(temporary.toRealPath().resolve("second"));
    record(output, steps(1, 2, RunStatus.FINISHED));
    record(output, steps(1, 3, RunStatus.FINISHED));
    record(second, steps(1, 4, RunStatus.FINISHED));
    try (RunStore runs = RunStore.open(store)) {
      List<StoredRun> all = runs.runs();
      assertEquals(4, all.get(0).step(), "the newest first");
      String id = all.get(1).id();
      assertEquals(id, runs.find(id).id());
      assertEquals(id, runs.find(id.substring(0, 6)).id());
      assertEquals(3, runs.find(output.toString()).step(), "the newest of a folder");
      assertEquals(4, runs.find("second").step());
      String several = assertThrows(InputException.class, () -> runs.find("out")).getMessage();
      assertTrue(several.contains("2 runs") && several.contains(id), several);
      String none = assertThrows(InputException.class, () -> runs.find("none")).getMessage();
      assertTrue(none.contains("there is no run 'none'") && none.contains("3 runs"), none);
      runs.delete(all.get(0));
      assertEquals(2, runs.runs().size());
      assertThrows(InputException.class, () -> runs.find("second"));
    }
  }

  @Test
  void severalRunsWriteAtATime() throws Exception {
    List<Thread> threads = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Path folder = Files.createDirectories(temporary.toRealPath().resolve("run-" + i));
      threads.add(
          new Thread(
              () -> {
                try (RunStoreSink sink = new RunStoreSink(store)) {
                  sink.begin(start(folder, 0));
                  for (int step = 1; step <= 50; step++) {
                    sink.write(steps(step, step, RunStatus.RUNNING));
                  }
                } catch (IOException | RuntimeException e) {
                  synchronized (failures) {
                    failures.add(e);
                  }
                }
              }));
    }
    threads.forEach(Thread::start);
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(List.of(), failures);
    try (RunStore runs = RunStore.open(store)) {
      assertEquals(4, runs.runs().size());
      for (StoredRun run : runs.runs()) {
        assertEquals(50, runs.points(run, "train/loss", 0).size());
      }
    }
  }

  @Test
  void aStoreThatIsNotThereOrOfALaterVersionIsRefusedByName() throws Exception {
    String missing = assertThrows(InputException.class, () -> RunStore.open(store)).getMessage();
    assertTrue(missing.contains("there is no run store in " + store), missing);
    assertTrue(!Files.exists(store), "looking makes nothing");
    record(output, steps(1, 2, RunStatus.FINISHED));
    try (Connection connection = Database.open(store);
        Statement statement = connection.createStatement()) {
      statement.execute("PRAGMA user_version = 99");
    }
    String later = assertThrows(InputException.class, () -> RunStore.open(store)).getMessage();
    assertTrue(later.contains("layout 99"), later);
    Path odd = temporary.resolve("what?");
    String name = assertThrows(InputException.class, () -> Database.open(odd)).getMessage();
    assertTrue(name.contains("'?'"), name);
  }
}
