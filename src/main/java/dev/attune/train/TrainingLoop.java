package dev.attune.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Order;
import dev.attune.batch.TrainingData;
import dev.attune.batch.WholeDataset;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.memory.Buffer;
import dev.attune.model.Model;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.store.Parameters;
import dev.attune.tape.NonFiniteException;
import dev.attune.tape.Tape;
import dev.attune.task.Objective;
import dev.attune.task.Task;
import dev.attune.train.StepPhases.Phase;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** The training loop. */
public final class TrainingLoop implements AutoCloseable {
  private static final String ROW_STATE = "row_state";

  /** Of the buffers of a checkpoint, those that a batch changes. */
  private static final Set<String> FLEETING = Set.of(ROW_STATE);

  private final Task task;
  private final Model model;
  private final Parameters parameters;
  private final Optimizer optimizer;
  private final TrainerConfig config;
  private final TrainingData data;
  private final Validation validation;
  private final Tape tape;
  private final StepRunner runner;
  private final Deque<Pending> pending = new ArrayDeque<>();
  private final Schedule schedule;
  private final NumericalGuard guard;
  private final LossSpikes spikes = new LossSpikes();
  private final long totalSteps;
  private final long stepsPerEpoch; // 0: not known
  private Throughput throughput = new Throughput();
  private StepPhases phases = StepPhases.NONE;
  private TrainState state = new TrainState();

  private long completedNanos = Long.MIN_VALUE;

  /** A step that was asked for. */
  private record Pending(
      long step,
      double epoch,
      float learningRate,
      long beginNanos,
      long tokens,
      long examples,
      long flops) {}

  /** Learns from data that are all tokenised: see the other constructor. */
  public TrainingLoop(
      Task task,
      Model model,
      Optimizer optimizer,
      Tape tape,
      EncodedDataset data,
      Evaluator evaluator,
      TrainerConfig config) {
    this(task, model, optimizer, tape, new WholeDataset(data), evaluator, config);
  }

  /**
   * @param task what is learned
   * @param model with its weights loaded; the caller closes it
   * @param optimizer over the model's parameters; the caller closes it
   * @param tape in the run's precision; the caller closes it
   * @param data what to learn
   * @param evaluator measures on validation data, or null
   */
  public TrainingLoop(
      Task task,
      Model model,
      Optimizer optimizer,
      Tape tape,
      TrainingData data,
      Evaluator evaluator,
      TrainerConfig config) {
    this(task, model, optimizer, tape, data, evaluator, config, null);
  }

  /**
   * The same, whose batches go forward and backward with those of other jobs.
   *
   * @param shared null: alone
   */
  public TrainingLoop(
      Task task,
      Model model,
      Optimizer optimizer,
      Tape tape,
      TrainingData data,
      Evaluator evaluator,
      TrainerConfig config,
      SharedPass.Job shared) {
    this.task = task;
    this.model = model;
    this.parameters = model.parameters();
    this.optimizer = optimizer;
    this.tape = tape;
    this.data = data;
    this.config = config;
    this.guard = new NumericalGuard(parameters, config.guards());
    long batches = data.batchesPerEpoch(config.batchSize());
    this.stepsPerEpoch = config.stepsPerEpoch(batches);
    this.totalSteps = config.totalSteps(batches);
    this.schedule = config.rates().over(totalSteps);
    this.validation = new Validation(evaluator, config.evaluations(), schedule);
    tape.useNumericsCheck(config.guards().checksNumerics());
    this.runner =
        StepRunner.of(
            new TrainingParts(
                model,
                optimizer,
                tape,
                new Objective(task, (float) config.labelSmoothing()),
                config.maxGradNorm(),
                data.rowCapacity(config.batchSize()),
                data.sequenceCapacity(config.batchSize()),
                data.layout(),
                data.columns(),
                // A step ends with its epoch.
                batches == 0
                    ? config.gradientAccumulationSteps()
                    : (int) Math.min(config.gradientAccumulationSteps(), batches),
                config.seed(),
                shared));
  }

  /**
   * Takes the memory of a step of such batches, on a backend that computes nothing: all that a step
   * changes is meaningless after it.
   */
  public void rehearse(Batch batch) {
    runner.rehearse(batch);
  }

  /** Tells somebody what it is at, from the next step on. */
  public void tell(StepPhases listener) {
    phases = listener;
    runner.tell(listener);
  }

  /** The buffers that a checkpoint holds, by name: weights, optimizer state, row states. */
  public Map<String, Buffer> buffers() {
    Map<String, Buffer> buffers = new LinkedHashMap<>();
    buffers.put("weights", parameters.weights());
    buffers.putAll(new java.util.TreeMap<>(optimizer.state()));
    if (parameters.rowSparse() != null) {
      buffers.put(ROW_STATE, parameters.rowSparse().stateBuffer());
    }
    return buffers;
  }

