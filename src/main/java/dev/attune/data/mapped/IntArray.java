package dev.attune.data.mapped;

import java.util.Arrays;

/** A column that grows in memory. */
final class IntArray implements IntSink {
  private int[] values = new int[64];
  private int size;

  @Override
  public void add(int value) {
    ensure(1);
    values[size++] = value;
  }

  @Override
  public void addAll(int[] more, int from, int count) {
    ensure(count);
    System.arraycopy(more, from, values, size, count);
    size += count;
  }

  private void ensure(int more) {
    long needed = IntSink.grown(size, more);
    if (needed > values.length) {
      values = Arrays.copyOf(values, (int) Math.min(MOST, needed + (needed >> 1)));
    }
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public Ints done() {
    values = Arrays.copyOf(values, size);
    return Ints.of(values);
  }
}
