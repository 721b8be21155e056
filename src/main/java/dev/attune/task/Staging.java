package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.TargetLayout;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostMirror;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.model.Rotary;
import dev.attune.ops.CrossEntropy;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Device memory for a batch's integers and for its losses. Grows to the largest batch seen, then
 * allocates nothing.
 */
public final class Staging implements AutoCloseable {
  private static final int ARRAYS_OF_ROWS = 5; // ids, positions, type ids, labels, learned rows
  // Bounds, first rows, one each, last rows, last positions; then the targets of sequences.
  private static final int ARRAYS_OF_SEQUENCES = 5;

  // After them losses (a few a sequence or one a row) and predictions, which come the other way.

  /** Losses of a sequence, and what else is told of it, at most. */
  private static final int LOSSES_OF_SEQUENCE = 3;

  private final Backend backend;
  private Batch batch; // that was staged last
  private HostMirror mirror;
  private IntBuffer ints;
  private FloatBuffer floats;
  private int rowCapacity;
  private int sequenceCapacity;
  private int targetWidth = 1;
  private int sequences;
  private int examples;
  private TargetLayout layout = TargetLayout.NONE;
  private int learnedCount;
  private int learnedRowCount;
  private int segments;
  private final Map<Object, HostMirror> constants = new IdentityHashMap<>(); // by their arrays
  private HostMirror rotaryTables; // see Model.batchRotaries; null: no model wanted any

  public Staging(Backend backend) {
    this.backend = backend;
  }

  /**
   * Makes room for any batch of so many rows and sequences: until a larger one comes, addresses
   * stay the same.
   *
   * @param targets how they lie in the batches
   * @param rotaries of the model: {@link Model#batchRotaries}
   */
  public void reserve(int rows, int sequences, TargetLayout targets, List<Rotary> rotaries) {
    reservePadded(backend.paddedRows(rows), sequences, targets.width());
    reserveTables(backend.paddedRows(rows), rotaries);
  }

  /**
   * Copies a batch to the device; the addresses are valid until the next call. Where the device
   * wants more rows than the batch has ({@link Backend#paddedRows}), sequences of copies of its
   * first token follow, of which nothing is learned.
   *
   * @param rotaries of the model: {@link Model#batchRotaries}
   */
  public Inputs stage(Batch batch, List<Rotary> rotaries) {
    int N = batch.rows();
    int B = batch.sequences();
    this.batch = batch;
    sequences = B;
    examples = batch.examples();
    layout = batch.layout();
    int padded = backend.paddedRows(N);
    reservePadded(padded, B, batch.layout().width());
    put(rowArray(0), batch.inputIds(), N);
    fill(rowArray(0) + N, padded - N, ints.get(rowArray(0)));
    boolean hasTables = !rotaries.isEmpty();
    if (hasTables) {
      for (int row = 0; row < padded; row++) {
        ints.put(rowArray(1) + row, row);
      }
      putTables(batch, padded, rotaries);
    } else {
      put(rowArray(1), batch.positions(), N);
      fill(rowArray(1) + N, padded - N, ints.get(rowArray(1)));
    }
    if (batch.typeIds() != null) {
      put(rowArray(2), batch.typeIds(), N);
      fill(rowArray(2) + N, padded - N, 0);
    } else {
      fill(rowArray(2), padded, 0);
    }
    int filling = backend.fillingSequences();
    int maxLength = 0;
    put(sequenceArray(0), batch.cuSeqlens(), B + 1);
    for (int i = 1; i <= filling; i++) {
      ints.put(sequenceArray(0) + B + i, N + (int) ((long) (padded - N) * i / filling));
      ints.put(sequenceArray(2) + B + i, B);
    }
    for (int b = 0; b < B + filling; b++) {
      int length = ints.get(sequenceArray(0) + b + 1) - ints.get(sequenceArray(0) + b);
      maxLength = Math.max(maxLength, length);
    }
    put(sequenceArray(1), batch.firstRows(), B);
    for (int b = 0; b <= B; b++) {
      ints.put(sequenceArray(2) + b, b);
    }
    for (int b = 0; b < B; b++) {
      int last = batch.cuSeqlens()[b + 1] - 1;
      ints.put(sequenceArray(3) + b, last);
      ints.put(sequenceArray(4) + b, batch.positions()[last]);
    }
    segments = B + filling;
    putTargets(batch, padded, filling);
    mirror.push(0, lossArray() * Integer.BYTES);
    return new Inputs(
        B,
        padded,
        B + filling,
        backend.paddedLength(maxLength),
        address(rowArray(0)),
        address(rowArray(1)),
        address(rowArray(2)),
        address(sequenceArray(0)),
        address(sequenceArray(1)),
        address(sequenceArray(3)),
        address(sequenceArray(4)),
        address(sequenceArray(2)),
        hasTables ? rotaryTables.address() : 0);
  }

