package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.FileOps;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
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
      replace(file, kept(file, afterStep), files);
      return new MetricsFile(file, files, files.append(file), everySteps, note);
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  private static String kept(Path file, long afterStep) throws IOException {
    StringBuilder kept = new StringBuilder();
    if (afterStep > 0 && Files.exists(file)) {
      for (String line : Files.readAllLines(file)) {
        JsonNode node;
        try {
          node = JSON.readTree(line);
        } catch (IOException e) {
          break; // the line that was being written when the run was killed
        }
        if (node.path("step").asLong() <= afterStep) {
          kept.append(line).append('\n');
        }
      }
    }
    return kept.toString();
  }

  private static void replace(Path file, String content, FileOps files) throws IOException {
    Path partial = file.resolveSibling(file.getFileName() + ".partial");
    files.delete(partial);
    try (FileChannel channel = files.create(partial)) {
      files.write(channel, ByteBuffer.wrap(content.getBytes(StandardCharsets.UTF_8)));
      files.sync(channel);
    }
    files.replace(partial, file);
  }

  private static UncheckedIOException failure(Path file, IOException e) {
    return new UncheckedIOException(file + " cannot be written: " + OutputFolder.describe(e), e);
  }

  /** A listener that writes what it hears, then passes it on. */
  TrainListener before(TrainListener next) {
    return new Recorder(next);
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
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("step", step.step()).put("epoch", step.epoch()).put("loss", step.loss());
        line.put("grad_norm", step.gradNorm()).put("learning_rate", step.learningRate());
        line.put("tokens", step.tokens());
        append(line);
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
