package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.memory.Allocator;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;

/**
 * The waist of the house: everything above computes through this interface, everything below
 * implements it. What there is to compute are the records of {@code kernels.calls}; the comments of
 * {@code native/include/attune_ops.h} are their contract (shapes, aliasing, what is overwritten and
 * what accumulates).
 *
 * <p>Tensors are addresses; 0 stands for an absent optional one. Letters: B sequences, N packed
 * rows, C width, H and Hkv heads, D head size, F output width, V vocabulary, K classes. {@code
 * dtype} is the type of activations and their gradients; gradients of weights and saved statistics
 * are f32.
 *
 * <p>One thread uses a backend at a time.
 */
public interface Backend extends Allocator, AutoCloseable {
  /** Short name, as in {@code --backend}. */
  String name();

  DeviceKind device();

  /** One line for people: instruction set, threads, device. */
  String description();

  /**
   * What results depend on to the last bit: a run that is begun with it can be resumed with it
   * alone. The description, unless some of that makes no difference.
   */
  default String arithmetic() {
    return description();
  }

  /** Whether bf16 runs on instructions of its own here, so that it is faster than f32. */
  boolean hasFastBf16();

  /**
   * What the hardware can do at most with operands of a type, FLOP/s, by all its units that this
   * backend's library knows; 0: not known. Takes some milliseconds on the CPU.
   */
  default double peakFlopsPerSecond(DType dtype) {
    return 0;
  }

  /**
   * How many rows a packed batch of {@code rows} is to have on the device: more, where work is
   * prepared for each number of rows that occurs. The rows beyond the real ones belong to sequences
   * of their own, of which nothing is learned.
   */
  default int paddedRows(int rows) {
    return rows;
  }

  /**
   * The {@code maxLength} to give to attention where the longest sequence has {@code length} rows:
   * a greater one, where work is prepared for each bound that occurs.
   */
  default int paddedLength(int length) {
    return length;
  }

  /**
   * How many sequences the rows beyond the real ones ({@link #paddedRows}) are divided among:
   * attention takes the square of a sequence's length. The same for every batch, so that work which
   * was recorded fits all; 0 where there are no such rows.
   */
  default int fillingSequences() {
    return 0;
  }

  /** Records work that recurs; null where work is done when its call returns. */
  default Recorder recorder() {
    return null;
  }

  /**
   * Runs {@code body}, and keeps the calls that it makes to run them again as they were, which
   * takes less than to make them: for work that recurs with the same addresses and numbers. Null
   * where nothing is gained or known.
   */
  default Replay keep(Runnable body) {
    body.run();
    return null;
  }

  /** Room on the host for results, in {@code slots} of so many bytes. */
  default Results results(int slots, int slotBytes) {
    return new HostResults(this, slots, slotBytes);
  }

  /**
   * Whether products of f32 activations with frozen bf16 weights read those as they are, rather
   * than widen them into a copy each time.
   */
  default boolean readsNarrowWeights() {
    return false;
  }

  /**
   * Whether bf16 products should read their weights from a bf16 copy that the optimizer keeps
   * beside the f32 master, rather than from the master.
   */
  default boolean wantsBf16Weights() {
    return false;
  }

  /**
   * Whether a product that makes a weight's gradient sums its squares for less than it costs to
   * read the gradient again.
   */
  default boolean sumsSquares() {
    return false;
  }

  /**
   * Whether rows of a table that have no gradient may be updated later than in their step, many
   * steps at a time: where that saves passes over memory, and work is done when its call returns.
   */
  default boolean updatesRowsLater() {
    return false;
  }

  /**
   * Up to how many rows products with a weight may sum in an order of their own. Of more rows each
   * comes out the same bits however many there are, whatever the others hold. As many as there are
   * numbers where that is not known, as of libraries that plan for every shape.
   */
  default long fewRows() {
    return Long.MAX_VALUE;
  }

  /**
   * Whether a product with a weight gives each row of activations of this type the same bits
   * however many rows there are, few or many: nothing is gained then by multiplying few at a time.
   */
  default boolean rowsAreAlike(DType dtype) {
    return false;
  }

  /** Whether there can be others on the same memory, for other threads: see {@link #sibling}. */
  default boolean hasSiblings() {
    return false;
  }

  /**
   * Another backend like this one, which a second thread can use at the same time: with an
   * execution context of its own, on the same memory.
   *
   * @throws UnsupportedOperationException unless {@link #hasSiblings}
   */
  default Backend sibling() {
    throw new UnsupportedOperationException("there is one " + name() + " backend on a device");
  }

  /** How many threads of the host work on a kernel at the most. */
  default int threads() {
    return 1;
  }

  /**
   * How many of the {@link #threads} work on the kernels that follow: to be called from any thread,
   * also while another one runs a kernel. Results do not depend on it.
   */
  default void share(int threads) {}

  /**
   * How many bytes an arena of activations may reserve: address space of which most is never
   * touched on the CPU (half of the machine's memory), real memory on a device (most of what is
   * free now).
   */
  default long reservableBytes() {
    OperatingSystemMXBean bean = ManagementFactory.getOperatingSystemMXBean();
    return bean instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize() / 2
        : 8L << 30;
  }

  /**
   * The most memory of a device that was reserved at one time; 0 where memory is that of the
   * process.
   */
  default long peakReservedBytes() {
    return 0;
  }

  /**
   * Waits until all work is done, and throws what went wrong with it. Work is done at once where
   * calls are synchronous.
   */
  default void synchronize() {}

  @Override
  void close();

  /**
   * Runs a kernel.
   *
   * @throws IllegalArgumentException if an argument is not allowed
   * @throws UnsupportedOperationException if there is no kernel for the call here
   * @throws BackendException if the device fails
   */
  void run(Call call);
}
