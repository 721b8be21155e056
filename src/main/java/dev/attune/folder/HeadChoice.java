package dev.attune.folder;

import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * Whether training goes on with the head of the folder that it starts from, and what its outputs
 * then mean. A head knows its outputs by number only: to number the labels anew would turn
 * "positive" into "negative".
 *
 * <ul>
 *   <li>No head, or another task's: a new one, with the labels of the data.
 *   <li>All labels of the data are among the folder's: the head is kept, with the folder's names in
 *       the folder's order, also those that the data lacks.
 *   <li>The folder knows its outputs as LABEL_0, LABEL_1 … only, as Transformers calls them where
 *       nobody said: as many labels take their places in order, as in Transformers' run_glue. Said
 *       aloud.
 *   <li>As many labels of other names: refused. Only the user can know whether these are the same
 *       outputs under new names, or a new head is wanted.
 *   <li>Not as many, and not among the folder's: a new head. Said aloud.
 * </ul>
 *
 * @param keeps whether the folder's head is kept; where its weights are not there after all, it is
 *     new all the same
 * @param labels in the order of the outputs; null where these have no names
 * @param note to tell the user; empty: nothing happened that needs to be said
 */
public record HeadChoice(boolean keeps, LabelMap labels, Optional<String> note) {
  /** What Transformers calls the outputs that nobody named. */
  private static final String UNNAMED = "LABEL_";

  /**
   * Chooses for labels.
   *
   * @param suffix that the architecture's name has where the head is for this task:
   *     "ForSequenceClassification"
   * @param data labels of the training data
   * @throws InputException naming both lists, where only the user can tell
   */
  public static HeadChoice ofLabels(ModelFolder folder, String suffix, LabelMap data) {
    OptionalInt saved = saved(folder, suffix);
    if (saved.isEmpty()) {
      return new HeadChoice(false, data, Optional.empty());
    }
    List<String> stated = folder.labelNames();
    LabelMap names = LabelMap.ofNames(stated.isEmpty() ? unnamed(saved.getAsInt()) : stated);
    if (new HashSet<>(names.names()).containsAll(data.names())) {
      return new HeadChoice(true, names, Optional.empty());
    }
    boolean asMany = names.size() == data.size();
    if (asMany && names.names().equals(unnamed(names.size()))) {
      return new HeadChoice(
          true,
          data,
          Optional.of(
              "the head of "
                  + folder.path()
                  + " has outputs without names; from the first on they are taken for "
                  + data.describe()));
    }
    if (asMany) {
      throw new InputException(
          folder.path()
              + " has a trained head for the labels "
              + names.describe()
              + ", the data has as many others: "
              + data.describe()
              + ". Rename the labels in the data where they mean the same, or ask for a new head");
    }
    return new HeadChoice(
        false,
        data,
        Optional.of(
            "the head of "
                + folder.path()
                + " is for the labels "
                + names.describe()
                + "; a new one is made for "
                + data.describe()));
  }

  /** Chooses for a head with so many outputs without names, such as one, a score. */
  public static HeadChoice ofOutputs(ModelFolder folder, String suffix, int outputs) {
    return new HeadChoice(saved(folder, suffix).orElse(0) == outputs, null, Optional.empty());
  }

  /** A head drawn anew because the user asks for it. */
  public static HeadChoice ofNew(LabelMap data) {
    return new HeadChoice(false, data, Optional.empty());
  }

  /** K of the folder's head; empty where it has none, or one that is for another task. */
  private static OptionalInt saved(ModelFolder folder, String suffix) {
    if (folder.isAdapter()) {
      OptionalInt own = folder.savedOutputs();
      return own.isPresent() ? own : ModelWeights.headOutputs(folder.base());
    }
    String architecture = folder.architecture();
    boolean isOther = architecture.contains("For") && !architecture.endsWith(suffix);
    return isOther ? OptionalInt.empty() : folder.savedOutputs();
  }

  private static List<String> unnamed(int outputs) {
    return IntStream.range(0, outputs).mapToObj(id -> UNNAMED + id).toList();
  }
}
