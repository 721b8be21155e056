package dev.attune.run;

import dev.attune.data.DataReport;
import dev.attune.folder.ModelFolder;
import dev.attune.hub.Progress;
import dev.attune.model.Families;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import dev.attune.text.TextTokenizer;

/** A look at the data of a run that is not begun: nothing is trained, and no output is written. */
public final class DataInspection {
  private DataInspection() {}

  /**
   * Reads and tokenises the files that a training run's options name. What would stop the run is
   * among the report's findings.
   *
   * @param progress hears what takes a while
   * @throws dev.attune.core.InputException if the files cannot be read as data of the task, or the
   *     options do not go with it
   */
  public static DataReport of(RunConfig config, Progress progress) {
    TaskType type = Tasks.named(config.text(RunOption.TASK));
    Tasks.check(type, config.taskOptions());
    Datasets.check(config, true);
    ModelFolder base =
        ModelFolder.openToTrain(
            config.required(RunOption.MODEL), config.text(RunOption.BASE_MODEL), progress);
    LargeData large = new LargeData(config, progress::report);
    boolean asTurns = type.generates() && base.hasChatTemplate();
    Datasets read =
        Datasets.read(config, null, asTurns, large.rows())
            .shaped(config, type, base.labelNames(), null);
    Task task = type.create(read.labels(config, type), read.train(), config.taskOptions()).on(base);
    try (TextTokenizer tokenizer = base.openTokenizer()) {
      int maxLength = maxLength(config, task, tokenizer, Families.statedLength(base.config()));
      return Data.inspected(config, task, read, tokenizer, maxLength, large.tokens());
    }
  }

  /** As the run will have it; whether the model reaches a length that was asked for, it says. */
  private static int maxLength(
      RunConfig config, Task task, TextTokenizer tokenizer, int positions) {
    int wanted = config.smallInteger(RunOption.MAX_LENGTH);
    if (config.isGiven(RunOption.MAX_LENGTH)) {
      return wanted;
    }
    return TextLength.usual(task.usualLength(), wanted, tokenizer, positions);
  }
}
