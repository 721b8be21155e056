package dev.attune.track;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.attune.storage.AtomicFile;
import dev.attune.train.StepPhases;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/**
 * Where the time of steps went, as a trace for chrome://tracing or ui.perfetto.dev: phases on one
 * line, kernels below them, and below these what other threads called meanwhile. It holds so many
 * spans and no more: the first steps, which are like the later ones.
 */
public final class ChromeTrace implements StepPhases, TracedBackend.Listener {
  /** Some 25 MB of JSON: what a browser still opens. */
  private static final int MOST_SPANS = 200_000;

  private static final int PHASES = 1;
  private static final int KERNELS = 2;

  /** Of threads beside the run's own, as a checkpoint that is being saved. */
  private static final int BESIDE = 3;

  private final long originNanos = System.nanoTime();
  private String[] names = new String[1024];
  private long[] begins = new long[1024];
  private long[] ends = new long[1024];
  private byte[] lines = new byte[1024];
  private int count;
  private boolean isFull;
  private Phase phase;
  private long phaseNanos;
  private Thread runs; // whose phases those are

  private void add(String name, int line, long beginNanos, long endNanos) {
    if (count == MOST_SPANS) {
      isFull = true;
      return;
    }
    if (count == names.length) {
      names = Arrays.copyOf(names, 2 * count);
      begins = Arrays.copyOf(begins, 2 * count);
      ends = Arrays.copyOf(ends, 2 * count);
      lines = Arrays.copyOf(lines, 2 * count);
    }
    names[count] = name;
    begins[count] = beginNanos;
    ends[count] = endNanos;
    lines[count++] = (byte) line;
  }

  @Override
  public synchronized void enter(Phase next) {
    long now = System.nanoTime();
    runs = Thread.currentThread();
    if (phase != null) {
      add(phase.name().toLowerCase(Locale.ROOT), PHASES, phaseNanos, now);
    }
    phase = next;
    phaseNanos = now;
  }

  @Override
  public synchronized void called(String name, long beginNanos, long endNanos) {
    if (phase != null) { // what is done before the first step is no part of any
      add(name, Thread.currentThread() == runs ? KERNELS : BESIDE, beginNanos, endNanos);
    }
  }

  /** Whether something was left out at the end. */
  public synchronized boolean isFull() {
    return isFull;
  }

  /** Writes it. */
  public synchronized void write(Path file) throws IOException {
    try (AtomicFile out = AtomicFile.create(file);
        JsonGenerator json = new JsonFactory().createGenerator(out.writer())) {
      json.writeStartObject();
      json.writeStringField("displayTimeUnit", "ms");
      json.writeArrayFieldStart("traceEvents");
      line(json, PHASES, "phases");
      line(json, KERNELS, "kernels");
      line(json, BESIDE, "beside the run");
      for (int i = 0; i < count; i++) {
        json.writeStartObject();
        json.writeStringField("name", names[i]);
        json.writeStringField("ph", "X"); // a complete event
        json.writeNumberField("pid", 1);
        json.writeNumberField("tid", lines[i]);
        json.writeNumberField("ts", (begins[i] - originNanos) / 1e3);
        json.writeNumberField("dur", (ends[i] - begins[i]) / 1e3);
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
      json.flush();
      out.commit();
    }
  }

  private static void line(JsonGenerator json, int number, String name) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", "thread_name");
    json.writeStringField("ph", "M");
    json.writeNumberField("pid", 1);
    json.writeNumberField("tid", number);
    json.writeObjectFieldStart("args");
    json.writeStringField("name", name);
    json.writeEndObject();
    json.writeEndObject();
  }
}
