package dev.attune.optim;

/**
 * Reduces the learning rate when evaluations have stopped getting better: PyTorch's {@code
 * ReduceLROnPlateau}, with its threshold relative to the best, as Transformers' {@code
 * reduce_lr_on_plateau} has it. The direction is the metric's own.
 */
final class Plateau implements EvaluatedRate {
  /**
   * When and how much, with PyTorch's names.
   *
   * @param lowerIsBetter "mode"
   * @param factor of a reduction
   * @param patience evaluations without improvement that are borne
   * @param threshold share of the best by which another must be better
   * @param cooldown evaluations after a reduction that count nothing
   * @param least rate: "min_lr"
   * @param eps reductions by less than this are left out
   */
  record Rule(
      boolean lowerIsBetter,
      double factor,
      long patience,
      double threshold,
      long cooldown,
      double least,
      double eps) {}

  /**
   * What it knows of the evaluations so far.
   *
   * @param best value of the metric; infinite before the first
   * @param bad evaluations without improvement in a row
   * @param cooling evaluations that count nothing still
   */
  private record State(double rate, double best, long bad, long cooling) {}

  private final Rule rule;
  private State state;

  Plateau(double peak, Rule rule) {
    this.rule = rule;
    double worst = rule.lowerIsBetter ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
    this.state = new State(peak, worst, 0, 0);
  }

  @Override
  public float rate() {
    return (float) state.rate;
  }

  @Override
  public double[] state() {
    return new double[] {state.rate, state.best, state.bad, state.cooling};
  }

  @Override
  public void restore(double[] earlier) {
    this.state = new State(earlier[0], earlier[1], (long) earlier[2], (long) earlier[3]);
  }

  @Override
  public void step(double metric) {
    boolean isBetter =
        rule.lowerIsBetter
            ? metric < state.best * (1 - rule.threshold)
            : metric > state.best * (1 + rule.threshold);
    double best = isBetter ? metric : state.best;
    long bad = isBetter || state.cooling > 0 ? 0 : state.bad + 1;
    long cooling = Math.max(0, state.cooling - 1);
    double rate = state.rate;
    if (bad > rule.patience) {
      double reduced = Math.max(rate * rule.factor, rule.least);
      rate = rate - reduced > rule.eps ? reduced : rate;
      cooling = rule.cooldown;
      bad = 0;
    }
    state = new State(rate, best, bad, cooling);
  }
}