  /**
   * Goes on from a checkpoint, whose buffers the caller has loaded into {@link #buffers}. A run
   * that had stopped early stays so, unless it has become longer: then its patience begins anew.
   *
   * @param lacksBest whether the best weights that it speaks of are lost: the search begins anew
   * @return whether it goes on though it had stopped early
   */
  public boolean resume(JsonNode saved, boolean lacksBest) {
    state = TrainState.fromJson(saved);
    if (lacksBest) {
      state.forgetBest();
    }
    boolean goesOn = state.stoppedEarly && totalSteps > state.totalSteps;
    if (goesOn) {
      state.stoppedEarly = false;
      state.evaluationsSinceBest = 0;
    }
    validation.restoreRate(state, config.rates().kind());
    optimizer.restore(state.step - state.skipped);
    parameters.refresh();
    return goesOn;
  }

  /**
   * Trains to the end of the run. Once it was stopped on request, another call goes on from there,
   * with rates of its own.
   *
   * @param checkpoints where to save; null only if nothing is to be saved
   * @param stopRequested asked after every step, and between batches of an evaluation; true saves a
   *     checkpoint and returns
   * @throws DivergedException if the loss, its gradient or a weight stops being finite: nothing of
   *     that is saved
   */
  public TrainResult run(
      TrainListener listener, CheckpointSink checkpoints, BooleanSupplier stopRequested) {
    throughput = new Throughput();
    int epochs =
        stepsPerEpoch == 0
            ? Integer.MAX_VALUE
            : (int) ((totalSteps + stepsPerEpoch - 1) / stepsPerEpoch);
    boolean interrupted = false;
    Map<String, Double> evaluation = Map.of();
    long evaluatedAt = -1;
    Order order = config.shuffle() ? Order.shuffled(config.seed()) : Order.file();
    Saving saving = new Saving(checkpoints, listener, phases, FLEETING);
    runner.beforeUpdates(saving::beforeUpdate);
    if (checkpoints != null && savesOnTheWay()) {
      checkpoints.expect(buffers());
    }
    try (BatchStream stream =
        data.batches(order, config.batchSize(), epochs, state.cursor, model.positionOffset())) {
      while (!state.stoppedEarly && (state.step < totalSteps || state.evaluationDue)) {
        boolean ranOut = false;
        if (!state.evaluationDue) {
          interrupted = !stream.await(stopRequested);
          ranOut = !interrupted && !stream.hasNext();
          if (ranOut) {
            endsEarly(listener);
            state.evaluationDue = validation.isThere() && evaluatedAt != state.step;
          } else if (!interrupted) {
            boolean endsEpoch = step(stream, stopRequested);
            state.evaluationDue = validation.isDue(state.step, endsEpoch, state.step == totalSteps);
          }
          tell(listener);
        }
        boolean last = ranOut || state.step == totalSteps;
        boolean saveIsDue =
            config.saveSteps() > 0 && state.step > 0 && state.step % config.saveSteps() == 0;
        boolean waits = state.evaluationDue || saveIsDue || last;
        // What a device ran ahead of a step that is skipped would be skipped with it.
        completeUntil(waits || config.guards().skipsNonFinite() ? 0 : runner.lead(), listener);
        if (waits) {
          guard.checkWeights(state.step);
        }
        saving.settle(waits);
        if (state.evaluationDue) {
          phases.enter(Phase.EVALUATION);
          Optional<Map<String, Double>> values = validation.evaluate(model, tape, stopRequested);
          interrupted |= values.isEmpty();
          if (values.isPresent()) {
            evaluation = values.get();
            evaluatedAt = state.step;
            note(evaluation, listener, checkpoints);
          }
        }
        interrupted |= !last && !state.stoppedEarly && stopRequested.getAsBoolean();
        if (interrupted) {
          completeUntil(0, listener);
          guard.checkWeights(state.step);
          saving.settle(true);
        }
        boolean ends = last || state.stoppedEarly;
        boolean stops = interrupted && state.step > 0;
        if (checkpoints != null && (stops || (ends ? checkpoints.savesLast() : saveIsDue))) {
          saving.save(state.step, checkpointState(), buffers(), interrupted, interrupted || ends);
        }
        if (interrupted || ranOut) {
          break;
        }
      }
    }
    phases.enter(null);
    saving.settle(true);
    if (!interrupted) {
      listener.onTrained();
    }
    boolean endsWithBest = config.evaluations().keepsBest();
    if (validation.isThere() && !interrupted) {
      boolean takesBest = endsWithBest && state.bestStep > 0 && state.bestStep != state.step;
      if (takesBest) {
        endsWithBest = checkpoints.loadBest(parameters.weights());
        takesBest = endsWithBest;
        parameters.refresh();
      }
      // A run that was resumed at its end has not evaluated these weights either.
      if (takesBest || evaluatedAt != state.step) {
        evaluation = validation.evaluate(model, tape);
      }
    }
    return new TrainResult(
        state.step,
        state.skipped,
        epoch(),
        state.step == state.skipped ? Double.NaN : state.lossSum / (state.step - state.skipped),
        evaluation,
        state.tokens,
        throughput.tokensPerSecond(),
        throughput.examplesPerSecond(),
        throughput.flopsPerSecond(),
        interrupted,
        state.stoppedEarly,
        state.bestStep,
        endsWithBest,
        tape.arena().highWaterBytes());
  }

