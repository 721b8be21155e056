package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** A kind of task: makes tasks from training data and from model folders. */
public interface TaskType {
  /** The name on the command line: {@code token-classification}. */
  String name();

  /** Other names for it. */
  default List<String> aliases() {
    return List.of();
  }

  /** PEFT's {@code task_type} of its adapters: {@code SEQ_CLS}; null: it has no name for them. */
  String peftType();

  /** What the Hugging Face Hub, and Transformers' pipelines, call what such a model does. */
  String pipeline();

  /** What the names end in of Transformers' classes for it: {@code ForSequenceClassification}. */
  String classSuffix();

  /** Whether a class of Transformers is for it, or for a type that shares its classes. */
  default boolean hasClass(String architecture) {
    return architecture.endsWith(classSuffix());
  }

  /**
   * Whether it is this type, among those that share a class, by the rest of config.json.
   *
   * @param problem {@code problem_type}, or ""
   * @param outputs K
   */
  default boolean isFor(String problem, int outputs) {
    return true;
  }

  /** Whether its predictions are those of another type, so that one thing reads both. */
  default boolean isKindOf(TaskType other) {
    return other == this;
  }

  /**
   * What an option of training is where nobody says it, if that is not what it is for all tasks.
   *
   * @param given the options that were given
   */
  default Optional<String> usual(Term option, TaskOptions given) {
    return Optional.empty();
  }

  /** What can be asked of it alone. */
  default List<Term> options() {
    return List.of();
  }

  /** Refuses what no data could make right of what was asked for. */
  default void check(TaskOptions options) {}

  /** What its models are once they are trained, by what their folders say. */
  default TaskType leaves() {
    return this;
  }

  /** Whether its models answer in texts, as they continue prompts. */
  default boolean generates() {
    return false;
  }

  /** Whether its models find the words that stand for masks in texts. */
  default boolean fillsMasks() {
    return false;
  }

  /** Whether it learns from words with tags. */
  default boolean readsTags() {
    return false;
  }

  /** Whether it reads one text of a row, be it prompt and completion, and never two. */
  default boolean readsOneText() {
    return generates() || fillsMasks();
  }

  /** Whether it learns from pairs and triplets of texts. */
  default boolean readsPairs() {
    return false;
  }

  /** Whether it learns from prompts with two answers, of which one is better. */
  default boolean readsPreferences() {
    return false;
  }

  /** The files of a model folder that tasks of it read beside its config; some may be absent. */
  default List<Path> settingsFiles(ModelFolder folder) {
    return List.of();
  }

  /** Whether each row is learned from by itself, so that the others need not be known. */
  default boolean streams() {
    return false;
  }

  /**
   * Whether its models give predictions that rows can be held against, and its tasks read their
   * outputs: see {@link Task#reading}. Others answer in texts, fill masks, make vectors, or judge
   * tokens that no row has a label for.
   */
  default boolean predicts() {
    return !generates() && !readsPairs() && !fillsMasks();
  }

  /**
   * Whether its head stands on the base model and may be a new one; that of a language model is
   * part of the base.
   */
  default boolean hasOwnHead() {
    return true;
  }

  /** Whether the outputs of its heads have names. */
  default boolean hasLabels() {
    return true;
  }

  /**
   * Whether it learns numbers, of which a row may have a list: then outputs have names only where
   * there are several.
   */
  default boolean readsNumbers() {
    return false;
  }

  /**
   * What gives data the form in which it is learned, where files may have others: tags as BIO, say.
   * The training data tell it for all. The reading of what it gives says what was done; it throws
   * an {@link dev.attune.core.InputException} where no row can be learned as it is.
   *
   * @param known labels of the head that training may go on with; empty: none
   */
  default UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
    return data -> data;
  }

  /**
   * A row to predict, of a text that somebody has typed.
   *
   * @param row its number, from 1
   * @throws dev.attune.core.InputException if one text is no row of this type
   */
  default Example typed(int row, String text) {
    return Example.of(row, text, null);
  }

  /** What examples must be spread evenly by where some are held out; null: nothing. */
  default String stratum(Example example) {
    return null;
  }

  /** The labels of a training set, in the order of a new head's outputs; null without labels. */
  default LabelMap labels(Dataset train) {
    return null;
  }

  /**
   * The labels of a new head that the user names.
   *
   * @param names of the labels as files have them
   * @param train in the form in which it is learned
   */
  default LabelMap labels(LabelMap names, Dataset train) {
    return names;
  }

  /**
   * A task to learn.
   *
   * @param labels in the order of the head's outputs; null without labels
   * @param train for what else is learned from the data before training
   */
  Task create(LabelMap labels, Dataset train, TaskOptions options);

  /**
   * The task of a trained head.
   *
   * @param labels in the order of the head's outputs; null without labels
   * @param settings attune.json; empty where the model was trained elsewhere
   */
  Task open(LabelMap labels, JsonNode settings, TaskOptions options);
}
