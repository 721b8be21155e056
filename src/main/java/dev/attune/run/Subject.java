package dev.attune.run;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.LabelMap;
import dev.attune.data.Split;
import dev.attune.folder.HeadChoice;
import dev.attune.folder.ModelFolder;
import dev.attune.task.Task;
import dev.attune.task.TaskOptions;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.util.List;
import java.util.Optional;

/**
 * What is learned, and from what, checked as far as it can be before anything is tokenised.
 *
 * @param head whether the base's is trained further
 * @param data as they are learned
 */
record Subject(HeadChoice head, Data data) {
  /**
   * @param rows as they were read
   * @param fold of a cross-validation; null: the run is none
   * @throws InputException on what makes training impossible or pointless
   */
  static Subject of(TrainPlan plan, ModelFolder base, Datasets rows, Fold fold) {
    List<String> known = plan.newHead() ? List.of() : base.labelNames();
    Datasets shaped = rows.shaped(plan.config(), plan.task(), known, fold);
    if (fold == null) {
      return of(plan, base, shaped);
    }
    try {
      return of(plan, base, shaped);
    } catch (InputException e) {
      Dataset whole = shaped.labelled();
      if (isRefused(plan, base, new Datasets(whole, shaped.validation(), null))) {
        throw e; // whatever is held out
      }
      throw fold.refusal(
          e,
          whole,
          new Split(shaped.train(), shaped.validation()),
          shaped.labels(plan.config(), plan.task()),
          plan.task());
    }
  }

  private static boolean isRefused(TrainPlan plan, ModelFolder base, Datasets shaped) {
    try {
      of(plan, base, shaped);
      return false;
    } catch (InputException e) {
      return true;
    }
  }

  private static Subject of(TrainPlan plan, ModelFolder base, Datasets read) {
    RunConfig config = plan.config();
    HeadChoice head = head(plan, base, read);
    Task task = plan.task().create(head.labels(), read.train(), config.taskOptions()).on(base);
    if (plan.trainer().batchSize() < task.leastBatch()) {
      throw new InputException(
          RunOption.BATCH_SIZE
              + " is "
              + plan.trainer().batchSize()
              + "; rows are compared with the others of their batch, of which there must be at"
              + " least "
              + task.leastBatch());
    }
    if (plan.trainer().batchSize() > task.mostBatch()
        && task.sequences(read.train()) > task.mostBatch()) {
      throw new InputException(
          RunOption.BATCH_SIZE
              + " is "
              + plan.trainer().batchSize()
              + "; all pairs of the rows of a batch are compared, of which there may be "
              + task.mostBatch()
              + " at most"
              + task.aboutSequences()
              + ". Give a smaller one, or list pairs: "
              + RunOption.SAMPLING_STRATEGY);
    }
    return new Subject(head, Data.of(config, task, read));
  }

  /**
   * Refuses a fold of a cross-validation that could not be trained, before any is.
   *
   * @param rows of all folds
   * @return what would be learned
   */
  static Task checkFold(TrainPlan asked, ModelFolder base, Dataset rows, Fold fold) {
    TrainPlan plan = base.isAdapter() ? asked.continuing(base) : asked;
    return of(plan, base, new Datasets(rows, null, null), fold).data().task();
  }

  /** Whether the base's head is trained further, and what its outputs mean. */
  private static HeadChoice head(TrainPlan plan, ModelFolder base, Datasets datasets) {
    TaskType type = plan.task();
    if (base.isAdapter()) {
      return adapterHead(plan, base, datasets);
    }
    if (!type.hasOwnHead()) {
      return new HeadChoice(true, datasets.labels(plan.config(), type), Optional.empty());
    }
    LabelMap labels = datasets.labels(plan.config(), type);
    if (labels == null) {
      int outputs = type.create(null, datasets.train(), plan.config().taskOptions()).outputs();
      return plan.newHead()
          ? HeadChoice.ofNew(null)
          : HeadChoice.ofOutputs(base, type.classSuffix(), outputs);
    }
    if (plan.newHead()) {
      return HeadChoice.ofNew(labels);
    }
    try {
      return HeadChoice.ofLabels(base, type.classSuffix(), labels);
    } catch (InputException e) {
      throw new InputException(e.getMessage() + ": " + RunOption.NEW_HEAD, e);
    }
  }

  /** An adapter goes on with its head, or not at all. */
  private static HeadChoice adapterHead(TrainPlan plan, ModelFolder adapter, Datasets datasets) {
    TaskType type = plan.task();
    Task learned = Tasks.of(adapter, TaskOptions.NONE);
    if (learned.type() != type.leaves()) {
      throw new InputException(
          RunOption.TASK.with(type.name())
              + ": "
              + adapter.path()
              + " is an adapter for "
              + learned.name()
              + "; give "
              + RunOption.TASK.with(learned.name())
              + ", or merge it and train the model that this makes");
    }
    if (!type.hasOwnHead()) {
      return new HeadChoice(true, datasets.labels(plan.config(), type), Optional.empty());
    }
    LabelMap labels = datasets.labels(plan.config(), type);
    String suffix = type.classSuffix();
    HeadChoice head =
        labels == null
            ? HeadChoice.ofOutputs(adapter, suffix, learned.outputs())
            : HeadChoice.ofLabels(adapter, suffix, labels);
    if (!head.keeps()) {
      throw new InputException(
          adapter.path()
              + " is an adapter with a head for "
              + (labels == null
                  ? Count.many(learned.outputs(), "output")
                  : learned.labels().describe())
              + (labels == null ? "" : ", the data has " + labels.describe())
              + ". An adapter is trained further with its head: give data with its labels, or merge"
              + " it and train the model that this makes");
    }
    return head;
  }
}
