package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.core.Check;
import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.Recorder;
import dev.attune.kernels.Results;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import dev.attune.optim.GradientNorm;
import dev.attune.store.FiniteValues;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;
import dev.attune.tape.NonFiniteException;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.train.StepPhases.Phase;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;

/**
 * Runs training steps on a backend. What changes from step to step lies in the step block, so that
 * the work of a micro-batch (with the last one of a step: clipping and the update too) depends on
 * the counts of its rows alone. Where a backend works on while the host goes on, work that recurs
 * is recorded, and results come later than the work is asked for.
 */
final class StepRunner implements AutoCloseable {
  /** Steps that may be enqueued on a device before the oldest one's result is looked at. */
  private static final int DEVICE_LEAD = 4;

  /**
   * An optimizer update.
   *
   * @param targets of all micro-batches of the step
   * @param meanWeight what a target counts: the summed loss is divided by the product of the two
   */
  record Update(float learningRate, long targets, float meanWeight) {
    /** Of micro-batches whose divisors add up to so much: {@link Objective#divisor}. */
    static Update of(float learningRate, long targets, double divisor) {
      return targets == 0
          ? new Update(learningRate, 1, 1f)
          : new Update(learningRate, targets, (float) (divisor / targets));
    }

    double divisor() {
      return targets * (double) meanWeight;
    }
  }

  /**
   * What became of a step.
   *
   * @param loss mean over the targets, weighted where they are
   * @param gradNorm of its gradient, before clipping
   * @param metrics {@link Objective#stepMetrics}, in their order
   */
  record Result(double loss, double gradNorm, List<Double> metrics) {
    boolean isFinite() {
      return Double.isFinite(loss) && Double.isFinite(gradNorm);
    }
  }

  /** Where a step's results are: its norm, then the losses of each micro-batch. */
  private record Waiting(int slot, int[] lossCounts, double divisor) {}

  private final TrainingParts parts;
  private final Parameters parameters;
  private final Backend backend;
  private final RecordedWork recorded; // null: work runs call by call
  private final PiecewiseWork piecewise; // null: the model reads batches as a whole
  private final Buffer earlierLosses; // of a step's batches but the last; null: not wanted
  private final int lead;
  private final Staging staging;
  private final GradientNorm gradientNorm;
  private final Results results;
  private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
  private StepPhases phases = StepPhases.NONE;
  private Runnable beforeUpdate = () -> {};
  private int slot;

  // Of the step that is being put together.
  private int[] lossCounts;
  private int microBatches;
  private int postedBytes;
  private int listedRows;

  /**
   * A runner that records where the backend can: ATTUNE_CUDA_GRAPHS=0 keeps it from that.
   *
   * @throws dev.attune.core.InputException if that variable is neither 0 nor 1
   */
  static StepRunner of(TrainingParts parts) {
    String graphs = System.getenv().getOrDefault("ATTUNE_CUDA_GRAPHS", "1");
    Check.input(
        graphs.equals("0") || graphs.equals("1"),
        "ATTUNE_CUDA_GRAPHS is '%s'; allowed are 0 and 1",
        graphs);
    return new StepRunner(parts, graphs.equals("1"));
  }

  /**
   * @param asked whether work that recurs is recorded where the backend can; else it runs call by
   *     call
   */
  StepRunner(TrainingParts parts, boolean asked) {
    this.parts = parts;
    this.parameters = parts.parameters();
    this.backend = parameters.backend();
    Recorder recorder = backend.recorder();
    boolean records =
        asked
            && !parts.tape().checksNumerics()
            && !parts.objective().readsBack()
            && parts.shared() == null;
    this.recorded = recorder != null && records ? new RecordedWork(recorder, parameters) : null;
    this.lead = recorder == null ? 0 : DEVICE_LEAD;
    this.staging = new Staging(backend);
    GradientNorm norm = null;
    PiecewiseWork pieces = null;
    Buffer earlier = null;
    try {
      staging.reserve(
          parts.maxRows(), parts.maxSequences(), parts.targets(), parts.model().batchRotaries());
      norm = new GradientNorm(parameters);
      int examples = parts.objective().pieceExamples();
      pieces = examples == 0 ? null : new PiecewiseWork(parts, examples, parts.columns());
      if (parts.shared() != null && parts.microBatches() > 1) {
        earlier = Buffer.allocate(backend, resultBytes(), false, "the losses of a step");
      }
      backend.run(new StepCall.Reset());
      this.results = backend.results(lead + 1, resultBytes());
    } catch (RuntimeException e) {
      staging.close();
      if (norm != null) {
        norm.close();
      }
      if (pieces != null) {
        pieces.close();
      }
      if (earlier != null) {
        earlier.close();
      }
      throw e;
    }
    this.gradientNorm = norm;
    this.earlierLosses = earlier;
    this.piecewise = pieces;
    begin();
  }

