package dev.attune.bench;

import dev.attune.core.DType;

/** What one call has to do, and the peak that its rate is a share of. */
record Work(double amount, Unit unit) {
  /** Rates in units of 1e9 per second. */
  enum Unit {
    GFLOP("GFLOP/s"),
    GB("GB/s");

    private final String label;

    Unit(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }
  }

  static Work flops(double flops) {
    return new Work(flops, Unit.GFLOP);
  }

  static Work bytes(double bytes) {
    return new Work(bytes, Unit.GB);
  }

  double rate(double seconds) {
    return amount / seconds * 1e-9;
  }

  double shareOfPeak(double seconds, DType dtype, Peaks peaks) {
    double peak = unit == Unit.GB ? peaks.copy() : peaks.product(dtype);
    return rate(seconds) * 1e9 / peak;
  }
}
