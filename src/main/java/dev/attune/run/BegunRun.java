package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.InputException;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The options that a run was begun with, by what it left. */
final class BegunRun {
  /** Where a checkpoint's state has them. */
  static final String OPTIONS = "config";

  private BegunRun() {}

  /**
   * Those of the run that a config goes on with; null where it goes on with none, or what is there
   * cannot be read, which is said when that is due.
   */
  static RunConfig options(RunConfig config) {
    if (!config.flag(RunOption.RESUME)) {
      return null;
    }
    Path folder = Path.of(config.required(RunOption.OUTPUT_DIR));
    Path folds = OutputFolder.crossValidation(folder);
    try {
      Optional<JsonNode> state =
          Files.exists(folds)
              ? Optional.of(WholeJson.read(folds))
              : CheckpointStore.peek(OutputFolder.checkpoints(folder));
      if (state.isPresent()) {
        return options(state.get());
      }
      Path said = OutputFolder.runFile(folder); // of a run without a checkpoint so far
      return Files.exists(said)
          ? RunConfig.builder(CommandOptions.TRAIN).setAll(said).build()
          : null;
    } catch (IOException | InputException e) {
      return null;
    }
  }

  /** Those that a checkpoint's state notes. */
  static RunConfig options(JsonNode state) {
    return RunConfig.builder(CommandOptions.TRAIN)
        .setAll(state.path(OPTIONS).asText(), "checkpoint")
        .build();
  }
}
