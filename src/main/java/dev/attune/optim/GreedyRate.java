package dev.attune.optim;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Raises the learning rate while evaluations get better and reduces it when they do not:
 * Transformers' {@code GreedyLR} (arXiv 2512.14527), with its threshold absolute. The direction is
 * the metric's own.
 */
final class GreedyRate implements EvaluatedRate {
  /**
   * When and how much, with Transformers' names.
   *
   * @param lowerIsBetter "mode"
   * @param factor by which a rate is multiplied, or divided
   * @param patience evaluations of one kind in a row that change nothing yet
   * @param threshold by which another must be better than the best
   * @param cooldown evaluations after a reduction that count nothing
   * @param warmup evaluations after a raise that count nothing
   * @param least rate to which it is reduced: "min_lr"
   * @param most to which it is raised: "max_lr"
   * @param eps changes by less than this are left out
   * @param window evaluations whose mean is compared ("smooth", "window_size"); 1: each alone
   * @param resetStart reductions that find the rate at the least before all begins anew
   */
  record Rule(
      boolean lowerIsBetter,
      double factor,
      long patience,
      double threshold,
      long cooldown,
      long warmup,
      double least,
      double most,
      double eps,
      int window,
      long resetStart) {}

  private final double peak;
  private final Rule rule;
  private final Deque<Double> seen = new ArrayDeque<>(); // the last ones of the window
  private double sum; // of them, as rounding on the way has it
  private double rate;
  private double best;
  private long bad;
  private long good;
  private long cooling;
  private long warming;
  private long untilReset;

  GreedyRate(double peak, Rule rule) {
    this.peak = peak;
    this.rule = rule;
    begin();
  }

  private void begin() {
    rate = peak;
    best = rule.lowerIsBetter ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
    bad = 0;
    good = 0;
    cooling = 0;
    warming = 0;
    untilReset = rule.resetStart;
    seen.clear();
    sum = 0;
  }

  @Override
  public float rate() {
    return (float) rate;
  }

  @Override
  public void step(double metric) {
    double current = mean(metric);
    if (cooling > 0 || warming > 0) {
      // A pause after a reduction goes first.
      warming -= cooling > 0 ? 0 : 1;
      cooling = Math.max(0, cooling - 1);
      bad = 0;
      good = 0;
      return;
    }
    boolean isBetter =
        rule.lowerIsBetter ? current < best - rule.threshold : current > best + rule.threshold;
    best = isBetter ? current : best;
    good = isBetter ? good + 1 : 0;
    bad = isBetter ? 0 : bad + 1;
    if (good > rule.patience) {
      raise();
      warming = rule.warmup;
      good = 0;
    } else if (bad > rule.patience) {
      reduce();
    }
  }

  private double mean(double metric) {
    seen.add(metric);
    sum += metric;
    if (seen.size() > rule.window) {
      sum -= seen.remove();
    }
    return rule.window == 1 ? metric : sum / seen.size();
  }

  private void raise() {
    double raised = Math.min(rate / rule.factor, rule.most);
    rate = raised - rate > rule.eps ? raised : rate;
    untilReset = rule.resetStart;
  }

  private void reduce() {
    double reduced = Math.max(rate * rule.factor, rule.least);
    rate = rate - reduced > rule.eps ? reduced : rate;
    if (rate <= rule.least && --untilReset <= 0) {
      begin();
    }
    // Also after a new beginning, as in the reference.
    cooling = rule.cooldown;
    bad = 0;
  }

  @Override
  public double[] state() {
    double[] state = new double[8 + seen.size()];
    int at = 0;
    for (double value : new double[] {rate, best, bad, good, cooling, warming, untilReset, sum}) {
      state[at++] = value;
    }
    for (double value : seen) {
      state[at++] = value;
    }
    return state;
  }

  @Override
  public void restore(double[] earlier) {
    rate = earlier[0];
    best = earlier[1];
    bad = (long) earlier[2];
    good = (long) earlier[3];
    cooling = (long) earlier[4];
    warming = (long) earlier[5];
    untilReset = (long) earlier[6];
    sum = earlier[7];
    seen.clear();
    for (int i = 8; i < earlier.length; i++) {
      seen.add(earlier[i]);
    }
  }
}
