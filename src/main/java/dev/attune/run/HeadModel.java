package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.task.Purpose;
import dev.attune.task.Reading;
import dev.attune.task.TaskType;
import java.nio.file.Path;
import java.util.List;

/** A model with a trained head, opened to judge texts on any number of threads. */
public final class HeadModel implements AutoCloseable {
  private final SharedModel<TrainedModel> shared;
  private final Encoder encoder;

  private HeadModel(SharedModel<TrainedModel> shared, int threads) {
    TrainedModel trained = shared.model();
    this.shared = shared;
    this.encoder =
        new Encoder(
            trained.task().encoder(trained.tokenizer(), trained.maxLength(), Purpose.PREDICTION),
            threads);
  }

  /**
   * Opens the model in a folder.
   *
   * @param task what it must have been trained for
   */
  public static HeadModel open(
      Path folder, OpenOptions options, SharedModel.Compute compute, TaskType task) {
    SharedModel<TrainedModel> shared =
        SharedModel.open(
            compute,
            (backend, precision) -> TrainedModel.open(folder, options, backend, precision),
            TrainedModel::close);
    try {
      TaskType trained = shared.model().task().type();
      if (trained != task) {
        throw new InputException(
            folder + " was trained for " + trained.name() + ", not for " + task.name());
      }
      return new HeadModel(shared, Backends.threads(compute.threads()));
    } catch (RuntimeException e) {
      shared.close();
      throw e;
    }
  }

  /** The model's parts. */
  public TrainedModel trained() {
    return shared.model();
  }

  /** The label names in the order of the outputs; empty where these have none. */
  public List<String> labels() {
    return trained().labels() == null ? List.of() : trained().labels().names();
  }

  /**
   * Runs the model over texts.
   *
   * @param reading hears the outputs of each batch, on this thread
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public void run(Dataset texts, Reading reading) {
    shared.use(
        lane -> {
          EncodedDataset encoded = encoder.encode(texts);
          Data.checkVocabulary(encoded, trained().vocabularySize());
          lane.inference().run(trained().model(), lane.tape(), encoded, null, reading);
          return null;
        });
  }

  @Override
  public void close() {
    shared.close();
  }
}
