package dev.attune.tape;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import dev.attune.kernels.RowRange;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.HostMirror;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/**
 * One forward pass and its reverse walk. A tape is reused step after step: {@link #begin} forgets
 * everything of the step before.
 */
public final class Tape implements AutoCloseable {
  private final Backend backend;
  private final Arena arena;
  private final DType dtype;
  private final SharedRows shared;
  private final LentMemory lent;
  private List<RowGroup> groups = List.of();
  private List<Recorded> nodes = new ArrayList<>();
  private int rowsAtOnce; // 0: all
  private boolean recording = true;
  private boolean checkpoints;
  private boolean training;
  private long flops;
  private HostMirror one; // null until it is asked for
  private NumericsCheck numerics; // null: values are not looked at
  private int layer = NumericsCheck.NO_LAYER;

  /**
   * An op, and whose rows it ran on.
   *
   * @param within null: the rows of all
   */
  private record Recorded(Node node, RowRange within) {}

  /**
   * @param arena where activations live; the tape owns it from here on
   * @param dtype type of activations: F32 or BF16
   * @param seed of the dropout masks
   */
  public Tape(Backend backend, Arena arena, DType dtype, long seed) {
    Check.argument(dtype == DType.F32 || dtype == DType.BF16, "activations cannot be %s", dtype);
    this.backend = backend;
    this.arena = arena;
    this.dtype = dtype;
    this.shared = new SharedRows(backend, seed);
    this.lent = new LentMemory(arena);
  }

  /**
   * Starts a forward pass.
   *
   * @param training whether ops are recorded and dropout is on. Masks of the same op differ from
   *     pass to pass by the stream base of the step block alone ({@link
   *     dev.attune.kernels.calls.StepCall.StreamBase})
   */
  public void begin(boolean training) {
    this.training = training;
    nodes.clear();
    groups = List.of();
    shared.begin();
    rowsAtOnce = 0;
    layer = NumericsCheck.NO_LAYER;
    if (numerics != null) {
      numerics.begin();
    }
    arena.reset();
    lent.end();
    flops = 0;
  }

  /**
   * Says which rows the ops that follow are given, where some have adapters of their own: inference
   * only.
   *
   * @param rows one group after the other, over all rows; empty: none have
   */
  public void group(List<RowGroup> rows) {
    Check.state(!training, "rows have adapters of their own in inference alone");
    groups = List.copyOf(rows);
  }

  /**
   * Lets products of this pass multiply so many rows at a time, in inference: where a row is to get
   * the bits of a pass of few rows, and these differ ({@link Backend#rowsAreAlike}). The weight
   * comes from a cache for all but the first.
   */
  public void multiplyApart(int rows) {
    Check.state(!training, "rows are multiplied apart in inference alone");
    rowsAtOnce = rows;
  }

  /** Rows that products multiply at a time; 0: all. */
  public int rowsAtOnce() {
    return rowsAtOnce;
  }

  /** Of the rows of the ops that follow; empty: all are alike. */
  public List<RowGroup> groups() {
    return groups;
  }

  /**
   * Makes the pass that has begun one of several jobs: each owns a range of the rows, and the ops
   * that follow do for its rows what they would do if there were no others, with the random streams
   * that the job would then have. Of products with a frozen weight alone the rows of all are one
   * operand: {@link #whole}.
   *
   * @param jobs one range after the other
   */
  public void share(List<RowRange> jobs) {
    shared.share(jobs);
  }

  /** The ranges of rows in their order, where ops run for the rows of several jobs; else none. */
  public List<RowRange> ranges() {
    return shared.ranges();
  }

  /** Runs ops for the rows of one job alone, forward and backward. */
  public <T> T within(RowRange range, Supplier<T> body) {
    return shared.within(range, body);
  }

  /** Runs kernels whose rows do not depend on each other, for the rows of several jobs as one. */
  public void whole(Runnable body) {
    shared.whole(body);
  }

  /** Runs a kernel; in a pass that several jobs share, once for the rows of each. */
  public void run(Call call) {
    shared.run(call);
  }

  public Backend backend() {
    return backend;
  }

  public Arena arena() {
    return arena;
  }

  /** The type of activations. */
  public DType dtype() {
    return dtype;
  }

  /** Whether this pass records ops and applies dropout. */
  public boolean training() {
    return training;
  }

  /** The dropout probability to use: {@code p} in training, else 0. */
  public float dropout(float p) {
    return training ? p : 0f;
  }

  /** Of the masks; in a pass that several jobs share, of the one whose ops run. */
  public long seed() {
    return shared.seed();
  }

  /** Takes {@code count} consecutive random streams of this pass; returns the first. */
  public long takeStreams(int count) {
    return shared.takeStreams(count);
  }

  /** Counts floating-point operations of matrix products, forward and backward. */
  public void countFlops(long forward, long backward) {
    flops += forward + (training ? backward : 0);
  }

