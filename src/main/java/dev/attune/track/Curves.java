package dev.attune.track;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What is known of a run's curves so far, in memory that hardly grows: steps are kept as means of
 * {@value #WINDOW}, evaluations one by one.
 */
public final class Curves {
  /** Steps that are looked at together: single ones are noise. */
  static final int WINDOW = 10;

  /** A loss that is so much above the window before is a jump. */
  private static final double JUMP = 4;

  /**
   * Some steps together.
   *
   * @param lastStep of them
   * @param loss mean
   * @param gradNorm mean
   */
  record Window(long lastStep, double loss, double gradNorm) {}

  /** What an evaluation found. */
  record Evaluated(long step, Map<String, Double> values) {
    double value(String metric) {
      return values.getOrDefault(metric, Double.NaN);
    }
  }

  private final List<Window> windows = new ArrayList<>();
  private final List<Evaluated> evaluations = new ArrayList<>();
  private double lossSum;
  private double normSum;
  private int count;
  private long jumps;
  private long lastJump;
  private long step;
  private long totalSteps;

  /** Adds a step. */
  public void step(long number, long ofSteps, double loss, double gradNorm) {
    step = number;
    totalSteps = ofSteps;
    if (!windows.isEmpty()
        && loss > JUMP * windows.get(windows.size() - 1).loss()
        && loss > 1.5 * windows.get(0).loss()) {
      jumps++;
      lastJump = number;
    }
    lossSum += loss;
    normSum += gradNorm;
    count++;
    if (count == WINDOW) {
      windows.add(new Window(number, lossSum / count, normSum / count));
      lossSum = 0;
      normSum = 0;
      count = 0;
    }
  }

  /** Adds an evaluation on validation data. */
  public void evaluation(long number, Map<String, Double> values) {
    evaluations.add(new Evaluated(number, new LinkedHashMap<>(values)));
  }

  List<Window> windows() {
    return windows;
  }

  List<Evaluated> evaluations() {
    return evaluations;
  }

  /** How often the loss jumped far above what it had been, and above where it began. */
  long jumps() {
    return jumps;
  }

  long lastJump() {
    return lastJump;
  }

  /** The last step that was added; 0: none. */
  public long step() {
    return step;
  }

  long totalSteps() {
    return totalSteps;
  }

  /**
   * Mean training loss of the windows that end in a range of steps; NaN where none does.
   *
   * @param after exclusive
   * @param until inclusive
   */
  double meanLoss(long after, long until) {
    return windows.stream()
        .filter(window -> window.lastStep() > after && window.lastStep() <= until)
        .mapToDouble(Window::loss)
        .average()
        .orElse(Double.NaN);
  }
}
