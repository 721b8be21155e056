package dev.attune.server;

import com.sun.management.OperatingSystemMXBean;
import dev.attune.run.BackendKind;
import dev.attune.run.Compute;
import dev.attune.run.PrecisionOption;
import dev.attune.server.inference.InferenceSettings;
import java.lang.management.ManagementFactory;
import java.util.Locale;

/** How a server's models answer requests. Each method returns this. */
public final class InferenceOptions {
  private String precision = "auto";
  private int threads;
  private long modelMemory = share(2);
  private long adapterMemory = share(16);
  private long cacheMemory = share(16);
  private int concurrency = 64;
  private int waiting = 256;
  private int windowMillis = 2;

  InferenceOptions() {}

  private static long share(int divisor) {
    OperatingSystemMXBean machine =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return machine.getTotalMemorySize() / divisor;
  }

  /** Of activations: {@code bf16}, {@code fp32}, or {@code auto}, what is faster here. */
  public InferenceOptions precision(String value) {
    precision = value;
    return this;
  }

  /** Threads of a model that computes; 0: all cores. */
  public InferenceOptions threads(int value) {
    threads = value;
    return this;
  }

  /**
   * Bytes of the models that are open, with their keys and values; half of the machine's memory
   * unless given. What has not been used for the longest is closed where another needs the room.
   */
  public InferenceOptions modelMemory(long bytes) {
    modelMemory = bytes;
    return this;
  }

  /** Bytes of the adapters that are open beside their bases; a sixteenth of the memory. */
  public InferenceOptions adapterMemory(long bytes) {
    adapterMemory = bytes;
    return this;
  }

  /** Bytes of the keys and values of a language model; a sixteenth of the memory. */
  public InferenceOptions cacheMemory(long bytes) {
    cacheMemory = bytes;
    return this;
  }

  /** Texts that a language model writes at a time; 64 unless given. */
  public InferenceOptions concurrency(int value) {
    concurrency = value;
    return this;
  }

  /** Requests that wait for a model, before more are refused; 256 unless given. */
  public InferenceOptions waiting(int value) {
    waiting = value;
    return this;
  }

  /** How long a text waits for others to be read with it; 2 unless given. */
  public InferenceOptions windowMillis(int value) {
    windowMillis = value;
    return this;
  }

  InferenceSettings settings() {
    return new InferenceSettings(
        new Compute(
            BackendKind.AUTO,
            PrecisionOption.ofOption(precision.toLowerCase(Locale.ROOT)),
            threads),
        modelMemory,
        adapterMemory,
        cacheMemory,
        concurrency,
        waiting,
        windowMillis);
  }
}