  /** Of a step: its norm, and the losses of all its micro-batches. */
  private int resultBytes() {
    int maxLosses =
        Staging.lossCapacity(
            backend.paddedRows(parts.maxRows()),
            parts.maxSequences() + backend.fillingSequences(),
            parts.targets().width());
    return Math.toIntExact(Double.BYTES + (long) parts.microBatches() * maxLosses * Float.BYTES);
  }

  /** Tells somebody what it is at. */
  void tell(StepPhases listener) {
    phases = listener;
  }

  /** Asks somebody before each update, who may let it wait. */
  void beforeUpdates(Runnable asked) {
    beforeUpdate = asked;
  }

  private void begin() {
    lossCounts = new int[parts.microBatches()];
    microBatches = 0;
    postedBytes = Double.BYTES;
    listedRows = 0;
  }

  /** Makes of a batch what {@link #run} takes: see {@link Objective#prepare}. */
  void prepare(Batch batch) {
    parts.objective().prepare(batch, parts.model(), parts.tape(), staging);
  }

  /** Runs a batch of each kind that a step has: only the first can borrow memory of gradients. */
  void rehearse(Batch batch) {
    if (parts.microBatches() > 1) {
      prepare(batch);
      run(batch, 0, null);
    }
    prepare(batch);
    run(batch, 1, Update.of(0f, 1, 1));
  }

  /**
   * Forward and backward of a micro-batch and, with the last one of a step, the update: unless a
   * loss or a gradient is not finite.
   *
   * @param microStep keys the dropout masks; different for every micro-batch
   * @param update null where more micro-batches follow
   * @return product FLOPs of the micro-batch
   */
  long run(Batch batch, long microStep, Update update) {
    phases.enter(Phase.FORWARD);
    Inputs inputs = staging.stage(batch, parts.model().batchRotaries());
    int sparseRows = mark(batch, inputs, update != null);
    long streamBase = Philox.stream(microStep, 0);
    if (parts.shared() == null) {
      announce(streamBase, update);
    }
    RecordedWork.Work work;
    if (parts.shared() != null) {
      work = together(inputs, streamBase, update);
    } else if (piecewise != null && piecewise.isFor(batch)) {
      work = piecewise.run(batch, microStep, staging);
      if (update != null) {
        update(sparseRows);
      }
    } else {
      work = asWhole(inputs, sparseRows, update);
    }
    int lossBytes = work.losses() * (1 + metrics()) * Float.BYTES;
    results.post(slot, postedBytes, staging.losses(), lossBytes);
    postedBytes += lossBytes;
    lossCounts[microBatches++] = work.losses();
    if (update != null) {
      finish(update);
    }
    return work.flops();
  }

  /** Puts what the kernels of a step read into the step block. */
  private void announce(long streamBase, Update update) {
    backend.run(new StepCall.StreamBase(streamBase));
    if (update != null) {
      parts.optimizer().announce(update.learningRate(), update.targets(), update.meanWeight());
    }
  }

  /**
   * Forward and backward with those of other jobs, which leave the step block theirs: it becomes
   * this job's for the update, with all that would have stopped it by then.
   */
  private RecordedWork.Work together(Inputs inputs, long streamBase, Update update) {
    RecordedWork.Work work =
        parts
            .shared()
            .run(
                new SharedPass.Part(
                    parts.model(), parts.objective(), staging, inputs, parts.seed(), streamBase));
    long earlier = postedBytes - Double.BYTES;
    if (update == null) {
      backend.run(
          new CopyCall(
              earlierLosses.address() + earlier,
              staging.losses(),
              (long) work.losses() * Float.BYTES));
      return work;
    }
    backend.run(new StepCall.Reset());
    announce(streamBase, update);
    if (earlier > 0) {
      backend.run(new StepCall.Watch(earlierLosses.address(), earlier / Float.BYTES));
    }
    backend.run(new StepCall.Watch(staging.losses(), work.losses()));
    update(0);
    return work;
  }

  /** How many values are told beside each loss. */
  private int metrics() {
    return parts.objective().stepMetrics().size();
  }

