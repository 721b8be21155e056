package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.EvenPasses;
import dev.attune.batch.Packer;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostWindow;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.ModelOutput;
import dev.attune.task.Objective;
import dev.attune.task.Reading;
import dev.attune.task.Staging;
import java.nio.FloatBuffer;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/** Runs a model over a dataset in file order, without gradients. */
public final class Inference implements AutoCloseable {
  /** Bounds of a batch: enough rows to keep every core busy, few enough to stay in cache. */
  private static final int MAX_TOKENS = 2048;

  private static final int MAX_SEQUENCES = 128;

  private final Staging staging;
  private final HostWindow window;

  public Inference(Backend backend) {
    this.staging = new Staging(backend);
    this.window = new HostWindow(backend);
  }

  /**
   * Runs over all of a dataset. Starts no thread where one batch holds it.
   *
   * @param objective whose loss is wanted, or null
   * @param reading hears each batch's output, and the end
   * @throws InterruptedCallException if the thread is interrupted, between two batches
   */
  public void run(
      Model model, Tape tape, EncodedDataset data, Objective objective, Reading reading) {
    run(model, tape, data, objective, reading, () -> false);
  }

  /**
   * The same, until it is told to stop.
   *
   * @param stopRequested asked between two batches
   * @throws InterruptedCallException if it is true, or the thread is interrupted
   */
  void run(
      Model model,
      Tape tape,
      EncodedDataset data,
      Objective objective,
      Reading reading,
      BooleanSupplier stopRequested) {
    if (data.size() > 0 && data.size() <= MAX_SEQUENCES && data.tokens() <= MAX_TOKENS) {
      int[] all = IntStream.range(0, data.examples()).toArray();
      Batch batch = new Packer(data, model.positionOffset()).pack(all, new Batch());
      run(model, tape, batch, objective, reading);
    } else if (data.size() > 0) {
      try (BatchStream batches =
          BatchStream.evaluationBatches(data, MAX_TOKENS, MAX_SEQUENCES, model.positionOffset())) {
        while (batches.hasNext()) {
          InterruptedCallException.check("running the model");
          if (stopRequested.getAsBoolean()) {
            throw new InterruptedCallException("stopped while running the model");
          }
          run(model, tape, batches.next(), objective, reading);
        }
      }
    }
    reading.end();
  }

  /**
   * The same, so that what is made of an example is to the last bit the same whatever else is in
   * the dataset: {@link EvenPasses}. Copies of an example come with its index.
   */
  public void runEvenly(
      Model model, Tape tape, EncodedDataset data, Objective objective, Reading reading) {
    Packer packer = new Packer(data, model.positionOffset());
    Batch batch = new Batch();
    for (int[] pass : EvenPasses.of(data, MAX_TOKENS)) {
      InterruptedCallException.check("running the model");
      run(model, tape, packer.pack(pass, batch), objective, reading);
    }
    reading.end();
  }

  private void run(Model model, Tape tape, Batch batch, Objective objective, Reading reading) {
    if (objective != null) {
      objective.prepare(batch, model, tape, staging);
    }
    Inputs inputs = staging.stage(batch, model.batchRotaries());
    tape.begin(false);
    Tensor output = model.forward(tape, inputs);
    double loss = Double.NaN;
    int losses = 0;
    if (objective != null) {
      losses = objective.apply(tape, model, output, staging);
      loss = staging.sumLosses(losses);
    }
    reading.add(batch, new Output(batch, output, loss, losses));
  }

  /** Fetches logits when they are asked for: a language model's nobody reads. */
  private final class Output implements ModelOutput {
    private final Batch batch;
    private final Tensor tensor;
    private final double loss;
    private final int lossCount;
    private FloatBuffer logits;

    Output(Batch batch, Tensor tensor, double loss, int lossCount) {
      this.batch = batch;
      this.tensor = tensor;
      this.loss = loss;
      this.lossCount = lossCount;
    }

    @Override
    public FloatBuffer logits() {
      if (logits == null) {
        // On a device there may be more rows than the batch has, of whatever content.
        int rows = rows() < batch.rows() ? Math.min(rows(), batch.sequences()) : batch.rows();
        logits =
            FiniteOutput.checked(
                window.read(tensor.address(), tensor.sizeBytes()).asFloatBuffer(),
                (long) rows * cols());
      }
      return logits;
    }

    @Override
    public int rows() {
      return (int) tensor.rows();
    }

    @Override
    public int cols() {
      return (int) tensor.cols();
    }

    @Override
    public double loss() {
      return loss;
    }

    @Override
    public float[] losses() {
      return staging.losses(lossCount);
    }

    @Override
    public float[] lossesAnd(int values) {
      return staging.losses((1 + values) * lossCount);
    }

    @Override
    public int right() {
      return staging.countRight();
    }
  }

  @Override
  public void close() {
    staging.close();
  }
}
