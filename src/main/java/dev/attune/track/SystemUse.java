package dev.attune.track;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What this process uses of the machine. One thread at a time asks. */
public final class SystemUse {
  private static final Path STATUS = Path.of("/proc/self/status");

  private final com.sun.management.OperatingSystemMXBean system =
      ManagementFactory.getOperatingSystemMXBean()
              instanceof com.sun.management.OperatingSystemMXBean bean
          ? bean
          : null;
  private long cpuNanos = cpuNanos();
  private long atNanos = System.nanoTime();

  /**
   * The numbers since the last sample, by name: {@code cpu_percent} (100 a core), {@code
   * rss_bytes}, {@code heap_bytes}. What the system does not tell is absent.
   */
  public Map<String, Double> sample() {
    Map<String, Double> values = new LinkedHashMap<>();
    long cpu = cpuNanos();
    long now = System.nanoTime();
    if (cpu >= 0 && now > atNanos) {
      values.put("cpu_percent", 100.0 * (cpu - cpuNanos) / (now - atNanos));
    }
    cpuNanos = cpu;
    atNanos = now;
    long resident = residentBytes();
    if (resident > 0) {
      values.put("rss_bytes", (double) resident);
    }
    Runtime runtime = Runtime.getRuntime();
    values.put("heap_bytes", (double) (runtime.totalMemory() - runtime.freeMemory()));
    return values;
  }

  private long cpuNanos() {
    return system == null ? -1 : system.getProcessCpuTime();
  }

  private static long residentBytes() {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("VmRSS:")) {
          return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException e) {
      return 0; // no Linux
    }
    return 0;
  }
}