  /** Product FLOPs of this pass, forward and (in training) backward. */
  public long flops() {
    return flops;
  }

  /** Address of the f32 number 1: what multiplies where nothing is to be multiplied. */
  public long one() {
    if (one == null) {
      one = new HostMirror(backend, Float.BYTES, false);
      one.host().putFloat(0, 1f);
      one.push(0, Float.BYTES);
    }
    return one.address();
  }

  /** A new uninitialised tensor in the tape's activation type. */
  public Tensor tensor(long rows, long cols, boolean requiresGrad) {
    return tensor(rows, cols, dtype, requiresGrad);
  }

  /** A new uninitialised tensor. */
  public Tensor tensor(long rows, long cols, DType type, boolean requiresGrad) {
    long address = allocate(rows * cols * type.sizeBytes());
    return new Tensor(address, type, rows, cols, training && requiresGrad);
  }

  /**
   * Scratch or saved values: to be freed with {@link #free}.
   *
   * @throws DeviceMemoryException if there is no room; says which options would need less
   */
  public long allocate(long sizeBytes) {
    try {
      return arena.allocate(sizeBytes);
    } catch (DeviceMemoryException e) {
      throw Remedies.named(
          e, training ? Remedies.inTraining(checkpoints, dtype) : Remedies.inInference());
    }
  }

  public void free(long address) {
    arena.free(address);
  }

  /** Whether ops are recorded: in training, but for the first run of what will run again. */
  public boolean recording() {
    return training && recording;
  }

  /**
   * Keeps the inputs of every {@link Recomputation} that a model offers, and nothing else inside.
   */
  public void useCheckpoints(boolean use) {
    this.checkpoints = use;
  }

  /**
   * Reads all that ops make in training passes, forward and backward: the first value that is not
   * finite ends the pass with a {@link NonFiniteException} that names the op.
   */
  public void useNumericsCheck(boolean use) {
    this.numerics = use ? new NumericsCheck(backend) : null;
  }

  /** Whether values are looked at: then an op's work must be done when its call returns. */
  public boolean checksNumerics() {
    return numerics != null;
  }

  /** Looks at a matrix that no op on the tape has made, where values are looked at. */
  public void checkNumerics(String maker, String what, long address, long rows, long cols) {
    if (numerics != null) {
      numerics.check(maker, what, address, DType.F32, rows, cols);
    }
  }

  /**
   * Says which layer of the model the ops that follow belong to, for messages.
   *
   * @param body the layer
   */
  public <T> T inLayer(int number, Supplier<T> body) {
    int outer = layer;
    layer = number;
    T made = body.get();
    layer = outer;
    return made;
  }

  /** Whether passes take memory that they are lent, as they do until told not to. */
  public void useLoans(boolean use) {
    lent.use(use);
  }

  /**
   * Lends the pass that has begun memory that the backward of layers will write: each of them runs
   * once in it.
   */
  public void borrow(Loan memory) {
    lent.borrow(memory);
  }

  /**
   * Makes the tensors of a layer in memory that the backward of layers below will write, as far as
   * it was lent: they are gone by then, whereas gradients live on into layers below.
   *
   * @param body the layer, whose weights no other has
   */
  public <T> T borrowing(int number, Supplier<T> body) {
    return recording() && !checkpoints ? lent.layer(number, body) : body.get();
  }

  /** Whether blocks of this pass keep their inputs alone. */
  boolean keepsCheckpoints() {
    return training && checkpoints;
  }

  /** Which random streams are taken: for {@link #replay}. */
  long[] streams() {
    return shared.streams();
  }

  <T> T withoutRecording(Supplier<T> body) {
    recording = false;
    try {
      return body.get();
    } finally {
      recording = true;
    }
  }

  /** Records a block again, from the random streams it had, and runs it backward. */
  void replay(long[] firstStreams, Runnable body) {
    List<Recorded> outer = nodes;
    long[] outerStreams = streams();
    long outerFlops = flops;
    nodes = new ArrayList<>();
    shared.takeAgain(firstStreams);
    body.run();
    walk(nodes);
    nodes = outer;
    shared.takeAgain(outerStreams);
    flops = outerFlops; // utilization counts the model's work, not what is done twice
  }

  /** Records an op; in inference releases what it saved at once. */
  public Tensor record(Node node) {
    if (numerics != null && training) {
      numerics.forward(node, layer);
    }
    if (recording()) {
      nodes.add(new Recorded(node, shared.current()));
    } else {
      node.release(this);
    }
    return node.out();
  }

  /**
   * Frees a tensor's values early: for one that no backward reads, because the op that consumed it
   * keeps what it needs elsewhere.
   */
  public void discard(Tensor tensor) {
    if (tensor.address() != 0) {
      arena.free(tensor.address());
      tensor.setAddress(0);
    }
  }

