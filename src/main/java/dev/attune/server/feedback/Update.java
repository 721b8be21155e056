package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.folder.ModelFolder;
import dev.attune.run.CommandOptions;
import dev.attune.run.Datasets;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.SilentRunListener;
import dev.attune.run.TrainRun;
import dev.attune.server.http.Fields;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * One small training run: from a version, on corrections that it has not learned and on a replay of
 * what it has. Its own values decide the bytes that it makes.
 *
 * @param settings as they were when it was planned
 * @param data the folder of the old data, in the line's
 * @param after the number of the last correction that the parent has learned
 * @param last the number of the last one that this learns
 */
record Update(LearnerSettings settings, String data, long after, long last) {
  private static final String SETTINGS = "settings";
  private static final String DATA = "data";
  private static final String AFTER = "corrections_after";
  private static final String LAST = "corrections_to";
  private static final String WHOLE_RATE = "2e-5";
  private static final String ADAPTER_RATE = "2e-4";

  ObjectNode toJson() {
    ObjectNode json = LearnerStore.parsed("{}");
    json.put(AFTER, after);
    json.put(LAST, last);
    json.put(DATA, data);
    json.set(SETTINGS, settings.toJson());
    return json;
  }

  /** The one that {@link #toJson} has noted, maybe among more. */
  static Update of(ObjectNode json) {
    return new Update(
        LearnerSettings.DEFAULT.with(Fields.of((ObjectNode) json.get(SETTINGS))),
        json.get(DATA).textValue(),
        json.get(AFTER).longValue(),
        json.get(LAST).longValue());
  }

  /** What is to be shown, and how much of it is new. */
  record Rows(List<LabelledText> shown, int recent, int earlier) {}

  /**
   * The rows to learn.
   *
   * @param corrections all up to {@link #last}, in their order: of equal texts the last one counts
   * @param version the number of the one that is to be made
   */
  Rows rows(List<Correction> corrections, OldData old, int version) {
    Map<String, Correction> latest = latest(corrections);
    List<LabelledText> recent = new ArrayList<>();
    List<LabelledText> earlier = new ArrayList<>();
    for (Correction correction : latest.values()) {
      if (!correction.row().isHeldOut()) {
        (correction.number() > after ? recent : earlier).add(correction.row());
      }
    }
    List<LabelledText> replay =
        old.replay().stream().filter(row -> !latest.containsKey(row.key())).toList();
    return new Rows(
        Mixture.of(recent, earlier, replay, settings, version), recent.size(), earlier.size());
  }

  /** The last one of each text, by its key, in the order in which they came. */
  static Map<String, Correction> latest(List<Correction> corrections) {
    Map<String, Correction> latest = new LinkedHashMap<>();
    for (Correction correction : corrections) {
      String key = correction.row().key();
      latest.remove(key);
      latest.put(key, correction);
    }
    return latest;
  }

  /**
   * Trains.
   *
   * @param base the folder of an adapter's base; null: the parent is none, or says itself
   * @param output where the version goes; what is there is removed
   * @param threads that it may use
   * @return false where it was asked to stop
   */
  boolean run(
      Rows rows,
      Path parent,
      Path base,
      Path output,
      int version,
      int threads,
      BooleanSupplier stopRequested) {
    try {
      FileOps.SYSTEM.deleteTree(output);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "what is left of a version cannot be removed: " + e.getMessage(), e);
    }
    List<Example> examples = new ArrayList<>();
    for (LabelledText row : rows.shown()) {
      examples.add(row.example(examples.size() + 1));
    }
    Dataset train = new Dataset(Path.of("corrections"), examples);
    return !new TrainRun(
            config(parent, base, output, version, threads),
            new Datasets(train, null, null),
            new SilentRunListener(),
            stopRequested)
        .run()
        .training()
        .interrupted();
  }

  private RunConfig config(Path parent, Path base, Path output, int version, int threads) {
    ModelFolder folder = ModelFolder.open(parent, base == null ? null : base.toString());
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.MODEL, parent.toString())
            .set(RunOption.TASK, "classification")
            .set(RunOption.OUTPUT_DIR, output.toString())
            .set(RunOption.RUN_STORE, "none")
            .set(RunOption.EPOCHS, "1") // the rows are those of all passes, in their order
            .set(RunOption.NO_SHUFFLE, "true")
            .set(RunOption.BATCH_SIZE, Integer.toString(settings.batchSize()))
            .set(RunOption.SEED, Long.toString(settings.seed() + version))
            .set(RunOption.THREADS, Integer.toString(threads))
            .set(
                RunOption.LEARNING_RATE,
                settings.learningRate() != null
                    ? settings.learningRate().toString()
                    : folder.isAdapter() ? ADAPTER_RATE : WHOLE_RATE);
    if (base != null) {
      config.set(RunOption.BASE_MODEL, base.toString());
    }
    int maxLength = folder.attune().path("max_length").asInt();
    if (maxLength > 0) {
      config.set(RunOption.MAX_LENGTH, Integer.toString(maxLength));
    }
    return config.build();
  }
}
