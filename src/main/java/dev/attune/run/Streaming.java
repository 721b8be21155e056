package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.StreamedDataset;
import dev.attune.batch.TrainingData;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.FatalRows;
import dev.attune.data.LabelMap;
import dev.attune.data.ReadOptions;
import dev.attune.data.RowStream;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;

/** Training data that are read while they are learned from, where the options say so. */
final class Streaming implements AutoCloseable {
  private static final int MOST_ROWS = 10_000_000;

  /** What all rows would have to be known for. */
  private static final List<RunOption> OF_ALL_ROWS =
      List.of(
          RunOption.EPOCHS,
          RunOption.VALIDATION_SPLIT,
          RunOption.TEST_SPLIT,
          RunOption.INTERLEAVE_PROBS,
          RunOption.MAX_TRAIN_SAMPLES);

  private final RunConfig config;
  private final RowStream rows;
  private final Dataset first;

  private Streaming(RunConfig config, RowStream rows, Dataset first) {
    this.config = config;
    this.rows = rows;
    this.first = first;
  }

  /**
   * Refuses what no stream could do.
   *
   * @param needsFile whether the training data come from a file
   */
  static void check(RunConfig config, TaskType task, boolean needsFile) {
    if (!config.flag(RunOption.STREAMING)) {
      return;
    }
    if (!needsFile) {
      throw new InputException(
          RunOption.STREAMING
              + " reads "
              + RunOption.TRAIN_FILE
              + ", and the training examples are in memory; leave it out");
    }
    if (!task.streams()) {
      throw new InputException(
          RunOption.STREAMING
              + " needs a task that learns from each row by itself ("
              + Tasks.names(TaskType::streams)
              + "); "
              + task.name()
              + " has to know all rows before it begins. Leave it out: large files need no more"
              + " memory than small ones");
    }
    if (config.integer(RunOption.MAX_STEPS) == 0) {
      throw new InputException(
          RunOption.STREAMING
              + " needs "
              + RunOption.MAX_STEPS
              + ": how many rows there are is not known, so nothing else says when to end");
    }
    int rows = config.smallInteger(RunOption.SHUFFLE_BUFFER_SIZE);
    if (rows < 1 || rows > MOST_ROWS) {
      throw new InputException(
          RunOption.SHUFFLE_BUFFER_SIZE
              + " is "
              + rows
              + "; it must be at least 1 and at most "
              + MOST_ROWS
              + ", which are held in memory");
    }
    for (RunOption option : OF_ALL_ROWS) {
      if (config.isGiven(option)) {
        throw needsAllRows(option.toString());
      }
    }
    if (config.smallInteger(RunOption.K_FOLD) != 0) {
      throw needsAllRows(RunOption.K_FOLD.toString());
    }
    checkCounted(config, RunOption.CLASS_WEIGHTS, "balanced");
    checkCounted(config, RunOption.POS_WEIGHT, "auto");
  }

  private static void checkCounted(RunConfig config, RunOption weights, String counted) {
    if (counted.equals(config.text(weights))) {
      throw needsAllRows(weights.with(counted));
    }
  }

  private static InputException needsAllRows(String option) {
    return new InputException(
        option
            + " needs all rows to be known, and "
            + RunOption.STREAMING
            + " reads them while they are learned from; leave one of the two out");
  }

  /**
   * Opens the source and reads its first rows.
   *
   * @return null where the data are no stream
   */
  static Streaming open(RunConfig config, ReadOptions options) {
    if (!config.flag(RunOption.STREAMING)) {
      return null;
    }
    RowStream rows = RowStream.open(config.texts(RunOption.TRAIN_FILE), options);
    if (rows.isOnce() && config.flag(RunOption.RESUME)) {
      throw new InputException(
          RunOption.RESUME
              + " reads the rows again that the run has read, and "
              + rows.source()
              + " can be read but once. Write the rows to a file, and give that with "
              + RunOption.STREAMING);
    }
    return new Streaming(config, rows, rows.first(firstRows(config)));
  }

  /** As many as the run has begun with: a file may have grown since. */
  private static int firstRows(RunConfig config) {
    int most = config.smallInteger(RunOption.SHUFFLE_BUFFER_SIZE);
    if (!config.flag(RunOption.RESUME)) {
      return most;
    }
    Path folder = OutputFolder.checkpoints(Path.of(config.text(RunOption.OUTPUT_DIR)));
    return CheckpointStore.peek(folder)
        .map(state -> Math.min(most, RunIdentity.firstRows(state, most)))
        .orElse(most);
  }

  /** How many rows tell columns and labels. */
  int firstRows() {
    return rows.firstRows();
  }

  /** The data that are given, with the first rows as those to learn from. */
  Datasets with(Datasets given) {
    return new Datasets(
        first, given == null ? null : given.validation(), given == null ? null : given.test());
  }

  /** What is to be told before training; empty: nothing. */
  String note() {
    return rows.isOnce()
        ? rows.source() + " can be read but once: a run that is stopped cannot be resumed"
        : "";
  }

  /**
   * The rows, as batches.
   *
   * @param task what is learned
   * @param known labels of the head that training may go on with; empty: none
   * @param encoder for training
   * @param encoded the first rows
   * @param maxLength tokens of a sequence at most
   * @param vocabulary of the model
   */
  TrainingData data(
      Task task,
      List<String> known,
      RowEncoder<?> encoder,
      EncodedDataset encoded,
      int maxLength,
      int vocabulary) {
    UnaryOperator<Dataset> prepared = task.type().preparation(Datasets.named(config, first), known);
    return new StreamedDataset(
        rows,
        some ->
            some.size() == 0 ? some : shaped(prepared.apply(Datasets.named(config, some)), task),
        encoder,
        encoded,
        config.smallInteger(RunOption.SHUFFLE_BUFFER_SIZE),
        maxLength,
        vocabulary);
  }

  private Dataset shaped(Dataset some, Task task) {
    LabelMap labels = task.labels();
    for (Example example : some.examples()) {
      for (String label : labels == null ? List.<String>of() : task.classes(example)) {
        if (!labels.contains(label)) {
          throw new InputException(
              some.where(example)
                  + ": the label \""
                  + label
                  + "\" is not among the known ones: "
                  + labels.describe()
                  + ". They are those of the first "
                  + Count.many(first.size(), "row")
                  + "; name all with "
                  + RunOption.LABEL_NAMES
                  + ", or have more rows looked at with "
                  + RunOption.SHUFFLE_BUFFER_SIZE);
        }
      }
    }
    return FatalRows.leftOut(some, task, config.flag(RunOption.SKIP_BAD_ROWS));
  }

  @Override
  public void close() {
    rows.close();
  }
}
