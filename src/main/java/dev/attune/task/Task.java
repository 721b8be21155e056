package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TargetChecks;
import dev.attune.folder.FinishedModel;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * What a model is trained for: how targets are read, batched and checked, what the loss is, what is
 * measured, what a prediction looks like, and what a model folder says of all that. Its labels and
 * settings are fixed; any number of threads may use one task at once.
 */
public interface Task extends TargetChecks {
  /** Where tasks like this come from. */
  TaskType type();

  /** The name on the command line: {@code token-classification}. */
  @Override
  default String name() {
    return type().name();
  }

  /** Data in the form in which this was learned: see {@link TaskType#preparation}. */
  default Dataset prepared(Dataset data) {
    List<String> known = labels() == null ? List.of() : labels().names();
    return type().preparation(data, known).apply(data);
  }

  /** The head that its models carry. */
  HeadKind head();

  /** K of that head; 1 where the head decides. */
  default int outputs() {
    return 1;
  }

  /**
   * The task as a model folder has it, whose settings are part of what is learned.
   *
   * @throws dev.attune.core.InputException if it asks for what is not supported
   */
  default Task on(ModelFolder folder) {
    return this;
  }

  /** What was decided where nobody asked for it: to be told before training. */
  default List<String> notes() {
    return List.of();
  }

  /** The same, with what becomes of texts of its own that are in no file. */
  default List<String> notes(TextTokenizer tokenizer, int maxLength) {
    return notes();
  }

  /** Tokens of a text at most where nobody says how many; null: as training has it for all. */
  default Integer usualLength() {
    return null;
  }

  /**
   * Builds the model, with zeroed parameters.
   *
   * @param dropout replaces every dropout of the config; null keeps them
   * @param builder may carry adapters and the storage of frozen weights
   */
  default Model model(Backend backend, JsonNode config, Float dropout, ParameterBuilder builder) {
    return Families.create(backend, config, head(), outputs(), dropout, builder);
  }

