package dev.attune.train;

import dev.attune.core.Check;
import dev.attune.kernels.Backend;
import dev.attune.kernels.RowRange;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.ops.SliceRows;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Where the training loops of several jobs on one frozen base meet: their batches go forward and
 * backward through its layers as one, and each job gets the bits that it would get alone.
 *
 * <p>Each loop runs on a thread of its own, one at a time: it has the turn from {@link Job#enter}
 * to {@link Job#leave}, but for the time that it waits in {@link Job#run} until all jobs have
 * brought a batch. The last one to come computes for all.
 */
public final class SharedPass {
  private Model base;
  private Tape tape;
  private Backend backend;
  private final ReentrantLock turn = new ReentrantLock(true);
  private final Condition computed = turn.newCondition();
  private final List<Part> brought = new ArrayList<>();
  private final AtomicInteger jobs = new AtomicInteger();

  /** What a job brings to a pass, and what becomes of it. */
  static final class Part {
    private final Model model;
    private final Objective objective;
    private final Staging staging;
    private final Inputs inputs;
    private final long seed;
    private final long streamBase;
    private RecordedWork.Work work;
    private Throwable failure;

    /**
     * @param model with the job's adapters
     * @param staging with the batch in it
     * @param streamBase the pass's key of the job's dropout masks
     */
    Part(
        Model model,
        Objective objective,
        Staging staging,
        Inputs inputs,
        long seed,
        long streamBase) {
      this.model = model;
      this.objective = objective;
      this.staging = staging;
      this.inputs = inputs;
      this.seed = seed;
      this.streamBase = streamBase;
    }

    private boolean isComputed() {
      return work != null || failure != null;
    }

    /** Whether an earlier batch of its step has left something in a gradient. */
    private boolean hasGradients() {
      for (boolean isWritten : model.parameters().writtenGradients()) {
        if (isWritten) {
          return true;
        }
      }
      return false;
    }
  }

  /** What somebody waits for. */
  @FunctionalInterface
  public interface Waiting<T> {
    T result() throws InterruptedException;
  }

  /** A job's place among those that share the pass; used by the thread of its loop alone. */
  public final class Job {
    private boolean isOver;

    /** Takes the turn, which every use of the backend needs. Waits while others have it. */
    public void enter() {
      turn.lock();
    }

    /** Gives the turn back. */
    public void leave() {
      end();
      turn.unlock();
    }

    /** The job, which has the turn, brings no more batches: the others go on without it. */
    public void end() {
      if (!isOver) {
        isOver = true;
        jobs.decrementAndGet();
        computeIfComplete();
      }
    }

    /** Forward, loss and backward of a batch, with those of all others; has the turn. */
    RecordedWork.Work run(Part part) {
      Check.state(turn.isHeldByCurrentThread() && !isOver, "a job runs out of turn");
      brought.add(part);
      computeIfComplete();
      while (!part.isComputed()) {
        computed.awaitUninterruptibly();
      }
      if (part.failure instanceof Error error) {
        throw error;
      }
      if (part.failure != null) {
        throw (RuntimeException) part.failure;
      }
      return part.work;
    }

    /** Waits for something without the turn. */
    public <T> T aside(Waiting<T> wait) throws InterruptedException {
      turn.unlock();
      try {
        return wait.result();
      } finally {
        turn.lock();
      }
    }
  }

  /**
   * Says what passes are made of, before the first.
   *
   * @param frozen the base: all weights are frozen, and shared by the models of the jobs; the
   *     caller closes it
   * @param passes the tape of all passes; the caller closes it
   */
  public void begin(Model frozen, Tape passes) {
    base = frozen;
    tape = passes;
    backend = passes.backend();
  }

  /**
   * One more job, for whose batches the others wait from here on, until it has ended. Any thread
   * may say so at any time.
   */
  public Job join() {
    jobs.incrementAndGet();
    return new Job();
  }

  private void computeIfComplete() {
    if (brought.isEmpty() || brought.size() < jobs.get()) {
      return;
    }
    List<Part> parts = List.copyOf(brought);
    brought.clear();
    compute(parts);
    computed.signalAll();
  }

  /**
   * What fails before any gradient is written may be one job's alone: then each is tried alone. So
   * is each for which there was no room later, where a gradient holds nothing yet but what this
   * pass has added to it.
   */
  private void compute(List<Part> parts) {
    Tensor[] output;
    List<RowRange> ranges = ranges(parts);
    try {
      output = forward(parts, ranges);
    } catch (RuntimeException | Error e) {
      if (parts.size() == 1) {
        parts.get(0).failure = e;
      } else {
        parts.forEach(part -> compute(List.of(part)));
      }
      return;
    }
    List<Part> begun = parts.stream().filter(Part::hasGradients).toList();
    try {
      int[] losses = new int[parts.size()];
      for (int i = 0; i < losses.length; i++) {
        Part part = parts.get(i);
        RowRange range = ranges.get(i);
        losses[i] = tape.within(range, () -> loss(part, range, output));
      }
      tape.backward();
      long rows = output[0].rows();
      for (int i = 0; i < losses.length; i++) {
        long flops = Math.round((double) tape.flops() * ranges.get(i).rows() / rows);
        parts.get(i).work = new RecordedWork.Work(losses[i], flops);
      }
    } catch (DeviceMemoryException e) {
      for (Part part : parts) {
        part.work = null;
        if (parts.size() == 1 || begun.contains(part)) {
          part.failure = e;
        } else {
          part.model.parameters().forgetWritten();
          compute(List.of(part));
        }
      }
    } catch (RuntimeException | Error e) {
      parts.forEach(part -> part.failure = e);
    }
  }

  private static List<RowRange> ranges(List<Part> parts) {
    long total = parts.stream().mapToLong(part -> part.inputs.rows()).sum();
    List<RowRange> ranges = new ArrayList<>();
    long first = 0;
    for (Part part : parts) {
      Inputs inputs = part.inputs;
      ranges.add(
          new RowRange(
              first,
              inputs.rows(),
              total,
              new RowRange.Sequences(inputs.cuSeqlens(), inputs.segments(), inputs.maxLength()),
              part.seed,
              part.streamBase));
      first += inputs.rows();
    }
    return ranges;
  }

  private Tensor[] forward(List<Part> parts, List<RowRange> ranges) {
    backend.run(new StepCall.Reset()); // each job's streams have their base already
    tape.begin(true);
    tape.share(ranges);
    base.parameters().serve(parts.stream().map(part -> part.model.parameters()).toList());
    return base.lower(tape, together(parts, ranges));
  }

  /** The rows of all; sequences are told apart job by job. */
  private Inputs together(List<Part> parts, List<RowRange> ranges) {
    long rows = 0;
    long sequences = 0;
    long segments = 0;
    long maxLength = 0;
    for (Part part : parts) {
      rows += part.inputs.rows();
      sequences += part.inputs.sequences();
      segments += part.inputs.segments();
      maxLength = Math.max(maxLength, part.inputs.maxLength());
    }
    long ids = tape.allocate(rows * Integer.BYTES);
    long positions = tape.allocate(rows * Integer.BYTES);
    long typeIds = tape.allocate(rows * Integer.BYTES);
    for (int i = 0; i < parts.size(); i++) {
      Inputs own = parts.get(i).inputs;
      RowRange range = ranges.get(i);
      copy(range, ids, own.ids());
      copy(range, positions, own.positions());
      copy(range, typeIds, own.typeIds());
    }
    long bounds = ranges.get(0).sequences().cuSeqlens();
    return new Inputs(
        sequences, rows, segments, maxLength, ids, positions, typeIds, bounds, 0, 0, 0, 0, 0);
  }

  private void copy(RowRange range, long all, long own) {
    backend.run(new CopyCall(range.at(all, Integer.BYTES), own, range.rows() * Integer.BYTES));
  }

  private int loss(Part part, RowRange range, Tensor[] lower) {
    Tensor[] own = new Tensor[lower.length];
    for (int i = own.length - 1;
        i >= 0;
        i--) { // the stream first: norms lend the branch its gradient
      own[i] = SliceRows.apply(tape, lower[i], range.first(), range.rows());
    }
    Tensor output = part.model.upper(tape, own, part.inputs);
    return part.objective.apply(tape, part.model, output, part.staging);
  }
}