  /** Whether a step before the last one is to be saved. */
  private boolean savesOnTheWay() {
    long every = config.saveSteps();
    return every > 0 && (state.step / every + 1) * every < totalSteps;
  }

  private ObjectNode checkpointState() {
    state.totalSteps = totalSteps;
    state.evaluatedRate = validation.rate() == null ? null : validation.rate().state();
    return state.toJson();
  }

  /** The data were a stream that ends, before the steps were done. */
  private void endsEarly(TrainListener listener) {
    if (state.step == 0) {
      throw new InputException("the training data ended before there was a step");
    }
    listener.onData(
        "the training data ended after step "
            + state.step
            + " of "
            + totalSteps
            + ", and so does the run: the learning rate has not come to its end");
  }

  private void tell(TrainListener listener) {
    for (String finding = data.finding(); finding != null; finding = data.finding()) {
      listener.onData(finding);
    }
  }

  /** Asks for one optimizer step: forward and backward of its batches, then the update. */
  private boolean step(BatchStream stream, BooleanSupplier stopRequested) {
    long begin = System.nanoTime();
    long targets = 0;
    double divisor = 0;
    long tokens = 0;
    long examples = 0;
    long flops = 0;
    boolean endsEpoch = false;
    float rate = validation.rate() == null ? schedule.rate(state.step) : validation.rate().rate();
    for (int i = 1; i <= config.gradientAccumulationSteps() && !endsEpoch; i++) {
      phases.enter(Phase.DATA);
      // Else it is only late: the step is ended, so that there is a state to be saved.
      if (stream.mayWait() && !stream.await(stopRequested)) {
        throw new InterruptedCallException("waiting for training data within a step");
      }
      Batch batch = stream.next();
      runner.prepare(batch);
      targets += batch.supervisedTargets();
      divisor += task.divisor(batch);
      tokens += batch.rows();
      examples += batch.examples();
      endsEpoch = batch.endsEpoch();
      boolean last = endsEpoch || i == config.gradientAccumulationSteps();
      try {
        flops +=
            runner.run(
                batch, state.microStep, last ? StepRunner.Update.of(rate, targets, divisor) : null);
      } catch (NonFiniteException e) {
        throw new DivergedException("step " + (state.step + 1) + ": " + e.getMessage());
      }
      state.cursor = batch.after();
      state.microStep++;
    }
    state.step++;
    state.tokens += tokens;
    state.examples += examples;
    pending.add(new Pending(state.step, epoch(), rate, begin, tokens, examples, flops));
    return endsEpoch;
  }

  /** Waits for the results of the oldest step that was asked for, and reports it. */
  private void complete(TrainListener listener) {
    Pending done = pending.remove();
    StepRunner.Result result = runner.result();
    // A step that was asked for while another ran took the time from that one's end.
    long now = System.nanoTime();
    throughput.add(
        now - Math.max(done.beginNanos(), completedNanos),
        done.tokens(),
        done.examples(),
        done.flops());
    completedNanos = now;
    TrainListener.Step step =
        new TrainListener.Step(
            done.step(),
            totalSteps,
            done.epoch(),
            result.loss(),
            result.gradNorm(),
            // As it would be typed: 2e-5, not the double next to that float.
            Double.parseDouble(Float.toString(done.learningRate())),
            done.tokens(),
            throughput.tokensPerSecond(),
            throughput.secondsPerStep() * (totalSteps - done.step()),
            metrics(result));
    if (result.isFinite()) {
      state.skippedInARow = 0;
      state.lossSum += result.loss();
      listener.onStep(step);
      spikes.add(result.loss()).ifPresent(usual -> listener.onLossSpike(step, usual));
    } else {
      guard.skip(step, state);
      runner.skip();
      listener.onSkipped(step, state.skipped);
    }
  }

  private Map<String, Double> metrics(StepRunner.Result result) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    List<String> names = task.stepMetrics();
    for (int i = 0; i < names.size(); i++) {
      metrics.put(names.get(i), result.metrics().get(i));
    }
    return metrics;
  }

  private void completeUntil(int left, TrainListener listener) {
    while (pending.size() > left) {
      complete(listener);
    }
  }

  private double epoch() {
    if (stepsPerEpoch == 0) {
      return state.cursor.epoch();
    }
    long into = Math.floorMod(state.step, stepsPerEpoch);
    return state.step / stepsPerEpoch + (double) into / stepsPerEpoch;
  }

  private void note(
      Map<String, Double> evaluation, TrainListener listener, CheckpointSink checkpoints) {
    boolean best = validation.note(evaluation, state);
    if (best && config.evaluations().keepsBest()) {
      checkpoints.saveBest(state.step, parameters.weights());
    }
    listener.onEvaluation(state.step, epoch(), evaluation, best);
  }

  @Override
  public void close() {
    runner.close();
  }
}
