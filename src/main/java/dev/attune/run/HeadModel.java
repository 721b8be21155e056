package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.task.Objective;
import dev.attune.task.Prediction;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** A model with a trained head, opened to judge rows on any number of threads. */
public final class HeadModel implements AutoCloseable {
  private final SharedModel<TrainedModel> shared;
  private final Task task;
  private final int threads;
  private final Encoder encoder;

  private HeadModel(SharedModel<TrainedModel> shared, Task task, int threads) {
    TrainedModel trained = shared.model();
    this.shared = shared;
    this.task = task;
    this.threads = threads;
    this.encoder =
        new Encoder(
            task.encoder(trained.tokenizer(), trained.maxLength(), Purpose.PREDICTION), threads);
  }

  /**
   * Opens the model in a folder.
   *
   * @param type what it must have been trained for
   */
  public static HeadModel open(Path folder, OpenOptions options, Compute compute, TaskType type) {
    SharedModel<TrainedModel> shared =
        SharedModel.open(
            compute,
            (backend, precision) -> TrainedModel.open(folder, options, backend, precision),
            TrainedModel::close);
    try {
      int threads = Backends.threads(compute.threads());
      Task task = shared.use(lane -> shared.model().ready(lane.inference(), lane.tape(), threads));
      if (!task.type().isKindOf(type)) {
        throw new InputException(
            folder + " was trained for " + task.name() + ", not for " + type.name());
      }
      return new HeadModel(shared, task, threads);
    } catch (RuntimeException e) {
      shared.close();
      throw e;
    }
  }

  /** What it was trained for. */
  public Task task() {
    return task;
  }

  /**
   * The same model, whose outputs another task of its kind reads: with other thresholds, say. To
   * close one is to close both.
   *
   * @throws IllegalStateException after {@link #close} was called
   */
  public HeadModel with(Task other) {
    return shared.hold(() -> new HeadModel(shared, other, threads));
  }

  /** The label names in the order of the outputs; empty where outputs have none. */
  public List<String> labels() {
    return task.labels() == null ? List.of() : task.labels().names();
  }

  /**
   * What the model says of rows: as many predictions, in their order.
   *
   * @param kind the task's own kind of prediction
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public <P extends Prediction> List<P> predict(Dataset rows, Class<P> kind) {
    return shared.use(
        lane -> {
          TrainedModel trained = shared.model();
          EncodedDataset encoded = encoder.encode(rows);
          Data.checkVocabulary(encoded, trained.vocabularySize());
          List<P> out = new ArrayList<>(rows.size());
          lane.inference()
              .run(
                  trained.model(),
                  lane.tape(),
                  encoded,
                  Objective.read(task),
                  task.reading(rows, encoded, (row, said) -> out.add(kind.cast(said))));
          return out;
        });
  }

  /**
   * The same, where to the last bit each prediction is what it would be alone: for rows of callers
   * that know nothing of each other.
   */
  public List<Prediction> predictEvenly(Dataset rows) {
    return shared.use(
        lane -> {
          TrainedModel trained = shared.model();
          EncodedDataset encoded = encoder.encode(rows);
          Data.checkVocabulary(encoded, trained.vocabularySize());
          Map<Example, Prediction> said = new IdentityHashMap<>();
          lane.inference()
              .runEvenly(
                  trained.model(),
                  lane.tape(),
                  encoded,
                  Objective.read(task),
                  task.reading(rows, encoded, said::put));
          List<Prediction> out = new ArrayList<>(rows.size());
          for (Example row : rows.examples()) {
            out.add(said.get(row));
          }
          return out;
        });
  }

  /** Tokens of rows, and how many of them are cut off because a text is too long. */
  public TokenCount count(Dataset rows) {
    return shared.hold(
        () -> {
          EncodedDataset encoded = encoder.encode(rows);
          return new TokenCount(encoded.tokens(), encoded.droppedTokens());
        });
  }

  /**
   * Tokens of texts.
   *
   * @param read by the model
   * @param dropped because texts are too long
   */
  public record TokenCount(long read, long dropped) {}

  /** Tokens of a text at most. */
  public int maxLength() {
    return shared.model().maxLength();
  }

  /** Bytes of the weights. */
  public long sizeBytes() {
    return shared.model().model().parameters().sizeBytes();
  }

  @Override
  public void close() {
    shared.close();
  }
}
