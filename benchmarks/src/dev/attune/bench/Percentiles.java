package dev.attune.bench;

import java.util.Arrays;

/** Percentiles of durations, in seconds. */
record Percentiles(double p20, double p50, double p80) {
  static Percentiles ofNanos(long[] nanos, int count) {
    long[] sorted = Arrays.copyOf(nanos, count);
    Arrays.sort(sorted);
    return new Percentiles(at(sorted, 0.2), at(sorted, 0.5), at(sorted, 0.8));
  }

  private static double at(long[] sorted, double fraction) {
    return sorted[(int) Math.round(fraction * (sorted.length - 1))] * 1e-9;
  }
}