  /** A table of each kind: of every text what belongs to its length. */
  private void putTables(Batch batch, int padded, List<Rotary> rotaries) {
    reserveTables(padded, rotaries);
    FloatBuffer tables = rotaryTables.host().asFloatBuffer();
    int[] bounds = batch.cuSeqlens();
    for (Rotary rotary : rotaries) {
      for (int b = 0; b < batch.sequences(); b++) {
        int length = bounds[b + 1] - bounds[b];
        rotary.fill(length, 0, length, tables);
      }
      for (int row = batch.rows(); row < padded; row++) {
        rotary.fill(1, 0, 1, tables);
      }
    }
    rotaryTables.push(0, tables.position() * Float.BYTES);
  }

  private void reserveTables(int rows, List<Rotary> rotaries) {
    long bytes = (long) rows * rotaries.stream().mapToInt(Rotary::size).sum() * Float.BYTES;
    if (bytes > 0 && (rotaryTables == null || rotaryTables.host().capacity() < bytes)) {
      closeTables();
      rotaryTables = new HostMirror(backend, bytes, false);
    }
  }

  private void putTargets(Batch batch, int padded, int filling) {
    TargetLayout layout = batch.layout();
    int N = batch.rows();
    int B = batch.sequences();
    switch (layout.per()) {
      case NOTHING -> {}
      case LEARNED_ROW -> putLearned(batch.labels(), N, padded);
      case ROW -> {
        if (layout.isReal()) {
          floats.put(rowArray(3), batch.targets(), 0, N);
        } else {
          put(rowArray(3), batch.labels(), N);
          fill(rowArray(3) + N, padded - N, CrossEntropy.IGNORE);
        }
      }
      case SEQUENCE -> {
        if (layout.isReal()) {
          floats.put(targetArray(0), batch.targets(), 0, B * layout.width());
        } else {
          for (int column = 0; column < layout.width(); column++) {
            for (int b = 0; b < B; b++) {
              ints.put(targetArray(column) + b, batch.labels()[b * layout.width() + column]);
            }
            fill(targetArray(column) + B, filling, CrossEntropy.IGNORE);
          }
        }
      }
    }
  }

  /**
   * Most rows need no product with the vocabulary where only completions are learned. Their number
   * is padded as that of all rows, with rows that are not learned.
   */
  private void putLearned(int[] labels, int N, int padded) {
    learnedCount = 0;
    for (int row = 0; row < N; row++) {
      if (labels[row] != CrossEntropy.IGNORE) {
        ints.put(rowArray(3) + learnedCount, labels[row]);
        ints.put(rowArray(4) + learnedCount++, row);
      }
    }
    learnedRowCount = Math.min(padded, backend.paddedRows(learnedCount));
    int at = learnedCount;
    for (int row = padded - 1; at < learnedRowCount; row--) {
      if (row >= N || labels[row] == CrossEntropy.IGNORE) {
        ints.put(rowArray(3) + at, CrossEntropy.IGNORE);
        ints.put(rowArray(4) + at++, row);
      }
    }
  }

  /**
   * Address of the targets of rows: labels i32 (N), or (M) where few are learned; or numbers f32,
   * of the rows that the batch has.
   */
  long rowLabels() {
    return address(rowArray(3));
  }

  /**
   * Address of a column of the labels i32 of sequences (B); those of {@link #segments} beyond have
   * none.
   */
  public long labels(int column) {
    return address(targetArray(column));
  }

  /** M: rows whose next token is learned, and others that make their number a padded one. */
  public int learnedRowCount() {
    return learnedRowCount;
  }

  /** Address of the rows whose next token is learned, (M) i32. */
  long learnedRows() {
    return address(rowArray(4));
  }

  /** Address of room for one predicted token i32 per learned row. */
  public long predictions() {
    return address(predictionArray());
  }

  /** How many of the learned rows were predicted right. Waits for the device. */
  public int countRight() {
    int first = predictionArray();
    mirror.pull(first * Integer.BYTES, learnedCount * Integer.BYTES);
    int right = 0;
    for (int i = 0; i < learnedCount; i++) {
      right += ints.get(first + i) == ints.get(rowArray(3) + i) ? 1 : 0;
    }
    return right;
  }

  /** Address of the real targets f32 of sequences (B,width). */
  public long numbers() {
    return address(targetArray(0));
  }

  /** Address of room for losses f32: {@link #lossCapacity}. */
  public long losses() {
    return address(lossArray());
  }

  /** Address of the bounds of the sequences, (B+1) i32. */
  public long cuSeqlens() {
    return address(sequenceArray(0));
  }

