package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.ModelInstall;
import dev.attune.core.InputException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * The folder of a training run: the model, {@code metrics.jsonl}, {@code run.yaml}, checkpoints.
 */
final class OutputFolder implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;
  private BufferedWriter metrics;

  private OutputFolder(Path folder) {
    this.folder = folder;
  }

  /**
   * Prepares the folder; refuses one that holds a model or a run, unless told what to do with it.
   */
  static OutputFolder prepare(Path folder, boolean overwrite, boolean resume) {
    if (overwrite && resume) {
      throw new InputException("--overwrite and --resume exclude each other");
    }
    try {
      if (Files.exists(folder) && !Files.isDirectory(folder)) {
        throw new InputException("--output-dir " + folder + " is a file, not a folder");
      }
      OutputFolder output = new OutputFolder(folder);
      if (Files.isDirectory(folder)) {
        ModelInstall.recover(folder);
        boolean used = output.holdsModel() || Files.exists(output.checkpoints());
        if (used && !overwrite && !resume) {
          throw new InputException(
              "--output-dir "
                  + folder
                  + " already holds a "
                  + (output.holdsModel() ? "model" : "run")
                  + "; give --overwrite to replace it, --resume to go on with it, or another"
                  + " folder");
        }
        if (resume && output.holdsModel() && !Files.exists(output.checkpoints())) {
          throw new InputException(
              "--resume: the run in "
                  + folder
                  + " is finished, there is no checkpoint to go on from; give --overwrite to train"
                  + " again");
        }
      }
      Files.createDirectories(folder);
      if (overwrite) {
        // Of the earlier run only the model stays, until the new one is ready.
        deleteTree(output.checkpoints());
        Files.deleteIfExists(output.metricsFile());
      }
      return output;
    } catch (IOException e) {
      throw new InputException("--output-dir " + folder + " cannot be prepared: " + describe(e), e);
    }
  }

  Path folder() {
    return folder;
  }

  Path checkpoints() {
    return folder.resolve("checkpoints");
  }

  Path runFile() {
    return folder.resolve("run.yaml");
  }

  private Path metricsFile() {
    return folder.resolve("metrics.jsonl");
  }

  private boolean holdsModel() {
    return Files.exists(folder.resolve("config.json"))
        || Files.exists(folder.resolve("model.safetensors"));
  }

  /**
   * Opens metrics.jsonl for appending, keeping the lines of steps up to {@code afterStep}: what a
   * killed run logged beyond its checkpoint happens again.
   */
  void openMetrics(long afterStep) {
    try {
      Path file = metricsFile();
      List<String> kept = new ArrayList<>();
      if (afterStep > 0 && Files.exists(file)) {
        for (String line : Files.readAllLines(file)) {
          JsonNode node;
          try {
            node = JSON.readTree(line);
          } catch (IOException e) {
            break; // the line that was being written when the run was killed
          }
          if (node.path("step").asLong() <= afterStep) {
            kept.add(line);
          }
        }
      }
      metrics =
          Files.newBufferedWriter(
              file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);
      for (String line : kept) {
        metrics.write(line);
        metrics.newLine();
      }
      metrics.flush();
    } catch (IOException e) {
      throw new UncheckedIOException("metrics.jsonl: " + describe(e), e);
    }
  }

  /** Appends one object to metrics.jsonl. */
  void log(ObjectNode line) {
    try {
      metrics.write(JSON.writeValueAsString(line));
      metrics.newLine();
      metrics.flush();
    } catch (IOException e) {
      throw new UncheckedIOException("metrics.jsonl: " + describe(e), e);
    }
  }

  /** An I/O failure in words: many exceptions carry the file name alone. */
  static String describe(IOException e) {
    String kind = e.getClass().getSimpleName().replace("Exception", "");
    return kind.equals("IO") || kind.equals("FileSystem")
        ? e.getMessage()
        : kind + " " + e.getMessage();
  }

  static void deleteTree(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    try (Stream<Path> paths = Files.walk(root)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  @Override
  public void close() {
    if (metrics != null) {
      try {
        metrics.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
