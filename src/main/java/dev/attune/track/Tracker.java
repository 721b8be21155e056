package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/**
 * A run, told to everybody who hears of it. To be used by one thread, which never waits but at the
 * end.
 */
public final class Tracker implements AutoCloseable {
  private static final long WRITE_MILLIS = 1000;
  private static final long SAMPLE_MILLIS = 5000;

  private final RunStart start;
  private final long everySteps;
  private final List<Outlet> outlets = new ArrayList<>();
  private final Queue<String> troubles = new ConcurrentLinkedQueue<>();
  private final SystemUse system = new SystemUse();
  private long sampledMillis;
  private RunStatus status = RunStatus.FAILED; // unless somebody says how it ended

  /**
   * Begins.
   *
   * @param everySteps steps are noted whose number this divides, and the last
   * @param sinks who hears; closed at the end
   */
  public Tracker(RunStart start, long everySteps, List<RunSink> sinks) {
    this(start, everySteps, sinks, WRITE_MILLIS);
  }

  Tracker(RunStart start, long everySteps, List<RunSink> sinks, long everyMillis) {
    this.start = start;
    this.everySteps = everySteps;
    for (RunSink sink : sinks) {
      outlets.add(new Outlet(sink, start, everyMillis, troubles));
    }
    sampledMillis = System.currentTimeMillis();
  }

  /** Keeps a document of the run in place of the one of that kind. */
  public void document(String kind, JsonNode json) {
    offer(new RunUpdate(List.of(), Map.of(kind, json), 0, 0, RunStatus.RUNNING));
  }

  /** Notes metrics of an evaluation. */
  public void metrics(String prefix, long step, Map<String, Double> values) {
    long now = System.currentTimeMillis();
    List<Point> points = new ArrayList<>();
    values.forEach((name, value) -> points.add(new Point(prefix + name, step, now, value)));
    offer(new RunUpdate(points, Map.of(), step, 0, RunStatus.RUNNING));
  }

  /** Says how the run ended; where nobody does, it failed. */
  public void ended(RunStatus how) {
    status = how;
  }

  /** What went wrong since it was asked the last time: messages for people. */
  public void tellTroubles(Consumer<String> listener) {
    for (String trouble = troubles.poll(); trouble != null; trouble = troubles.poll()) {
      listener.accept(trouble);
    }
  }

  private void offer(RunUpdate update) {
    for (Outlet outlet : outlets) {
      outlet.offer(update);
    }
  }

  private void note(TrainListener.Step step) {
    long now = System.currentTimeMillis();
    boolean isNoted = step.step() % everySteps == 0 || step.step() == step.totalSteps();
    boolean isSampled = now - sampledMillis >= SAMPLE_MILLIS || step.step() == step.totalSteps();
    if (!isNoted && !isSampled) {
      return;
    }
    List<Point> points = new ArrayList<>(8);
    if (isNoted) {
      points.add(new Point("train/loss", step.step(), now, step.loss()));
      points.add(new Point("train/grad_norm", step.step(), now, step.gradNorm()));
      points.add(new Point("train/learning_rate", step.step(), now, step.learningRate()));
      points.add(new Point("train/epoch", step.step(), now, step.epoch()));
      points.add(new Point("train/tokens", step.step(), now, step.tokens()));
      step.metrics()
          .forEach(
              (name, value) -> points.add(new Point(Point.TRAIN + name, step.step(), now, value)));
    }
    if (isSampled) {
      sampledMillis = now;
      long seconds = (now - start.createdMillis()) / 1000;
      system
          .sample()
          .forEach((name, value) -> points.add(new Point("system/" + name, seconds, now, value)));
      if (step.tokensPerSecond() > 0) {
        points.add(new Point("system/tokens_per_second", seconds, now, step.tokensPerSecond()));
      }
    }
    offer(new RunUpdate(points, Map.of(), step.step(), step.totalSteps(), RunStatus.RUNNING));
  }

  /** A listener that notes what it hears, then passes it on. */
  public TrainListener before(TrainListener next) {
    return new ForwardingListener(next) {
      @Override
      public void onStep(Step step) {
        note(step);
        super.onStep(step);
      }

      @Override
      public void onSkipped(Step step, long skipped) {
        metrics(Point.TRAIN, step.step(), Map.of("skipped_steps", (double) skipped));
        super.onSkipped(step, skipped);
      }

      @Override
      public void onEvaluation(long step, double epoch, Map<String, Double> values, boolean best) {
        metrics(Point.EVAL, step, values);
        super.onEvaluation(step, epoch, values, best);
      }
    };
  }

  /** Ends; waits until everybody has heard, or some seconds. */
  @Override
  public void close() {
    offer(new RunUpdate(List.of(), Map.of(), 0, 0, status));
    outlets.forEach(Outlet::beginEnd);
    outlets.forEach(Outlet::end);
  }
}
