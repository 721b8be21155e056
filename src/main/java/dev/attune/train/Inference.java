package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostWindow;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;

/** Runs a model over a dataset in file order, without gradients. */
public final class Inference implements AutoCloseable {
  /** Bounds of a batch: enough rows to keep every core busy, few enough to stay in cache. */
  private static final int MAX_TOKENS = 2048;

  private static final int MAX_SEQUENCES = 128;

  /** Receives each batch's logits. */
  public interface Sink {
    /**
     * @param logits (rows, cols) on the host, valid during the call
     * @param loss sum of the batch's losses, NaN where the data has no targets
     */
    void accept(Batch batch, FloatBuffer logits, int rows, int cols, double loss);
  }

  private final Staging staging;
  private final HostWindow window;

  public Inference(Backend backend) {
    this.staging = new Staging(backend);
    this.window = new HostWindow(backend);
  }

  /**
   * @param objective whose loss is wanted, or null
   * @throws InterruptedCallException if the thread is interrupted, between two batches
   */
  public void run(Model model, Tape tape, EncodedDataset data, Objective objective, Sink sink) {
    if (data.size() == 0) {
      return;
    }
    try (BatchStream batches =
        BatchStream.evaluationBatches(data, MAX_TOKENS, MAX_SEQUENCES, model.positionOffset())) {
      while (batches.hasNext()) {
        InterruptedCallException.check("running the model");
        Batch batch = batches.next();
        Inputs inputs = staging.stage(batch);
        tape.begin(false, 0);
        Tensor logits = model.forward(tape, inputs);
        double loss = Double.NaN;
        if (objective != null) {
          loss = staging.sumLosses(objective.apply(tape, model, logits, staging));
        }
        FloatBuffer values = window.read(logits.address(), logits.sizeBytes()).asFloatBuffer();
        sink.accept(batch, values, (int) logits.rows(), (int) logits.cols(), loss);
      }
    }
  }

  /** Receives what a language model made of each batch. */
  public interface TokenSink {
    /**
     * @param right how many of the learned tokens were the most probable ones
     * @param loss sum of the batch's losses
     */
    void accept(Batch batch, int right, double loss);
  }

  /** Runs a language model. */
  public void runLanguageModel(
      Model model, Tape tape, EncodedDataset data, Objective objective, TokenSink sink) {
    if (data.size() == 0) {
      return;
    }
    try (BatchStream batches =
        BatchStream.evaluationBatches(data, MAX_TOKENS, MAX_SEQUENCES, model.positionOffset())) {
      while (batches.hasNext()) {
        InterruptedCallException.check("running the model");
        Batch batch = batches.next();
        Inputs inputs = staging.stage(batch);
        tape.begin(false, 0);
        Tensor hidden = model.forward(tape, inputs);
        double loss = staging.sumLosses(objective.apply(tape, model, hidden, staging));
        sink.accept(batch, staging.countRight(), loss);
      }
    }
  }

  @Override
  public void close() {
    staging.close();
  }
}
