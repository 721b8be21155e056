package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.TargetKind;
import dev.attune.task.Task;
import dev.attune.train.Inference;
import java.nio.file.Path;
import java.util.List;

/** A model with a trained head, opened to judge texts on any number of threads. */
public final class HeadModel implements AutoCloseable {
  private final SharedModel<TrainedModel> shared;
  private final Encoder encoder;

  private HeadModel(SharedModel<TrainedModel> shared) {
    TrainedModel trained = shared.model();
    this.shared = shared;
    this.encoder = new Encoder(trained.tokenizer(), TargetKind.NONE, null, trained.maxLength(), 1);
  }

  /**
   * Opens the model in a folder.
   *
   * @param task what it must have been trained for
   */
  public static HeadModel open(
      Path folder, OpenOptions options, SharedModel.Compute compute, Task task) {
    SharedModel<TrainedModel> shared =
        SharedModel.open(
            compute,
            (backend, precision) -> TrainedModel.open(folder, options, backend, precision),
            TrainedModel::close);
    try {
      Task trained = shared.model().task();
      if (trained != task) {
        throw new InputException(
            folder + " was trained for " + trained.option() + ", not for " + task.option());
      }
      return new HeadModel(shared);
    } catch (RuntimeException e) {
      shared.close();
      throw e;
    }
  }

  /** The model's parts. */
  public TrainedModel trained() {
    return shared.model();
  }

  /** The label names in the order of the outputs; empty for regression. */
  public List<String> labels() {
    return trained().labels() == null ? List.of() : trained().labels().names();
  }

  /**
   * Runs the model over texts.
   *
   * @param sink receives the logits of each batch, on this thread
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public void run(Dataset texts, Inference.Sink sink) {
    shared.use(
        lane -> {
          EncodedDataset encoded = encoder.encode(texts);
          Data.checkVocabulary(encoded, trained().vocabularySize());
          lane.inference().run(trained().model(), lane.tape(), encoded, null, sink);
          return null;
        });
  }

  @Override
  public void close() {
    shared.close();
  }
}