  private RecordedWork.Work asWhole(Inputs inputs, int sparseRows, Update update) {
    if (recorded != null && update != null) {
      beforeUpdate.run(); // not within what is recorded
    }
    return recorded == null
        ? work(inputs, sparseRows, update != null)
        : recorded.run(
            new RecordedWork.Counts(
                inputs.sequences(),
                inputs.rows(),
                inputs.maxLength(),
                staging.learnedRowCount(),
                sparseRows,
                microBatches == 0,
                update != null),
            () -> work(inputs, sparseRows, update != null));
  }

  /** Notes the rows of the word embedding that will have a gradient; returns their number. */
  private int mark(Batch batch, Inputs inputs, boolean updates) {
    RowSparse sparse = parameters.rowSparse();
    if (sparse == null) {
      return 0;
    }
    sparse.mark(batch.uniqueIds(), batch.uniqueCount());
    listedRows += Math.toIntExact(inputs.rows());
    return updates ? sparse.publish(recorded == null ? 0 : listedRows) : 0;
  }

  /** Nothing here may depend on what differs between batches of the same counts. */
  private RecordedWork.Work work(Inputs inputs, int sparseRows, boolean updates) {
    Tape tape = parts.tape();
    tape.begin(true);
    tape.borrow(parameters.layerGradients());
    Tensor output = parts.model().forward(tape, inputs);
    int losses = parts.objective().apply(tape, parts.model(), output, staging);
    tape.checkNumerics("the loss", "rows", staging.losses(), losses, 1);
    backend.run(new StepCall.Watch(staging.losses(), losses));
    phases.enter(Phase.BACKWARD);
    tape.backward();
    if (updates) {
      update(sparseRows);
    }
    return new RecordedWork.Work(losses, tape.flops());
  }

  private void update(int sparseRows) {
    if (recorded == null) {
      beforeUpdate.run();
    }
    phases.enter(Phase.OPTIMIZER);
    parameters.zeroUnwritten();
    if (parts.tape().checksNumerics()) {
      checkGradients();
    }
    gradientNorm.clip(sparseRows, parts.maxGradNorm());
    parts.optimizer().step();
    parameters.forgetWritten();
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().zeroGradients(sparseRows);
    }
  }

  /** The gradients of activations were looked at on the way; this is what became of them. */
  private void checkGradients() {
    FiniteValues.badGradient(parameters)
        .ifPresent(
            name -> {
              throw new NonFiniteException(
                  "the gradient of " + name + " holds the first values that are not finite");
            });
  }

  /**
   * After a result that was not finite, whose step has changed nothing: updates go on with the next
   * step, and count as if there had been none.
   */
  void skip() {
    backend.run(new StepCall.Reset());
    parts.optimizer().restore(parts.optimizer().steps() - 1);
  }

  private void finish(Update update) {
    parameters.changed();
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().endStep();
    }
    results.post(slot, 0, gradientNorm.address(), Double.BYTES);
    results.seal(slot);
    waiting.add(new Waiting(slot, lossCounts, update.divisor()));
    slot = (slot + 1) % (lead + 1);
    begin();
  }

  /** How many steps' results may be left waiting, so that a device never does. */
  int lead() {
    return lead;
  }

  /** The result of the oldest step that was not asked for yet. Waits for it. */
  Result result() {
    Waiting oldest = waiting.remove();
    ByteBuffer bytes = results.await(oldest.slot());
    double[] sums = new double[1 + metrics()];
    int at = Double.BYTES;
    for (int losses : oldest.lossCounts()) {
      for (int value = 0; value < sums.length; value++) {
        double ofBatch = 0;
        for (int i = 0; i < losses; i++, at += Float.BYTES) {
          ofBatch += bytes.getFloat(at);
        }
        sums[value] += ofBatch;
      }
    }
    List<Double> means = Arrays.stream(sums).map(sum -> sum / oldest.divisor()).boxed().toList();
    return new Result(means.get(0), bytes.getDouble(0), means.subList(1, means.size()));
  }

  /** How many recordings there are. */
  int recordings() {
    return recorded == null ? 0 : recorded.count();
  }

  /** The random streams of ops are again what their callers say. */
  @Override
  public void close() {
    try {
      backend.run(new StepCall.Reset());
    } catch (BackendException e) {
      // The device has failed, as who used it last has been told.
    }
    results.close();
    if (recorded != null) {
      recorded.close();
    }
    if (piecewise != null) {
      piecewise.close();
    }
    staging.close();
    if (earlierLosses != null) {
      earlierLosses.close();
    }
    gradientNorm.close();
  }
}
