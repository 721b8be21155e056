package dev.attune.data.mapped;

import java.io.IOException;

/** A column that grows in a file. */
final class IntFile implements IntSink {
  private final StoreFile file;
  private int size;

  IntFile(StoreFile file) {
    this.file = file;
  }

  @Override
  public void add(int value) {
    size = IntSink.grown(size, 1);
    file.putInt(value);
  }

  @Override
  public void addAll(int[] values, int from, int count) {
    size = IntSink.grown(size, count);
    file.putInts(values, from, count);
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public Ints done() {
    file.finish();
    try {
      return new MappedInts(new MappedFile(file.file()));
    } catch (IOException e) {
      throw StoreException.of(file.file() + " cannot be read", e);
    }
  }
}
