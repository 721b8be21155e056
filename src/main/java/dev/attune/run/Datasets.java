package dev.attune.run;

import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import java.nio.file.Path;

/**
 * The examples of a training run, read but not tokenised.
 *
 * @param train what to learn
 * @param validation to evaluate on while training; null: nothing
 * @param test to evaluate on once, at the end; null: nothing
 */
public record Datasets(Dataset train, Dataset validation, Dataset test) {
  /** Reads the files that a run's options name. */
  public static Datasets read(RunConfig config) {
    Columns columns = Columns.parse(config.text(RunOption.COLUMNS));
    return new Datasets(
        DataReader.read(Path.of(config.required(RunOption.TRAIN_FILE)), columns),
        optional(config, RunOption.VALIDATION_FILE, columns),
        optional(config, RunOption.TEST_FILE, columns));
  }

  private static Dataset optional(RunConfig config, RunOption option, Columns columns) {
    Path file = config.path(option);
    return file == null ? null : DataReader.read(file, columns);
  }
}