  /** Address of 0, 1, 2, … as i32, as many as sequences. */
  public long numbersOfSequences() {
    return address(sequenceArray(2));
  }

  /** The staged batch on the host; its owner lends it until the next one. */
  Batch batch() {
    return batch;
  }

  /** B of the staged batch. */
  public int sequences() {
    return sequences;
  }

  /** Examples of the staged batch: see {@link Batch#examples}. */
  public int examples() {
    return examples;
  }

  /** How the targets of the staged batch lie. */
  TargetLayout layout() {
    return layout;
  }

  /** B and the sequences that fill the rows up to the number that the device wants. */
  public int segments() {
    return segments;
  }

  /**
   * Address of values that never change, such as the weights of a loss. They are copied to the
   * device when they are asked for first.
   *
   * @param values the same array each time
   */
  long constants(float[] values) {
    return constant(values, values.length, host -> host.asFloatBuffer().put(values));
  }

  /** The same of whole numbers, such as the places of pairs in a batch. */
  long constants(int[] values) {
    return constant(values, values.length, host -> host.asIntBuffer().put(values));
  }

  private long constant(Object values, int length, Consumer<ByteBuffer> filler) {
    return constants
        .computeIfAbsent(
            values,
            key -> {
              HostMirror copy = new HostMirror(backend, (long) length * Integer.BYTES, false);
              filler.accept(copy.host());
              copy.push(0, length * Integer.BYTES);
              return copy;
            })
        .address();
  }

  /** The first {@code count} losses, in order. Waits for the device. */
  public float[] losses(int count) {
    mirror.pull(lossArray() * Integer.BYTES, count * Float.BYTES);
    float[] out = new float[count];
    floats.get(lossArray(), out);
    return out;
  }

  /** Puts losses that the host has computed in the place of the first ones. */
  void putLosses(float[] values) {
    floats.put(lossArray(), values);
    mirror.push(lossArray() * Integer.BYTES, values.length * Float.BYTES);
  }

  /**
   * Numbers that there is room for in the place of the losses of so many rows and sequences.
   *
   * @param width values of a sequence's target, each of which may have a loss
   */
  public static int lossCapacity(int rows, int sequences, int width) {
    return Math.max(rows, Math.max(LOSSES_OF_SEQUENCE, width) * sequences);
  }

  /** Sum of the first {@code count} losses, in order. Waits for the device. */
  public double sumLosses(int count) {
    mirror.pull(lossArray() * Integer.BYTES, count * Float.BYTES);
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += floats.get(lossArray() + i);
    }
    return sum;
  }

  private void reservePadded(int rows, int sequences, int width) {
    if (rows <= rowCapacity && sequences <= sequenceCapacity && width <= targetWidth) {
      return;
    }
    closeMirror();
    boolean first = rowCapacity == 0;
    rowCapacity = Math.max(Math.max(rows, sequences), rowCapacity);
    rowCapacity += first ? 0 : rowCapacity / 2;
    sequenceCapacity = Math.max(sequences, sequenceCapacity);
    targetWidth = Math.max(width, targetWidth);
    long elements = (long) predictionArray() + rowCapacity;
    try {
      mirror = new HostMirror(backend, elements * Integer.BYTES, false);
    } catch (RuntimeException e) {
      rowCapacity = 0; // there is room for nothing
      throw e;
    }
    ints = mirror.host().asIntBuffer();
    floats = mirror.host().asFloatBuffer();
  }

  private int rowArray(int index) {
    return index * rowCapacity;
  }

  private int sequenceArray(int index) {
    return ARRAYS_OF_ROWS * rowCapacity
        + index * (sequenceCapacity + 1 + backend.fillingSequences());
  }

  private int targetArray(int column) {
    return sequenceArray(ARRAYS_OF_SEQUENCES)
        + column * (sequenceCapacity + backend.fillingSequences());
  }

  private int lossArray() {
    return targetArray(targetWidth);
  }

  private int predictionArray() {
    return lossArray()
        + lossCapacity(rowCapacity, sequenceCapacity + backend.fillingSequences(), targetWidth);
  }

  private long address(int element) {
    return mirror.address() + (long) element * Integer.BYTES;
  }

  private void fill(int at, int count, int value) {
    for (int i = 0; i < count; i++) {
      ints.put(at + i, value);
    }
  }

  private void put(int at, int[] source, int count) {
    ints.put(at, source, 0, count);
  }

  @Override
  public void close() {
    closeMirror();
    closeTables();
    constants.values().forEach(HostMirror::close);
    constants.clear();
  }

  private void closeTables() {
    if (rotaryTables != null) {
      rotaryTables.close();
      rotaryTables = null;
    }
  }

  private void closeMirror() {
    if (mirror != null) {
      mirror.close();
      mirror = null;
    }
  }
}
