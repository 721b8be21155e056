package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.core.Philox;
import dev.attune.kernels.DeviceStep;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import dev.attune.optim.GradientNorm;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Steps on a device that works while the host goes on. The work of a micro-batch (with the last one
 * of a step: clipping and the update too) depends on the counts of its rows alone; it runs call by
 * call when such counts occur for the first time, is recorded the second time, and is one launch
 * from then on. Same kernels, same order, same numbers, either way.
 */
final class DeviceSteps implements StepRunner {
  /** Steps that may be enqueued before the oldest one's result is looked at. */
  private static final int LEAD = 4;

  /** Graphs that are kept; the one that was not used for the longest time goes first. */
  private static final int MAX_UNITS = 64;

  /** What the recorded work depends on, besides addresses. */
  private record Counts(
      long sequences,
      long rows,
      long maxLength,
      int learned,
      int sparseRows,
      boolean first,
      boolean updates) {}

  /** A unit of work, and what the host knows after it ran. */
  private static final class Unit {
    DeviceStep.Graph graph;
    boolean ran;
    boolean[] written;
    long flops;
    int losses;

    void close() {
      if (graph != null) {
        graph.close();
      }
    }
  }

  /** Where a step's results are: losses of {@code lossCount} rows, then its norm. */
  private record Waiting(int slot, int lossCount, long targets) {}

  private final TrainingParts parts;
  private final Parameters parameters;
  private final DeviceStep device;
  private final boolean graphs;
  private final Staging staging;
  private final GradientNorm gradientNorm;
  private final Buffer norm;
  private final DeviceStep.Results results;
  private final Map<Counts, Unit> units = new LinkedHashMap<>(16, 0.75f, true);
  private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
  private int slot;

  // Of the step that is being put together.
  private int microBatches;
  private int lossCount;
  private int listedRows;

  /**
   * @param graphs whether work that recurs is recorded; else it runs call by call
   */
  DeviceSteps(TrainingParts parts, boolean graphs) {
    this.parts = parts;
    this.parameters = parts.parameters();
    this.device = parameters.backend().deviceStep();
    this.graphs = graphs;
    this.staging = new Staging(parameters.backend());
    staging.reserve(parts.maxRows(), parts.maxSequences(), parts.targets());
    this.gradientNorm = new GradientNorm(parameters);
    this.norm = Buffer.allocate(parameters.backend(), Double.BYTES, false, "the gradient's norm");
    int maxLosses =
        Math.max(parameters.backend().paddedRows(parts.maxRows()), 2 * parts.maxSequences());
    int slotBytes =
        Math.toIntExact(Double.BYTES + (long) parts.microBatches() * maxLosses * Float.BYTES);
    this.results = device.results(LEAD + 1, slotBytes);
    device.reset();
  }

  @Override
  public long run(Batch batch, long microStep, Update update) {
    Inputs inputs = staging.stage(batch);
    RowSparse sparse = parameters.rowSparse();
    int sparseRows = 0;
    if (sparse != null) {
      sparse.mark(batch.uniqueIds(), batch.uniqueCount());
      listedRows += Math.toIntExact(inputs.rows());
      if (update != null) {
        sparseRows = sparse.publishPadded(listedRows);
      }
    }
    announce(microStep, update);
    Unit unit =
        unit(
            new Counts(
                inputs.sequences(),
                inputs.rows(),
                inputs.maxLength(),
                staging.learnedRowCount(),
                sparseRows,
                microBatches == 0,
                update != null));
    runOrLaunch(unit, inputs, sparseRows, update != null);
    microBatches++;
    results.post(
        slot, Double.BYTES + lossCount * Float.BYTES, staging.losses(), unit.losses * Float.BYTES);
    lossCount += unit.losses;
    if (update != null) {
      finish(update, sparse);
    }
    return unit.flops;
  }

  private void announce(long microStep, Update update) {
    long streams = Philox.stream(microStep, 0);
    if (update == null) {
      device.set(streams, 0f, 1f, 1f, 1f); // only the masks are of interest yet
    } else {
      parts.optimizer().announce(device, streams, update.learningRate(), 1f / update.targets());
    }
  }

  private Unit unit(Counts counts) {
    Unit unit = units.computeIfAbsent(counts, key -> new Unit());
    if (units.size() > MAX_UNITS) {
      var oldest = units.values().iterator();
      oldest.next().close();
      oldest.remove();
    }
    return unit;
  }

  private void runOrLaunch(Unit unit, Inputs inputs, int sparseRows, boolean updates) {
    if (unit.graph == null && unit.ran && graphs) {
      parameters.changed(); // what derives from them must be part of the recording
      unit.graph = device.capture(() -> work(unit, inputs, sparseRows, updates));
      unit.written = parameters.writtenGradients();
    }
    if (unit.graph == null) {
      work(unit, inputs, sparseRows, updates);
      unit.ran = true;
    } else {
      unit.graph.launch();
      parameters.restoreWritten(unit.written);
    }
  }

  /** Nothing here may depend on what differs between batches of the same counts. */
  private void work(Unit unit, Inputs inputs, int sparseRows, boolean updates) {
    Tape tape = parts.tape();
    tape.begin(true, 0); // the step's share of the random streams is added on the device
    Tensor output = parts.model().forward(tape, inputs);
    unit.losses = parts.objective().apply(tape, parts.model(), output, staging);
    device.watch(staging.losses(), unit.losses);
    tape.backward();
    unit.flops = tape.flops();
    if (updates) {
      parameters.zeroUnwritten();
      gradientNorm.enqueue(sparseRows);
      device.clip(
          gradientNorm.sumsAddress(),
          gradientNorm.sumCount(),
          (float) parts.maxGradNorm(),
          norm.address());
      parts.optimizer().stepOn(device);
      parameters.forgetWritten();
      if (parameters.rowSparse() != null) {
        parameters.rowSparse().zeroGradients(sparseRows);
      }
    }
  }

  private void finish(Update update, RowSparse sparse) {
    parameters.changed();
    if (sparse != null) {
      sparse.endStep();
    }
    results.post(slot, 0, norm.address(), Double.BYTES);
    results.seal(slot);
    waiting.add(new Waiting(slot, lossCount, update.targets()));
    slot = (slot + 1) % (LEAD + 1);
    microBatches = 0;
    lossCount = 0;
    listedRows = 0;
  }

  @Override
  public int lead() {
    return LEAD;
  }

  @Override
  public Result result() {
    Waiting oldest = waiting.remove();
    ByteBuffer bytes = results.await(oldest.slot());
    double sum = 0;
    for (int i = 0; i < oldest.lossCount(); i++) {
      sum += bytes.getFloat(Double.BYTES + i * Float.BYTES);
    }
    return new Result(sum / oldest.targets(), bytes.getDouble(0));
  }

  /** Graphs that are recorded. */
  int recorded() {
    return (int) units.values().stream().filter(unit -> unit.graph != null).count();
  }

  @Override
  public void close() {
    device.end();
    results.close();
    units.values().forEach(Unit::close);
    norm.close();
    staging.close();
    gradientNorm.close();
  }
}