  /**
   * How rows become sequences with targets.
   *
   * @param maxLength tokens of a sequence at most, special tokens included
   */
  RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose);

  /**
   * Computes the losses of a staged batch and, in training, leaves the gradient of their sum in the
   * model's output. {@link Staging#sumLosses} then tells their sum; on a device, ask late: it
   * waits. A step's gradient is divided by the {@linkplain #divisor divisors} of its batches.
   *
   * @param output of the model's forward
   * @param labelSmoothing of the cross-entropy, 0..1; 0 where {@link #smoothsLabels} says no
   * @return how many losses there are
   */
  int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing);

  /**
   * Makes of a packed batch what is learned and measured, before anything is asked of it: a model
   * beside the task's may write what stands there. Called once a batch.
   *
   * @param tape on which nothing is under way
   * @param staging which will be given the batch afterwards
   */
  default void prepare(Batch batch, Model model, Tape tape, Staging staging) {}

  /**
   * Whether losses are read on the host within {@link #loss}, so that the work of a step cannot be
   * recorded.
   */
  default boolean readsBack() {
    return false;
  }

  /**
   * What {@link #loss} leaves behind the losses, as many values of each as there are losses: their
   * sums, divided like the loss, are told of each step.
   */
  default List<String> stepMetrics() {
    return List.of();
  }

  /**
   * Whether the model is compared with what it was before training: then {@link
   * EncodedDataset#withReferences} gives all data the {@link SequenceLogprobs} by that.
   */
  default boolean comparesWithStart() {
    return false;
  }

  /**
   * Whether the loss means something for some data.
   *
   * @param data encoded for evaluation
   */
  default boolean hasLoss(EncodedDataset data) {
    return true;
  }

  /** Rows of a batch at most. */
  default int mostBatch() {
    return Integer.MAX_VALUE;
  }

  /** Of the rows of a training file there are so many in batches at most. */
  default long sequences(Dataset rows) {
    return rows.size();
  }

  /** Which of these are of no row, as the end of a sentence that counts them; empty: none. */
  default String aboutSequences() {
    return "";
  }

  /**
   * How labels are said in sentences that are learned too, as the option has it, given or not; null
   * where there can be none.
   */
  default String labelTemplate() {
    return null;
  }

  /**
   * Examples that a batch must have to teach anything: 2 where they are compared with each other.
   */
  default int leastBatch() {
    return 1;
  }

  /** What the summed loss of a batch is divided by for its mean: what its targets count. */
  default double divisor(Batch batch) {
    return batch.supervisedTargets();
  }

  /**
   * Examples whose sequences the model reads at a time in training, where the loss is one of a
   * batch as a whole and is to be so all the same; 0: all of a batch.
   */
  default int pieceExamples() {
    return 0;
  }

  /** Whether label smoothing means something here. */
  default boolean smoothsLabels() {
    return false;
  }

  /** The names of what a {@link Measurement} gives, in its order. */
  List<String> metricNames();

  /**
   * The same for some data, where its form decides.
   *
   * @param data encoded for evaluation
   */
  default List<String> metricNames(EncodedDataset data) {
    return metricNames();
  }

  /**
   * Starts to measure.
   *
   * @param data encoded for training or evaluation, whose batches will be added in their order
   */
  Measurement measurement(EncodedDataset data);

  /**
   * Starts to turn outputs into predictions.
   *
   * @param dataset the rows
   * @param data the same, encoded for evaluation or prediction, whose batches will be added in
   *     their order
   * @param sink hears each row's prediction, in order
   * @throws UnsupportedOperationException where models give no {@linkplain TaskType#predicts
   *     predictions}
   */
  Reading reading(Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink);

  /**
   * What the error of a {@link Judgement} is: "loss", "residual" …; null where rows are not judged
   * one by one.
   */
  default String errorName() {
    return null;
  }

  /**
   * Judges a prediction by its row.
   *
   * @param example in the form in which the task was learned
   * @return null where the row says nothing, or nothing that the model knows
   * @throws UnsupportedOperationException where there is no {@link #errorName}
   */
  default Judgement judged(Example example, Prediction prediction) {
    throw new UnsupportedOperationException(name() + " is not judged row by row");
  }

  /** Whether each row has one of the labels, so that those given can be counted by it. */
  default boolean hasOneLabel() {
    return false;
  }

  /**
   * Rows of its own that the model must read before any others, to be {@linkplain #fitting fitted}
   * to them: what stands for labels, say; null: none.
   */
  default Dataset firstRows() {
    return null;
  }

  /** Whether predictions and metrics are made of losses, which are then computed. */
  default boolean readsLosses() {
    return false;
  }

  /**
   * Whether something that stands on the model's outputs, such as a head, is fitted to the training
   * data whenever the weights are to be measured or saved.
   */
  default boolean isFitted() {
    return false;
  }

  /**
   * Starts to fit it.
   *
   * @param data the training data encoded for evaluation, or the {@linkplain #firstRows first rows}
   *     encoded for prediction, whose batches will be added in their order
   */
  default Calibration fitting(EncodedDataset data) {
    throw new UnsupportedOperationException(name() + " fits nothing");
  }

  /** Whether decisions, such as thresholds, are to be set on validation data. */
  default boolean isCalibrated() {
    return false;
  }

  /**
   * Starts to set decisions, such as thresholds, on validation data once a model is trained.
   *
   * @param data encoded for evaluation, whose batches will be added in their order
   */
  default Calibration calibration(EncodedDataset data) {
    throw new UnsupportedOperationException(name() + " decides nothing");
  }

  /**
   * States itself in a model folder, as Transformers does and beyond.
   *
   * @param outputs of config.json, or of attune.json for an adapter: id2label, problem_type …
   * @param settings of attune.json
   */
  void describe(ObjectNode outputs, ObjectNode settings);

  /**
   * A finished model with the files that others read of its task.
   *
   * @param width C
   * @param length tokens of a text at most
   */
  default FinishedModel finished(FinishedModel model, int width, int length) {
    return model;
  }
}
