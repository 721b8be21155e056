package dev.attune.run;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.track.GitState;
import dev.attune.track.Host;
import dev.attune.train.TrainResult;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;
import java.util.TreeMap;

/** What is kept of a run beside its numbers: see {@link dev.attune.track.Documents}. */
final class RunDocuments {
  private static final int MOST_ARTIFACTS = 1000;

  private RunDocuments() {}

  /** Options by their names, defaults included. */
  static ObjectNode options(RunConfig config) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    for (RunOption option : CommandOptions.TRAIN) {
      if (option.isList() && !config.texts(option).isEmpty()) {
        config.texts(option).forEach(json.putArray(option.option())::add);
      } else if (config.text(option) != null) {
        json.put(option.option(), config.text(option));
      }
    }
    return json;
  }

  /** What runs, and where. */
  static ObjectNode environment(PreparedRun run) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    String version = RunDocuments.class.getPackage().getImplementationVersion();
    json.put("attune", version == null ? "development build" : version);
    json.put("java", System.getProperty("java.runtime.version"));
    json.put("os", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    json.put("host", Host.name());
    json.put("processor", Host.processor());
    json.put("cores", Runtime.getRuntime().availableProcessors());
    json.put("memory_bytes", Host.memoryBytes());
    json.put("backend", run.session().backend().description());
    json.put("precision", run.session().precisionName());
    json.put("parameters", run.model().parameters().count());
    return json;
  }

  /** How to do the run again, and what that depends on. */
  static ObjectNode reproduction(PreparedRun run) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("command", command(run.plan().config()));
    json.put("folder", Path.of("").toAbsolutePath().toString());
    run.identity().writeFactsTo(json.putObject("fingerprints"));
    GitState.of(Path.of("")).ifPresent(git -> json.set("git", git));
    return json;
  }

  /** The command line that does the same: with what was given, wherever that stood. */
  private static String command(RunConfig config) {
    StringBuilder words = new StringBuilder(Term.TRAINING.toString());
    for (RunOption option : CommandOptions.TRAIN) {
      boolean isOfItsTime = option == RunOption.RESUME || option == RunOption.OVERWRITE;
      if (!config.isGiven(option) || isOfItsTime) {
        continue;
      }
      if (option.isFlag()) {
        words.append(config.flag(option) ? " " + option : "");
      } else if (option.isList()) {
        config.texts(option).forEach(value -> words.append(' ').append(option.with(value)));
      } else {
        words.append(' ').append(option.with(config.text(option)));
      }
    }
    return RunOption.worded(words.toString());
  }

  /**
   * How a run ended.
   *
   * @param evaluation metrics on validation data; empty: there are none
   * @param test likewise
   * @param utilization share of what the hardware can do; NaN: not measured
   */
  static ObjectNode summary(
      TrainResult training,
      Map<String, Double> evaluation,
      Map<String, Double> test,
      long peakMemoryBytes,
      double utilization,
      Path modelFolder) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("steps", training.steps());
    json.put("skipped_steps", training.skippedSteps());
    json.put("epochs", training.epochs());
    json.put("train_loss", training.trainLoss());
    ObjectNode eval = json.putObject("eval");
    evaluation.forEach(eval::put);
    ObjectNode tested = json.putObject("test");
    test.forEach(tested::put);
    json.put("best_step", training.bestStep());
    json.put("ends_with_best", training.endsWithBest());
    json.put("stopped_early", training.stoppedEarly());
    json.put("tokens", training.tokens());
    json.put("tokens_per_second", training.tokensPerSecond());
    json.put("examples_per_second", training.examplesPerSecond());
    json.put("peak_memory_bytes", peakMemoryBytes);
    if (!Double.isNaN(utilization)) {
      json.put("model_flops_utilization", utilization);
    }
    json.put("model_folder", modelFolder.toString());
    return json;
  }

  /** Predictions counted by label. */
  static ObjectNode confusion(ClassificationMetrics counts, String split) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("split", split);
    counts.names().forEach(json.putArray("labels")::add);
    ArrayNode rows = json.putArray("counts");
    for (long[] row : counts.confusion()) {
      ArrayNode cells = rows.addArray();
      for (long count : row) {
        cells.add(count);
      }
    }
    return json;
  }

  /** The files of a folder with their sizes: so many at most; those that go meanwhile are none. */
  static ArrayNode artifacts(Path folder) throws IOException {
    Map<Path, Long> found = new TreeMap<>();
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (attributes.isRegularFile()) {
              found.put(file, attributes.size());
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
          }
        });
    ArrayNode json = JsonNodeFactory.instance.arrayNode();
    found.entrySet().stream()
        .limit(MOST_ARTIFACTS)
        .forEach(
            entry ->
                json.addObject()
                    .put("file", folder.relativize(entry.getKey()).toString())
                    .put("bytes", entry.getValue()));
    return json;
  }

  /** Rows that were predicted worst. */
  static ObjectNode mistakes(Comparison comparison, String split, Dataset rows) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("split", split).put("compared", comparison.compared());
    json.put("wrong", comparison.wrong()).put("worst_by", comparison.errorName());
    ArrayNode worst = json.putArray("worst");
    for (Comparison.Mistake mistake : comparison.worst()) {
      ObjectNode one = worst.addObject();
      one.put("place", rows.place(mistake.example().row()));
      mistake.writeTo(one);
    }
    return json;
  }
}
