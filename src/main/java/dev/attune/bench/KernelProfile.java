package dev.attune.bench;

import dev.attune.kernels.Backend;
import dev.attune.track.TracedBackend;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A backend that times every call of another. */
final class KernelProfile {
  /** Total time and number of calls of one kernel. */
  private static final class Entry {
    long nanos;
    long calls;
  }

  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Backend backend;

  KernelProfile(Backend profiled) {
    this.backend = TracedBackend.of(profiled, this::add);
  }

  private void add(String name, long beginNanos, long endNanos) {
    Entry entry = entries.computeIfAbsent(name, n -> new Entry());
    entry.nanos += endNanos - beginNanos;
    entry.calls++;
  }

  Backend backend() {
    return backend;
  }

  void reset() {
    entries.clear();
  }

  /** Time of each kernel, longest first. */
  List<KernelTime> times() {
    return entries.entrySet().stream()
        .map(e -> new KernelTime(e.getKey(), e.getValue().nanos * 1e-9, e.getValue().calls))
        .sorted((a, b) -> Double.compare(b.seconds(), a.seconds()))
        .toList();
  }
}
