package dev.attune.train;

/**
 * Rates of training steps alone: evaluation and saving are not counted, nor are the first steps,
 * while caches and the compiler warm up.
 */
final class Throughput {
  private static final int WARMUP_STEPS = 3;

  private int seen;
  private long nanos;
  private long tokens;
  private long examples;
  private long flops;
  private long countedSteps;

  void add(long stepNanos, long stepTokens, long stepExamples, long stepFlops) {
    seen++;
    if (seen <= WARMUP_STEPS) {
      return;
    }
    countedSteps++;
    nanos += stepNanos;
    tokens += stepTokens;
    examples += stepExamples;
    flops += stepFlops;
  }

  double tokensPerSecond() {
    return perSecond(tokens);
  }

  double examplesPerSecond() {
    return perSecond(examples);
  }

  double flopsPerSecond() {
    return perSecond(flops);
  }

  /** Mean duration of a step; NaN before the first counted one. */
  double secondsPerStep() {
    return countedSteps == 0 ? Double.NaN : nanos / 1e9 / countedSteps;
  }

  private double perSecond(long amount) {
    return nanos == 0 ? 0 : amount * 1e9 / nanos;
  }
}
