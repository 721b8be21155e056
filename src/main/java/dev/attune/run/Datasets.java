package dev.attune.run;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.data.ClassNumbers;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.FatalRows;
import dev.attune.data.FileOptions;
import dev.attune.data.Finding;
import dev.attune.data.Interleaving;
import dev.attune.data.LabelMap;
import dev.attune.data.LabelNames;
import dev.attune.data.LabelNumbers;
import dev.attune.data.ReadOptions;
import dev.attune.data.RowCache;
import dev.attune.data.Split;
import dev.attune.folder.HeadChoice;
import dev.attune.task.Regression;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * The examples of a training run, read but not tokenised.
 *
 * @param train what to learn
 * @param validation to evaluate on while training; null: nothing
 * @param test to evaluate on once, at the end; null: nothing
 * @param labelled whose labels are those of a new head: the training data and what was held out of
 *     them
 */
public record Datasets(Dataset train, Dataset validation, Dataset test, Dataset labelled) {
  /** Data of which nothing is held out. */
  public Datasets(Dataset train, Dataset validation, Dataset test) {
    this(train, validation, test, train);
  }

  /**
   * Reads the files that a run's options name.
   *
   * @param given what is in memory already; null, or null in it: a file
   * @param asTurns whether instructions become conversations
   * @param cache of large training data
   */
  static Datasets read(RunConfig config, Datasets given, boolean asTurns, RowCache cache) {
    TaskType task = Tasks.named(config.text(RunOption.TASK));
    ReadOptions options = options(config, task, asTurns);
    Dataset train = given == null ? null : given.train();
    return new Datasets(
        train == null
            ? large(config, forFiles(config, RunOption.TRAIN_FILE, options), cache)
            : train,
        optional(
            config, RunOption.VALIDATION_FILE, options, given == null ? null : given.validation()),
        optional(config, RunOption.TEST_FILE, options, given == null ? null : given.test()));
  }

  /** How the files of one option are read, beside those of the others. */
  private static ReadOptions forFiles(RunConfig config, RunOption option, ReadOptions options) {
    if (Stream.of(RunOption.ENCODING, RunOption.DELIMITER, RunOption.QUOTING)
        .noneMatch(config::isGiven)) {
      return options;
    }
    List<Path> run =
        Stream.of(RunOption.TRAIN_FILE, RunOption.VALIDATION_FILE, RunOption.TEST_FILE)
            .flatMap(each -> files(config, each).stream())
            .toList();
    return options.forSome(files(config, option), run);
  }

  private static Dataset large(RunConfig config, ReadOptions options, RowCache cache) {
    config.required(RunOption.TRAIN_FILE);
    List<String> sources = config.texts(RunOption.TRAIN_FILE);
    Dataset data = cache.read(sources, options);
    Interleaving interleaving = interleaving(config);
    if (interleaving == null) {
      return data;
    }
    int[] files =
        sources.stream()
            .mapToInt(source -> DataReader.files(List.of(source), options.written()).size())
            .toArray();
    return interleaving.of(data, files, config.integer(RunOption.SEED));
  }

  /** How several sources become one; null: one after the other. */
  private static Interleaving interleaving(RunConfig config) {
    String strategy = config.text(RunOption.STOPPING_STRATEGY);
    boolean untilAll = strategy.equals("all_exhausted");
    if (!untilAll && !strategy.equals("first_exhausted")) {
      throw new InputException(
          RunOption.STOPPING_STRATEGY
              + " is '"
              + strategy
              + "'; allowed are first_exhausted and all_exhausted");
    }
    if (!config.isGiven(RunOption.INTERLEAVE_PROBS)) {
      return null;
    }
    String given = config.text(RunOption.INTERLEAVE_PROBS);
    List<Double> probabilities = probabilities(given);
    String problem =
        probabilities == null ? "they are numbers" : Interleaving.problem(probabilities);
    int sources = config.texts(RunOption.TRAIN_FILE).size();
    if (problem == null && (sources < 2 || probabilities.size() != sources)) {
      problem =
          "there are "
              + Count.many(probabilities.size(), "probability", "probabilities")
              + " for "
              + Count.many(sources, "source")
              + " by "
              + RunOption.TRAIN_FILE
              + ", and each source needs one, of two sources at least";
    }
    if (problem != null) {
      throw new InputException(
          RunOption.INTERLEAVE_PROBS
              + " is '"
              + given
              + "': "
              + problem
              + ". Give one for each "
              + RunOption.TRAIN_FILE
              + ", such as 0.7,0.3");
    }
    return new Interleaving(probabilities, untilAll);
  }

  /** Null where they are no numbers. */
  private static List<Double> probabilities(String given) {
    try {
      return Arrays.stream(given.split(",", -1)).map(String::strip).map(Double::valueOf).toList();
    } catch (NumberFormatException e) {
      return null;
    }
  }

  private static Dataset optional(
      RunConfig config, RunOption option, ReadOptions options, Dataset given) {
    return given != null || config.texts(option).isEmpty()
        ? given
        : required(config, option, forFiles(config, option, options));
  }

