package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/** Every type of task: nothing else names them all. */
public final class Tasks {
  private static final List<TaskType> ALL =
      List.of(
          Classification.TYPE,
          MultiLabelClassification.TYPE,
          Regression.TYPE,
          TokenClassification.TYPE,
          QuestionAnswering.TYPE,
          CausalLm.TYPE,
          Dpo.TYPE,
          MaskedLm.TYPE,
          ReplacedTokens.TYPE,
          Embedding.TYPE,
          FewShotType.ONE_LABEL,
          FewShotType.MULTI_LABEL);

  /** Of a head that nothing else is known of. */
  private static final int DEFAULT_OUTPUTS = 2;

  private Tasks() {}

  /** All of them. */
  public static List<TaskType> all() {
    return ALL;
  }

  /** The type that a command line names. */
  public static TaskType named(String option) {
    String wanted = option.toLowerCase(Locale.ROOT);
    for (TaskType type : ALL) {
      if (type.name().equals(wanted) || type.aliases().contains(wanted)) {
        return type;
      }
    }
    throw new InputException(Term.TASK + " is '" + option + "'; allowed are " + names());
  }

  /** Refuses what was asked for and means nothing to a task, or cannot be. */
  public static void check(TaskType type, TaskOptions options) {
    for (TaskType other : ALL) {
      for (Term option : other.options()) {
        String value = options.get(option);
        if (value != null && !value.equals("false") && !type.options().contains(option)) {
          throw new InputException(option + " has no meaning for " + Term.TASK.of(type.name()));
        }
      }
    }
    type.check(options);
  }

  /** "classification, regression and causal-lm": for help and messages. */
  public static String names() {
    return names(type -> true);
  }

  /** The names of some. */
  public static String names(Predicate<TaskType> which) {
    List<String> names = ALL.stream().filter(which).map(TaskType::name).toList();
    int last = names.size() - 1;
    return last < 1
        ? String.join("", names)
        : String.join(", ", names.subList(0, last)) + " and " + names.get(last);
  }

  /**
   * What a model is to do: choose among labels that options name, or else what it was trained for:
   * as training here noted it, else as PEFT or the architecture's name says.
   *
   * @throws InputException if the folder has no trained head
   */
  public static Task of(ModelFolder folder, TaskOptions options) {
    return ZeroShots.isAsked(options)
        ? ZeroShots.of(folder, learned(folder, TaskOptions.NONE), options)
        : learned(folder, options);
  }

  private static Task learned(ModelFolder folder, TaskOptions options) {
    String noted = folder.attune().path("task").asText("");
    TaskType type = noted.isEmpty() ? told(folder) : named(noted);
    check(type, options);
    boolean hasNames =
        type.hasLabels() || type.readsNumbers() && folder.savedOutputs().orElse(1) > 1;
    LabelMap labels = hasNames ? labels(folder) : null;
    Task task = type.open(labels, folder.attune(), options).on(folder);
    checkOutputs(task, folder);
    return task;
  }

  /** Outputs without names are what the task makes of them: so many, and no others. */
  private static void checkOutputs(Task task, ModelFolder folder) {
    int saved = folder.savedOutputs().orElse(task.outputs());
    if (!task.type().hasLabels() && task.type().hasOwnHead() && saved != task.outputs()) {
      throw new InputException(
          String.format(
              "%s: the saved head has %s, and %s here has %s. Its 'problem_type' in config.json says"
                  + " what they are",
              folder.path(),
              Count.many(saved, "output"),
              task.name(),
              Count.many(task.outputs(), "output")));
    }
  }

  /**
   * What a model does, as {@link TaskType#pipeline} calls it, by what its files say; empty where
   * they do not say it.
   *
   * @param noted the task in attune.json
   * @param peftType of adapter_config.json
   * @param architecture of config.json
   */
  public static Optional<String> pipeline(String noted, String peftType, String architecture) {
    return ALL.stream()
        .filter(
            type ->
                noted.isEmpty()
                    ? peftType.equals(type.peftType()) || type.hasClass(architecture)
                    : type.name().equals(noted))
        .findFirst()
        .map(TaskType::pipeline);
  }

  private static TaskType told(ModelFolder folder) {
    if (folder.isAdapter()) {
      String peft = folder.adapter().taskType();
      if (ALL.stream().anyMatch(type -> peft.equals(type.peftType()))) {
        return among(folder, type -> peft.equals(type.peftType()));
      }
    }
    return among(folder, type -> type.hasClass(folder.architecture()));
  }

  private static TaskType among(ModelFolder folder, Predicate<TaskType> candidates) {
    String problem = folder.config().path("problem_type").asText("");
    int outputs = outputs(folder);
    return ALL.stream()
        .filter(candidates)
        .filter(type -> type.isFor(problem, outputs))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    folder.base()
                        + ": config.json: "
                        + (ALL.stream().anyMatch(candidates)
                            ? "'problem_type' is '"
                                + problem
                                + "'; regression, single_label_classification,"
                                + " multi_label_classification or null is needed"
                            : withoutClass(folder))));
  }

  private static String withoutClass(ModelFolder folder) {
    String named = folder.architecture();
    return (named.isEmpty() ? "no name stands in" : "'" + named + "' is what is named in")
        + " 'architectures', a list; those that can be used end in "
        + String.join(", ", ALL.stream().map(TaskType::classSuffix).distinct().toList())
        + ". Train one with: "
        + Term.TRAINING.of(folder.base());
  }

  private static int outputs(ModelFolder folder) {
    int named = folder.labelNames().size();
    return named > 0 ? named : folder.savedOutputs().orElse(DEFAULT_OUTPUTS);
  }

  /** The labels in the order of the outputs; Transformers leaves default names out. */
  private static LabelMap labels(ModelFolder folder) {
    List<String> names = folder.labelNames();
    if (names.isEmpty()) {
      names = IntStream.range(0, outputs(folder)).mapToObj(id -> "LABEL_" + id).toList();
    }
    Set<String> distinct = new HashSet<>();
    for (String name : names) {
      if (!distinct.add(name)) {
        throw new InputException(
            folder.path()
                + ": id2label names two outputs \""
                + name
                + "\"; each needs a name of its own");
      }
    }
    int saved = folder.savedOutputs().orElse(names.size());
    JsonNode stated = folder.config().path("num_labels");
    if (!folder.isAdapter() && stated.isInt() && stated.intValue() != saved) {
      throw new InputException(
          folder.path()
              + ": config.json says 'num_labels' "
              + stated
              + ", the saved head has "
              + Count.many(saved, "output"));
    }
    if (saved != names.size()) {
      throw new InputException(
          String.format(
              "%s: the saved head has %s, but %s named in id2label: %s",
              folder.path(),
              Count.many(saved, "output"),
              Count.many(names.size(), "label is", "labels are"),
              LabelMap.ofNames(names).describe()));
    }
    return LabelMap.ofNames(names);
  }
}
