package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.data.TargetKind;
import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/**
 * Device memory for a batch's integers and for its losses. Grows to the largest batch seen, then
 * allocates nothing.
 */
public final class Staging implements AutoCloseable {
  private static final int ARRAYS_OF_ROWS = 5; // ids, positions, type ids, labels, losses
  private static final int ARRAYS_OF_SEQUENCES = 4; // bounds, first rows, one each, targets

  private final Allocator allocator;
  private Buffer buffer;
  private IntBuffer ints;
  private FloatBuffer floats;
  private int rowCapacity;
  private int sequenceCapacity;

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
    if (batch.kind() == TargetKind.NUMBER) {
      floats.put(sequenceArray(3), batch.targets(), 0, B);
    } else if (batch.kind() != TargetKind.NONE) {
      put(rowArray(3), batch.labels(), batch.kind().isPerToken() ? N : B);
    }
    return new Inputs(
        B,
        N,
        address(rowArray(0)),
        address(rowArray(1)),
        address(rowArray(2)),
        address(sequenceArray(0)),
        address(sequenceArray(1)),
        address(sequenceArray(2)));
  }

  /** Address of the labels i32: (B), or (N) for token labels. */
  public long labels() {
    return address(rowArray(3));
  }

  /** Address of the regression targets (B) f32. */
  public long targets() {
    return address(sequenceArray(3));
  }

  /** Address of room for one loss f32 per sequence or row. */
  public long losses() {
    return address(rowArray(4));
  }

  /** Sum of the first {@code count} losses, in order. */
  public double sumLosses(int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += floats.get(rowArray(4) + i);
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
    long elements =
        (long) ARRAYS_OF_ROWS * rowCapacity + (long) ARRAYS_OF_SEQUENCES * (sequenceCapacity + 1);
    buffer = Buffer.allocate(allocator, elements * Integer.BYTES, false);
    ints = buffer.ints(0, elements);
    floats = buffer.floats(0, elements);
  }

  private int rowArray(int index) {
    return index * rowCapacity;
  }

  private int sequenceArray(int index) {
    return ARRAYS_OF_ROWS * rowCapacity + index * (sequenceCapacity + 1);
  }

  private long address(int element) {
    return buffer.address() + (long) element * Integer.BYTES;
  }

  private void put(int at, int[] source, int count) {
    ints.put(at, source, 0, count);
  }

  @Override
  public void close() {
    if (buffer != null) {
      buffer.close();
      buffer = null;
    }
  }
}