  /** Reads the files of one option. */
  private static Dataset required(RunConfig config, RunOption option, ReadOptions options) {
    config.required(option);
    return DataReader.read(config.texts(option), options);
  }

  /** The files that one option stands for. */
  static List<Path> files(RunConfig config, RunOption option) {
    return DataReader.files(config.texts(option), written(config, false));
  }

  /**
   * Refuses options that no file could fit, before anything is fetched or read.
   *
   * @param needsFile whether the training data is to come from a file
   */
  static void check(RunConfig config, boolean needsFile) {
    if (needsFile) {
      config.required(RunOption.TRAIN_FILE);
    }
    options(config, Tasks.named(config.text(RunOption.TASK)), false);
    most(config, RunOption.MAX_TRAIN_SAMPLES);
    if (needsFile) {
      interleaving(config);
    }
    most(config, RunOption.MAX_EVAL_SAMPLES);
    LabelNames.parse(config.text(RunOption.LABEL_NAMES));
  }

  /**
   * How a run's options say that files are read.
   *
   * @param task that they are read for
   */
  static ReadOptions options(RunConfig config, TaskType task, boolean asTurns) {
    Columns columns = Columns.parse(config.text(RunOption.COLUMNS));
    if (task.readsPreferences()) {
      columns = columns.forPreferences();
    } else if (task.readsPairs()) {
      columns = columns.forPairs();
    } else if (task.readsOneText()) {
      columns = columns.forOneText();
    }
    return options(config, columns, task, asTurns);
  }

  private static ReadOptions options(
      RunConfig config, Columns columns, TaskType task, boolean asTurns) {
    return new ReadOptions(
            columns,
            config.flag(RunOption.SKIP_BAD_ROWS),
            asTurns,
            written(config, task.readsTags()))
        .numbers(task.readsNumbers())
        .classes(
            config.isGiven(RunOption.LABEL_NAMES) || !task.hasLabels()
                ? ClassNumbers.KEPT
                : ClassNumbers.NAMED);
  }

  private static FileOptions written(RunConfig config, boolean tagged) {
    return FileOptions.parse(
        config.text(RunOption.FORMAT),
        config.text(RunOption.ENCODING),
        config.text(RunOption.DELIMITER),
        config.text(RunOption.QUOTING),
        tagged);
  }

  /** The rows of a file of which one text each is read, whatever their labels are. */
  static Dataset texts(RunConfig config) {
    Columns columns = Columns.parse(config.text(RunOption.COLUMNS)).forOneText();
    return required(config, RunOption.FILE, options(config, columns, Regression.TYPE, false));
  }

  /** The rows of a file for a task, as they are. */
  public static Dataset rows(RunConfig config, TaskType task) {
    return required(config, RunOption.FILE, options(config, task, false));
  }

  /**
   * The rows of a file to measure, in the form in which a task was learned; those without targets
   * are bad.
   */
  static Dataset measured(RunConfig config, Task task, boolean asTurns) {
    Dataset read = file(config, task, asTurns, ClassNumbers.NAMED);
    Dataset named = task.prepared(named(config, read));
    Dataset sound = config.flag(RunOption.SKIP_BAD_ROWS) ? FatalRows.leftOut(named, task) : named;
    return first(config, RunOption.MAX_EVAL_SAMPLES, sound);
  }

  /**
   * The rows of a file to predict, with targets or without.
   *
   * @param compares whether the targets are looked at
   */
  static Dataset predicted(RunConfig config, Task task, boolean compares) {
    return file(config, task, false, compares ? ClassNumbers.NAMED_WHERE_KNOWN : ClassNumbers.KEPT);
  }

  private static Dataset file(RunConfig config, Task task, boolean asTurns, ClassNumbers ofNames) {
    ReadOptions options = options(config, task.type(), asTurns);
    boolean areNumbers = task.labels() != null && LabelNumbers.areNumbers(task.labels().names());
    boolean areKept = areNumbers || options.classes() == ClassNumbers.KEPT;
    return required(config, RunOption.FILE, options.classes(areKept ? ClassNumbers.KEPT : ofNames));
  }

  /**
   * The rows that are predicted, as they are compared with the predictions.
   *
   * @throws InputException if no row says what could be compared
   */
  static Dataset withTargets(Dataset read, Task task) {
    boolean readsTags = task.type().readsTags();
    long rows =
        read.examples().stream()
            .filter(
                example ->
                    readsTags
                        ? example.tags() != null
                        : example.label() != null
                            || example.labels() != null
                            || example.answers() != null)
            .count();
    if (rows == 0) {
      throw new InputException(
          read.source()
              + " says of no row what is right, so that predictions cannot be compared with it; "
              + RunOption.COLUMNS
              + " names the column of a label, where it has another name");
    }
    // Where some rows have no tags, the scheme of the others stays as it is.
    return rows == read.size() ? task.prepared(read) : read;
  }

