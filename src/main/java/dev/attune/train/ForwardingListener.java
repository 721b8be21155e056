package dev.attune.train;

import java.io.UncheckedIOException;
import java.util.Map;

/** Passes on what it hears: for listeners that stand before another. */
public class ForwardingListener implements TrainListener {
  private final TrainListener next;

  public ForwardingListener(TrainListener next) {
    this.next = next;
  }

  @Override
  public void onStep(Step step) {
    next.onStep(step);
  }

  @Override
  public void onSkipped(Step step, long skipped) {
    next.onSkipped(step, skipped);
  }

  @Override
  public void onLossSpike(Step step, double usual) {
    next.onLossSpike(step, usual);
  }

  @Override
  public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
    next.onEvaluation(step, epoch, metrics, best);
  }

  @Override
  public void onCheckpointFailed(long step, UncheckedIOException failure) {
    next.onCheckpointFailed(step, failure);
  }

  @Override
  public void onTrained() {
    next.onTrained();
  }

  @Override
  public void onData(String finding) {
    next.onData(finding);
  }

  @Override
  public void onCheckpointBegins(long step) {
    next.onCheckpointBegins(step);
  }

  @Override
  public void onCheckpoint(long step) {
    next.onCheckpoint(step);
  }
}
