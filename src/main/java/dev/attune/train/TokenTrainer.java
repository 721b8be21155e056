package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.GradientNorm;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.task.TokenLoss;
import dev.attune.task.TokenObjective;
import dev.attune.task.TokenRow;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The two halves of a step, for whoever writes the loop himself: gradients, which add up, and the
 * update by them. One thread uses it at a time.
 */
public final class TokenTrainer implements AutoCloseable {
  /** Rows that the model reads at a time, but for an example that has more. */
  private static final int MOST_ROWS = 4096;

  /**
   * What an update did.
   *
   * @param steps updates so far
   * @param gradNorm before clipping
   */
  public record Update(long steps, double gradNorm) {}

  private final Model model;
  private final Parameters parameters;
  private final Backend backend;
  private final Tape tape;
  private final AdamW optimizer;
  private final Staging staging;
  private final GradientNorm gradientNorm;
  private final Batch batch = new Batch();
  private long microStep; // keys the dropout masks
  private long steps;
  private int pending; // calls whose gradients wait for an update

  /**
   * @param model a language model with its weights loaded and adapters, which alone are trained;
   *     the caller closes it
   * @param tape in the precision wanted; the caller closes it, and may use it between calls
   */
  public TokenTrainer(Model model, Tape tape) {
    this.model = model;
    this.parameters = model.parameters();
    this.backend = parameters.backend();
    this.tape = tape;
    Check.argument(parameters.rowSparseEnd() == 0, "the word embedding is to be frozen");
    parameters.enableTraining();
    parameters.prepare(tape.dtype());
    this.optimizer = new AdamW(parameters, AdamW.Config.withDecay(0f));
    this.staging = new Staging(backend);
    try {
      this.gradientNorm = new GradientNorm(parameters);
    } catch (RuntimeException e) {
      optimizer.close();
      staging.close();
      throw e;
    }
    backend.run(new StepCall.Reset());
  }

  /**
   * Adds the gradient of a loss to those that wait for {@link #step}.
   *
   * @throws InputException if an example is wrong: nothing has changed then
   * @throws DivergedException if the loss is not finite: no gradient waits any more then
   */
  public TokenObjective.Found forwardBackward(List<TokenRow> rows, TokenLoss loss) {
    return run(rows, loss, true);
  }

  /** The same without a gradient, and without dropout. */
  public TokenObjective.Found forward(List<TokenRow> rows, TokenLoss loss) {
    return run(rows, loss, false);
  }

  private TokenObjective.Found run(List<TokenRow> rows, TokenLoss loss, boolean training) {
    Check.input(!rows.isEmpty(), "there are no examples");
    TokenObjective objective = new TokenObjective(loss, rows);
    EncodedDataset data = objective.data((int) model.vocabulary().rows(), model.maxLength());
    long before = microStep;
    double sum = 0;
    List<float[]> logprobs = new ArrayList<>();
    try {
      for (int first = 0; first < rows.size(); ) {
        int end = first + 1;
        int tokens = data.length(first);
        while (end < rows.size() && tokens + data.length(end) <= MOST_ROWS) {
          tokens += data.length(end++);
        }
        int[] group = IntStream.range(first, end).toArray();
        TokenObjective.Found found = run(data, group, objective, training);
        sum += found.loss();
        logprobs.addAll(found.logprobs());
        first = end;
      }
      if (!Double.isFinite(sum)) {
        throw new DivergedException("the loss is " + sum);
      }
    } catch (RuntimeException | Error e) {
      drop(training);
      microStep = before;
      throw e;
    }
    pending += training ? 1 : 0;
    return new TokenObjective.Found(sum, logprobs);
  }

  private TokenObjective.Found run(
      EncodedDataset data, int[] group, TokenObjective objective, boolean training) {
    new Packer(data, model.positionOffset()).pack(group, batch);
    Inputs inputs = staging.stage(batch, model.batchRotaries());
    if (training) {
      backend.run(new StepCall.StreamBase(Philox.stream(microStep++, 0)));
    }
    tape.begin(training);
    Tensor output = model.forward(tape, inputs);
    TokenObjective.Found found = objective.apply(tape, model, output, staging);
    if (training) {
      tape.backward();
    }
    return found;
  }

  /** Of a call that failed some gradients may be there and others not. */
  private void drop(boolean training) {
    if (training) {
      parameters.forgetWritten();
      pending = 0;
    }
  }

  /**
   * Computes the largest passes that examples of so many tokens at the most lead to, and an update:
   * to see what they take. What was trained is worth nothing after it.
   */
  public void rehearse(int length) {
    List<TokenRow> rows =
        new ArrayList<>(Collections.nCopies(MOST_ROWS / length, rehearsed(length)));
    int left = rows.isEmpty() ? length : MOST_ROWS % length;
    if (left > 0) {
      rows.add(rehearsed(left));
    }
    forwardBackward(rows, new TokenLoss(TokenLoss.Kind.CROSS_ENTROPY, 0));
    forwardBackward(rows, new TokenLoss(TokenLoss.Kind.IMPORTANCE_SAMPLING, 0));
    step(AdamW.Config.withDecay(0f), 1, 1);
  }

  private static TokenRow rehearsed(int length) {
    float[] zeros = new float[length];
    return new TokenRow(new int[length], new int[length], zeros, zeros, zeros);
  }

  /** Calls whose gradients wait for an update. */
  public int pending() {
    return pending;
  }

  /** Updates so far. */
  public long steps() {
    return steps;
  }

  /**
   * Updates the weights by the gradients that have added up, as they are.
   *
   * @param config its numbers; moments are f32
   * @param maxGradNorm bound on their norm; 0: none
   * @throws IllegalStateException if there are none
   * @throws DivergedException if their norm is not finite: the weights are as they were, and no
   *     gradient waits any more
   */
  public Update step(AdamW.Config config, double learningRate, double maxGradNorm) {
    Check.state(pending > 0, "there is no gradient: forwardBackward comes first");
    optimizer.become(config);
    parameters.zeroUnwritten();
    optimizer.announce((float) learningRate, 1);
    gradientNorm.clip(0, maxGradNorm);
    optimizer.step();
    parameters.forgetWritten();
    parameters.changed();
    pending = 0;
    double norm = norm();
    if (!Double.isFinite(norm)) {
      backend.run(new StepCall.Reset());
      optimizer.restore(steps);
      throw new DivergedException("the norm of the gradients is " + norm);
    }
    steps++;
    return new Update(steps, norm);
  }

  private double norm() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.nativeOrder());
    backend.download(bytes.duplicate(), gradientNorm.address());
    return bytes.getDouble(0);
  }

  /** What a checkpoint holds, by name. */
  public Map<String, Buffer> buffers() {
    Map<String, Buffer> buffers = new LinkedHashMap<>();
    buffers.put("weights", parameters.weights());
    buffers.putAll(new TreeMap<>(optimizer.state()));
    return buffers;
  }

  /** Batches that gradients were taken of so far: what keys the next dropout masks. */
  public long microSteps() {
    return microStep;
  }

  /** Goes on from a checkpoint, whose buffers the caller has loaded into {@link #buffers}. */
  public void restore(long savedSteps, long savedMicroSteps) {
    steps = savedSteps;
    microStep = savedMicroSteps;
    drop(true);
    optimizer.restore(steps);
    parameters.refresh();
  }

  @Override
  public void close() {
    try {
      backend.run(new StepCall.Reset());
    } catch (BackendException e) {
      // The device has failed, as who used it last has been told.
    }
    staging.close();
    gradientNorm.close();
    optimizer.close();
  }
}
