package dev.attune.run;

import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.FileOptions;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.nio.file.Path;
import java.util.List;

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
    TaskType task = Tasks.named(config.text(RunOption.TASK));
    return new Datasets(
        read(config, RunOption.TRAIN_FILE, task),
        optional(config, RunOption.VALIDATION_FILE, task),
        optional(config, RunOption.TEST_FILE, task));
  }

  private static Dataset optional(RunConfig config, RunOption option, TaskType task) {
    return config.texts(option).isEmpty() ? null : read(config, option, task);
  }

  /** Reads the files of one option, for a task. */
  public static Dataset read(RunConfig config, RunOption option, TaskType task) {
    config.required(option);
    List<String> paths = config.texts(option);
    return DataReader.read(
        paths, Columns.parse(config.text(RunOption.COLUMNS)), fileOptions(config, task));
  }

  /** The files that one option stands for. */
  static List<Path> files(RunConfig config, RunOption option) {
    return DataReader.files(config.texts(option), fileOptions(config, false));
  }

  /** How the options say that files are written. */
  public static FileOptions fileOptions(RunConfig config, TaskType task) {
    return fileOptions(config, task.readsTags());
  }

  private static FileOptions fileOptions(RunConfig config, boolean tagged) {
    return FileOptions.parse(
        config.text(RunOption.FORMAT),
        config.text(RunOption.ENCODING),
        config.text(RunOption.DELIMITER),
        config.text(RunOption.QUOTING),
        tagged);
  }
}
