package dev.attune.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.FileOps;
import dev.attune.memory.Buffer;
import dev.attune.storage.AtomicFile;
import dev.attune.train.CheckpointSink;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** A run's metrics.jsonl: one object a step, an evaluation, a test. */
final class MetricsFile implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final FileOps files;
  private final FileChannel channel;
  private final long everySteps;
  private final Consumer<String> note;
  private final StringBuilder unwritten = new StringBuilder();
  private boolean failed; // the last time

  private MetricsFile(
      Path file, FileOps files, FileChannel channel, long everySteps, Consumer<String> note) {
    this.file = file;
    this.files = files;
    this.channel = channel;
    this.everySteps = everySteps;
    this.note = note;
  }

  /**
   * Opens the file for appending, keeping the lines of steps up to {@code afterStep}: what a killed
   * run logged beyond its checkpoint happens again. The shorter file takes the place of the longer
   * in one rename, so that no line is lost to a second kill.
   *
   * @param everySteps a line for each step whose number this divides, and for the last
   * @param note hears that lines cannot be written: they wait in memory until they can
   */
  static MetricsFile open(Path file, long afterStep, long everySteps, Consumer<String> note) {
    return open(file, afterStep, everySteps, note, FileOps.SYSTEM);
  }

  static MetricsFile open(
      Path file, long afterStep, long everySteps, Consumer<String> note, FileOps files) {
    try {
      keep(file, afterStep, note, files);
      return new MetricsFile(file, files, files.append(file), everySteps, note);
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  private static void keep(Path file, long afterStep, Consumer<String> note, FileOps files)
      throws IOException {
    try (AtomicFile kept = AtomicFile.create(file, files)) {
      if (afterStep > 0 && Files.exists(file)) {
        // Bytes that are no text are damage: a line that is no JSON then, not the end of the run.
        try (BufferedReader lines =
            new BufferedReader(
                new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8))) {
          keep(lines, afterStep, kept.writer(), file, note);
        }
      }
      kept.commit();
    }
  }

  private static void keep(
      BufferedReader lines, long afterStep, Writer kept, Path file, Consumer<String> note)
      throws IOException {
    int damaged = 0;
    boolean wasDamaged = false;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      damaged += wasDamaged ? 1 : 0; // the last one was being written when the run was killed
      try {
        JsonNode node = JSON.readTree(line);
        wasDamaged = false;
        if (node.path("step").asLong() <= afterStep) {
          kept.append(line).append('\n');
        }
      } catch (JsonProcessingException e) {
        wasDamaged = true;
      }
    }
    if (damaged > 0) {
      note.accept(file + ": " + Count.many(damaged, "line") + " damaged, and left out");
    }
  }

  private static UncheckedIOException failure(Path file, IOException e) {
    return new UncheckedIOException(file + " cannot be written: " + OutputFolder.describe(e), e);
  }

  /** A listener that writes what it hears, then passes it on. */
  TrainListener before(TrainListener next) {
    return new Recorder(next);
  }

  /**
   * Checkpoints that are saved once the lines of their steps are on the disk: a resume takes those
   * from this file.
   */
  CheckpointSink before(CheckpointSink next) {
    return new Synced(next);
  }

  /** Puts all lines on the disk. */
  void sync() {
    try {
      files.sync(channel);
    } catch (IOException e) {
      note.accept(
          file
              + " could not be synced ("
              + OutputFolder.describe(e)
              + "): a loss of power may take its last lines");
    }
  }

  private final class Synced implements CheckpointSink {
    private final CheckpointSink next;

    Synced(CheckpointSink next) {
      this.next = next;
    }

    @Override
    public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
      sync();
      next.save(step, state, buffers);
    }

    @Override
    public void expect(Map<String, Buffer> buffers) {
      next.expect(buffers);
    }

    @Override
    public boolean begin(
        long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting) {
      sync();
      return next.begin(step, state, buffers, fleeting);
    }

    @Override
    public void release() {
      next.release();
    }

    @Override
    public Optional<Ended> settled(boolean waits) {
      return next.settled(waits);
    }

    @Override
    public boolean savesLast() {
      return next.savesLast();
    }

    @Override
    public void saveBest(long step, Buffer weights) {
      next.saveBest(step, weights);
    }

    @Override
    public boolean loadBest(Buffer weights) {
      return next.loadBest(weights);
    }
  }

  /** Notes the metrics on test data. */
  void test(long step, Map<String, Double> metrics) {
    ObjectNode line = JsonNodeFactory.instance.objectNode().put("step", step);
    append(line, "test", metrics);
  }

  private void append(ObjectNode line, String key, Map<String, Double> metrics) {
    ObjectNode values = line.putObject(key);
    metrics.forEach(values::put);
    append(line);
  }

  private void append(ObjectNode line) {
    unwritten.append(line).append('\n');
    write();
  }

  /** A step's line, as Jackson would write it: its tree would take most of what a step is told. */
  private void append(TrainListener.Step step) {
    unwritten.append("{\"step\":").append(step.step());
    number("epoch", step.epoch());
    number("loss", step.loss());
    number("grad_norm", step.gradNorm());
    number("learning_rate", step.learningRate());
    unwritten.append(",\"tokens\":").append(step.tokens());
    step.metrics().forEach(this::number);
    unwritten.append("}\n");
    write();
  }

  private void number(String name, double value) {
    String mark = Double.isFinite(value) ? "" : "\""; // JSON has no such number
    unwritten.append(",\"");
    JsonStringEncoder.getInstance().quoteAsString(name, unwritten);
    unwritten.append("\":").append(mark).append(value).append(mark);
  }

  /** Writes what waits; a run does not end for want of room for its log. */
  private void write() {
    try {
      long end = channel.size();
      try {
        files.write(
            channel, ByteBuffer.wrap(unwritten.toString().getBytes(StandardCharsets.UTF_8)));
      } catch (IOException e) {
        channel.truncate(end); // no line stands there in part
        throw e;
      }
      unwritten.setLength(0);
      failed = false;
    } catch (IOException e) {
      if (!failed) {
        note.accept(
            file
                + " cannot be written ("
                + OutputFolder.describe(e)
                + "); its lines are kept in memory until it can");
      }
      failed = true;
    }
  }

  private final class Recorder extends ForwardingListener {
    Recorder(TrainListener next) {
      super(next);
    }

    @Override
    public void onStep(Step step) {
      if (step.step() % everySteps == 0 || step.step() == step.totalSteps()) {
        append(step);
      }
      super.onStep(step);
    }

    /** JSON has no number for its loss. */
    @Override
    public void onSkipped(Step step, long skipped) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      line.put("step", step.step()).put("epoch", step.epoch()).put("skipped", true);
      line.put("learning_rate", step.learningRate()).put("tokens", step.tokens());
      append(line);
      super.onSkipped(step, skipped);
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      append(line.put("step", step).put("epoch", epoch), "eval", metrics);
      super.onEvaluation(step, epoch, metrics, best);
    }
  }

  @Override
  public void close() {
    if (failed) {
      write();
    }
    sync();
    if (failed) {
      long lines = unwritten.toString().lines().count();
      note.accept(Count.many(lines, "line") + " of " + file + " not written");
    }
    try {
      channel.close();
    } catch (IOException e) {
      throw failure(file, e);
    }
  }
}