  /**
   * The data as the options want it learned: labels by their names, in the task's form, without bad
   * rows, split, and as much of it as is asked for.
   *
   * @param known labels of the head that training may go on with; empty: none
   * @param fold to hold out; null: a share, or nothing
   */
  Datasets shaped(RunConfig config, TaskType type, List<String> known, Fold fold) {
    Datasets named = mapped(data -> named(config, data));
    Datasets usable =
        named.mapped(type.preparation(named.train, known)).withoutBadRows(config, type, known);
    if (fold != null) {
      Dataset most = first(config, RunOption.MAX_TRAIN_SAMPLES, usable.train);
      Split cut = fold.cut(most, config.integer(RunOption.SEED), type);
      return new Datasets(cut.train(), cut.validation(), null, most);
    }
    Datasets sound = usable.split(config, type);
    return new Datasets(
        first(config, RunOption.MAX_TRAIN_SAMPLES, sound.train),
        first(config, RunOption.MAX_EVAL_SAMPLES, sound.validation),
        first(config, RunOption.MAX_EVAL_SAMPLES, sound.test));
  }

  private Datasets mapped(UnaryOperator<Dataset> change) {
    return new Datasets(
        change.apply(train),
        validation == null ? null : change.apply(validation),
        test == null ? null : change.apply(test));
  }

  static Dataset named(RunConfig config, Dataset data) {
    LabelNames names = LabelNames.parse(config.text(RunOption.LABEL_NAMES));
    return names == null ? data : names.applied(data);
  }

  /**
   * What the outputs of a new head mean: what the options name, else what the training data have;
   * null where outputs have no names.
   */
  LabelMap labels(RunConfig config, TaskType type) {
    LabelNames names = LabelNames.parse(config.text(RunOption.LABEL_NAMES));
    return names == null ? type.labels(labelled) : type.labels(names.map(), labelled);
  }

  /** A label is known or not by the head that will be trained: see {@link HeadChoice}. */
  private Datasets withoutBadRows(RunConfig config, TaskType type, List<String> known) {
    if (!config.flag(RunOption.SKIP_BAD_ROWS)) {
      return this;
    }
    LabelMap own = labels(config, type);
    boolean keeps = own != null && !known.isEmpty() && known.containsAll(own.names());
    Task task = type.create(keeps ? LabelMap.ofNames(known) : own, train, option -> null);
    return mapped(data -> FatalRows.leftOut(data, task));
  }

  private Datasets split(RunConfig config, TaskType type) {
    double testShare = share(config, RunOption.TEST_SPLIT);
    double validationShare = share(config, RunOption.VALIDATION_SPLIT);
    long seed = config.integer(RunOption.SEED);
    Datasets out = this;
    if (testShare > 0) {
      Split cut = Split.stratified(train, testShare, seed, type::stratum);
      out = new Datasets(cut.train(), validation, held(cut, train, testShare, seed));
    }
    if (validationShare > 0) {
      double share = validationShare / (1 - testShare);
      Split cut = Split.stratified(out.train, share, seed, type::stratum);
      out = new Datasets(cut.train(), held(cut, train, validationShare, seed), out.test);
    }
    return out;
  }

  private static Dataset held(Split cut, Dataset whole, double share, long seed) {
    return cut.validation()
        .withoutFindings() // they stand with what is trained on
        .with(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "held_out",
                String.format(
                    "%d of %s of %s held out (%s, seed %d), equal texts on one side",
                    cut.validation().size(),
                    Count.many(whole.size(), "row"),
                    whole.source(),
                    share,
                    seed)));
  }

  /** Refuses shares of the training data that cannot be held out, or leave nothing. */
  static void checkShares(RunConfig config) {
    double testShare = share(config, RunOption.TEST_SPLIT);
    double validationShare = share(config, RunOption.VALIDATION_SPLIT);
    if (testShare + validationShare >= 1) {
      throw new InputException(
          RunOption.VALIDATION_SPLIT
              + " and "
              + RunOption.TEST_SPLIT
              + " leave nothing to train on: together they must be below 1, and are "
              + (testShare + validationShare));
    }
  }

  /** A share of the training data; 0 where none is held out. */
  private static double share(RunConfig config, RunOption option) {
    if (!config.isGiven(option)) {
      return 0;
    }
    double share = config.number(option);
    if (!(share > 0 && share < 1)) {
      throw new InputException(
          option + " is " + share + "; it must lie between 0 and 1, for example 0.1");
    }
    return share;
  }

  /** How many rows are wanted; all where the option is not given. */
  private static int most(RunConfig config, RunOption option) {
    if (!config.isGiven(option)) {
      return Integer.MAX_VALUE;
    }
    int most = config.smallInteger(option);
    if (most < 1) {
      throw new InputException(option + " is " + most + "; it must be at least 1");
    }
    return most;
  }

  /** The first rows, where only so many are wanted; null stays null. */
  private static Dataset first(RunConfig config, RunOption option, Dataset data) {
    if (data == null || !config.isGiven(option)) {
      return data;
    }
    int most = most(config, option);
    if (most >= data.rows()) {
      return data;
    }
    return data.first(most)
        .with(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "first_rows",
                "the first "
                    + most
                    + " of "
                    + Count.many(data.rows(), "row")
                    + ", as "
                    + option
                    + " says"));
  }
}
