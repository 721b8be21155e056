package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.data.TargetKind;
import dev.attune.memory.Allocator;
import dev.attune.memory.HostMirror;
import dev.attune.model.Inputs;
import dev.attune.ops.CrossEntropy;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/**
 * Device memory for a batch's integers and for its losses. Grows to the largest batch seen, then
 * allocates nothing.
 */
public final class Staging implements AutoCloseable {
  private static final int ARRAYS_OF_ROWS = 5; // ids, positions, type ids, labels, learned rows
  // Bounds, first rows, one each, targets, last rows, last positions.
  private static final int ARRAYS_OF_SEQUENCES = 6;
  // After them losses and predictions, which come the other way.

  private final Allocator allocator;
  private HostMirror mirror;
  private IntBuffer ints;
  private FloatBuffer floats;
  private int rowCapacity;
  private int sequenceCapacity;
  private int learnedCount;

  public Staging(Allocator allocator) {
    this.allocator = allocator;
  }

  /** Copies a batch to the device; the addresses are valid until the next call. */
  public Inputs stage(Batch batch) {
    int N = batch.rows();
    int B = batch.sequences();
    reserve(N, B);
    put(rowArray(0), batch.inputIds(), N);
    put(rowArray(1), batch.positions(), N);
    if (batch.typeIds() != null) {
      put(rowArray(2), batch.typeIds(), N);
    } else {
      for (int row = 0; row < N; row++) {
        ints.put(rowArray(2) + row, 0);
      }
    }
    put(sequenceArray(0), batch.cuSeqlens(), B + 1);
    put(sequenceArray(1), batch.firstRows(), B);
    for (int b = 0; b <= B; b++) {
      ints.put(sequenceArray(2) + b, b);
    }
    for (int b = 0; b < B; b++) {
      int last = batch.cuSeqlens()[b + 1] - 1;
      ints.put(sequenceArray(4) + b, last);
      ints.put(sequenceArray(5) + b, batch.positions()[last]);
    }
    if (batch.kind() == TargetKind.NUMBER) {
      floats.put(sequenceArray(3), batch.targets(), 0, B);
    } else if (batch.kind() == TargetKind.NEXT_TOKEN) {
      putLearned(batch.labels(), N);
    } else if (batch.kind() != TargetKind.NONE) {
      put(rowArray(3), batch.labels(), batch.kind().isPerToken() ? N : B);
    }
    mirror.push(0, lossArray() * Integer.BYTES);
    return new Inputs(
        B,
        N,
        address(rowArray(0)),
        address(rowArray(1)),
        address(rowArray(2)),
        address(sequenceArray(0)),
        address(sequenceArray(1)),
        address(sequenceArray(4)),
        address(sequenceArray(5)),
        address(sequenceArray(2)));
  }

  /** Most rows need no product with the vocabulary where only completions are learned. */
  private void putLearned(int[] labels, int N) {
    learnedCount = 0;
    for (int row = 0; row < N; row++) {
      if (labels[row] != CrossEntropy.IGNORE) {
        ints.put(rowArray(3) + learnedCount, labels[row]);
        ints.put(rowArray(4) + learnedCount++, row);
      }
    }
  }

  /** Address of the labels i32: (B), or (N) for token labels, or (M) for next tokens. */
  public long labels() {
    return address(rowArray(3));
  }

  /** M: rows whose next token is learned. */
  public int learnedCount() {
    return learnedCount;
  }

  /** Address of the rows whose next token is learned, (M) i32. */
  public long learnedRows() {
    return address(rowArray(4));
  }

  /** Address of room for one predicted token i32 per learned row. */
  public long predictions() {
    return address(lossArray() + rowCapacity);
  }

  /** How many of the learned rows were predicted right. Waits for the device. */
  public int countRight() {
    int first = lossArray() + rowCapacity;
    mirror.pull(first * Integer.BYTES, learnedCount * Integer.BYTES);
    int right = 0;
    for (int i = 0; i < learnedCount; i++) {
      right += ints.get(first + i) == ints.get(rowArray(3) + i) ? 1 : 0;
    }
    return right;
  }

  /** Address of the regression targets (B) f32. */
  public long targets() {
    return address(sequenceArray(3));
  }

  /** Address of room for one loss f32 per sequence or row. */
  public long losses() {
    return address(lossArray());
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

  private void reserve(int rows, int sequences) {
    if (rows <= rowCapacity && sequences <= sequenceCapacity) {
      return;
    }
    close();
    rowCapacity = Math.max(Math.max(rows, sequences), rowCapacity);
    rowCapacity += rowCapacity / 2;
    sequenceCapacity = Math.max(sequences, sequenceCapacity);
    long elements = (long) lossArray() + 2L * rowCapacity;
    mirror = new HostMirror(allocator, elements * Integer.BYTES, false);
    ints = mirror.host().asIntBuffer();
    floats = mirror.host().asFloatBuffer();
  }

  private int rowArray(int index) {
    return index * rowCapacity;
  }

  private int sequenceArray(int index) {
    return ARRAYS_OF_ROWS * rowCapacity + index * (sequenceCapacity + 1);
  }

  private int lossArray() {
    return sequenceArray(ARRAYS_OF_SEQUENCES);
  }

  private long address(int element) {
    return mirror.address() + (long) element * Integer.BYTES;
  }

  private void put(int at, int[] source, int count) {
    ints.put(at, source, 0, count);
  }

  @Override
  public void close() {
    if (mirror != null) {
      mirror.close();
      mirror = null;
    }
  }
}
