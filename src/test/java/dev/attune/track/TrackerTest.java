package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Training waits for nobody who hears of it, and everybody hears all that they can. */
class TrackerTest {
  private static final TrainListener NOBODY =
      new TrainListener() {
        @Override
        public void onStep(Step step) {}

        @Override
        public void onEvaluation(long at, double epoch, Map<String, Double> values, boolean best) {}

        @Override
        public void onCheckpoint(long step) {}
      };

  /** Keeps what it hears, unless it fails so many times first. */
  private static final class Kept implements RunSink {
    private final List<Point> points = new ArrayList<>();
    private int failures;
    private int begun;
    private RunStatus status;
    private long step;
    private final Map<String, JsonNode> documents = new HashMap<>();
    private RunUpdate unwritten;
    private CountDownLatch held = new CountDownLatch(0);

    @Override
    public String name() {
      return "the place";
    }

    @Override
    public void begin(RunStart start) {
      begun++;
    }

    @Override
    public void write(RunUpdate update) throws IOException {
      try {
        assertTrue(held.await(60, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      if (failures > 0) {
        failures--;
        throw new IOException("no room");
      }
      points.addAll(update.points());
      status = update.status();
      step = Math.max(step, update.step());
      documents.putAll(update.documents());
    }

    @Override
    public void close(RunUpdate left) {
      unwritten = left;
    }
  }

  private static TrainListener.Step step(long number, long total) {
    return new TrainListener.Step(number, total, 0.5, 1.0 / number, 2, 1e-4, 100, 1000, 5);
  }

  private static List<String> run(Kept kept, long everySteps, int steps) {
    List<String> troubles = new ArrayList<>();
    Tracker tracker = new Tracker(start(Path.of("out"), 0), everySteps, List.of(kept), 5);
    TrainListener listener =
        tracker.before(
            new ForwardingListener(NOBODY) {
              @Override
              public void onStep(Step step) {
                tracker.tellTroubles(troubles::add);
              }
            });
    for (int i = 1; i <= steps; i++) {
      listener.onStep(step(i, steps));
    }
    listener.onEvaluation(steps, 1, Map.of("accuracy", 0.5), true);
    tracker.ended(RunStatus.FINISHED);
    kept.held.countDown();
    tracker.close();
    tracker.tellTroubles(troubles::add);
    return troubles;
  }

  private static long losses(Kept kept) {
    return kept.points.stream().filter(p -> p.series().equals("train/loss")).count();
  }

  @Test
  void everyStepAndEvaluationIsHeardInOrder() {
    Kept kept = new Kept();
    assertEquals(List.of(), run(kept, 1, 100));
    assertEquals(1, kept.begun);
    assertEquals(100, losses(kept));
    assertEquals(RunStatus.FINISHED, kept.status);
    assertEquals(null, kept.unwritten);
    List<Long> order =
        kept.points.stream().filter(p -> p.series().equals("train/loss")).map(Point::x).toList();
    assertEquals(order.stream().sorted().toList(), order);
    assertTrue(kept.points.stream().anyMatch(p -> p.series().equals("eval/accuracy")));
    assertTrue(kept.points.stream().anyMatch(p -> p.series().equals("system/rss_bytes")));
  }

  @Test
  void someStepsAreNotedWhereThatIsAsked() {
    Kept kept = new Kept();
    run(kept, 40, 100);
    assertEquals(
        List.of(40L, 80L, 100L),
        kept.points.stream().filter(p -> p.series().equals("train/loss")).map(Point::x).toList());
  }

  @Test
  void aPlaceThatFailsIsToldOfOnceAndHearsAllLater() {
    Kept kept = new Kept();
    kept.failures = 1;
    List<String> troubles = run(kept, 1, 100);
    assertEquals(1, troubles.size(), troubles::toString);
    assertEquals(
        "the place cannot be written (no room); the run goes on, and it is tried again",
        troubles.get(0));
    assertEquals(100, losses(kept));
    assertEquals(RunStatus.FINISHED, kept.status);
  }

  @Test
  void aPlaceThatNeverWorksLeavesACount() {
    Kept kept = new Kept();
    kept.failures = Integer.MAX_VALUE;
    List<String> troubles = run(kept, 1, 100);
    assertEquals(2, troubles.size(), troubles::toString);
    assertTrue(
        troubles.get(1).endsWith(" numbers of the run are not in the place"), troubles.get(1));
    assertTrue(kept.unwritten.points().size() >= 500, "five numbers a step");
  }

  @Test
  void stepsDoNotWaitForAPlaceThatDoesNotAnswer() {
    Kept kept = new Kept();
    kept.held = new CountDownLatch(1); // released when all steps are done
    long begin = System.nanoTime();
    List<String> troubles = run(kept, 1, 1000);
    assertEquals(List.of(), troubles);
    assertEquals(1000, losses(kept));
    assertTrue(System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(30));
  }

  /**
   * More than the queue holds, while the place does not answer: what is lost is told, the end is
   * not.
   */
  @Test
  void howARunEndedIsHeardThoughThereWasNoRoomForItsNumbers() {
    Kept kept = new Kept();
    kept.held = new CountDownLatch(1);
    Queue<String> troubles = new ConcurrentLinkedQueue<>();
    Outlet outlet = new Outlet(kept, start(Path.of("out"), 0), 1, troubles);
    int offered = 2 * (1 << 17) + 5000; // the place may have taken one queue full before it stopped
    for (int i = 1; i <= offered; i++) {
      Point point = new Point("train/loss", i, 0, 1.0);
      outlet.offer(new RunUpdate(List.of(point), Map.of(), i, offered, RunStatus.RUNNING));
    }
    Map<String, JsonNode> summary = Map.of("summary", IntNode.valueOf(7));
    outlet.offer(new RunUpdate(List.of(), summary, offered, offered, RunStatus.FINISHED));
    kept.held.countDown();
    outlet.beginEnd();
    outlet.end();
    assertEquals(RunStatus.FINISHED, kept.status);
    assertEquals(summary, kept.documents);
    assertEquals(offered, kept.step);
    long missing = offered - losses(kept);
    assertTrue(missing > 0, "all fitted");
    assertEquals(
        List.of(missing + " numbers of the run are not in the place"), List.copyOf(troubles));
  }
}