  /**
   * In inference, frees everything but these tensors, of which some may be null: models call it
   * between layers, so that evaluation needs the memory of one layer. Nothing happens in training.
   */
  public void keepOnly(Tensor... tensors) {
    if (!training) {
      retain(tensors);
    }
  }

  private void retain(Tensor... tensors) {
    long[] addresses = new long[tensors.length];
    for (int i = 0; i < tensors.length; i++) {
      addresses[i] = tensors[i] == null ? 0 : tensors[i].address();
    }
    arena.retainOnly(addresses);
  }

  /**
   * Runs ops that a pass begins with and below which nothing is trained: backward does not come
   * there, so nothing is kept for it, in training as in inference.
   *
   * @param kept made before, and still wanted; may be null
   * @param body makes what the pass goes on with, whose tensors take no gradient
   */
  public Tensor[] untrained(Tensor kept, Supplier<Tensor[]> body) {
    Tensor[] made = withoutRecording(body);
    Tensor[] all = Arrays.copyOf(made, made.length + 1);
    all[made.length] = kept;
    for (Tensor tensor : made) {
      Check.argument(!tensor.requiresGrad(), "something is trained below what is called untrained");
    }
    retain(all);
    return made;
  }

  /** A tensor in the memory of {@code tensor}, whose values are consumed: for ops in place. */
  public Tensor rename(Tensor tensor, boolean requiresGrad) {
    return new Tensor(
        take(tensor), tensor.dtype(), tensor.rows(), tensor.cols(), training && requiresGrad);
  }

  /** Moves a tensor's values out of it: the caller now owns the block. */
  public long take(Tensor tensor) {
    long address = tensor.address();
    tensor.setAddress(0);
    return address;
  }

  /**
   * The block that an op's backward writes an input's gradient to. If {@link Tensor#gradient()} was
   * not 0 before this call, the op must accumulate.
   */
  public long gradientOf(Tensor tensor) {
    if (tensor.gradient() == 0) {
      tensor.setGradient(allocate(tensor.sizeBytes()));
    }
    noteGradient(tensor);
    return tensor.gradient();
  }

  /**
   * Hands {@code from}'s gradient block to {@code to}, which has none: for ops whose input gradient
   * is their output gradient, changed in place.
   */
  public void moveGradient(Tensor from, Tensor to) {
    Check.state(to.gradient() == 0, "the target has a gradient already");
    if (from.gradientIsBorrowed()) {
      to.borrowGradient(from.gradient());
    } else {
      to.setGradient(from.gradient());
    }
    from.setGradient(0);
    noteGradient(to);
  }

  private void noteGradient(Tensor tensor) {
    if (numerics != null) {
      numerics.writes(tensor);
    }
  }

  /** Makes a block that an op allocated and filled the gradient of a tensor that has none. */
  public void giveGradient(Tensor tensor, long address) {
    Check.state(tensor.gradient() == 0, "the target has a gradient already");
    tensor.setGradient(address);
    noteGradient(tensor);
  }

  /**
   * Lets {@code to}, which has no gradient, read that of {@code from}: for addends, whose gradients
   * are equal. {@code from} must have been made before {@code to}, so that it is visited later, and
   * no other consumer of {@code from} may be visited before {@code to} is.
   */
  public void lendGradient(Tensor from, Tensor to) {
    Check.state(to.gradient() == 0, "the target has a gradient already");
    to.borrowGradient(from.gradient());
  }

  /** Frees a gradient that was computed for nobody; one that was lent stays with its owner. */
  public void dropGradient(Tensor tensor) {
    if (tensor.gradient() != 0) {
      if (!tensor.gradientIsBorrowed()) {
        arena.free(tensor.gradient());
      }
      tensor.setGradient(0);
    }
  }

  /** Runs all recorded ops backward from the gradients that a loss has left; frees everything. */
  public void backward() {
    Check.state(training, "backward needs a training pass");
    Check.state(!nodes.isEmpty(), "nothing is recorded: backward ran already, or no forward did");
    lent.end(); // a block that runs again must not borrow
    if (numerics != null) {
      numerics.loss();
    }
    walk(nodes);
    nodes.clear();
  }

  private void walk(List<Recorded> recorded) {
    RowRange outer = shared.current();
    for (int i = recorded.size() - 1; i >= 0; i--) {
      Node node = recorded.get(i).node;
      shared.enter(recorded.get(i).within);
      Tensor out = node.out();
      if (out.gradient() != 0) {
        node.backward(this);
        if (numerics != null) {
          numerics.backward(node);
        }
      }
      node.release(this);
      discard(out);
      dropGradient(out);
    }
    shared.enter(outer);
  }

  @Override
  public void close() {
    if (one != null) {
      one.close();
    }
    arena.close();
  }
}
