package dev.attune.data;

import dev.attune.data.mapped.RecordSink;
import dev.attune.data.mapped.Records;
import dev.attune.data.mapped.StoreWriter;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.List;
import java.util.RandomAccess;
import java.util.function.Function;

/** Where rows lie while files are read: in memory or, of large files, in a store in the making. */
public final class RowSpace {
  /** Memory. */
  static final RowSpace MEMORY = new RowSpace(null);

  private final StoreWriter store; // null: memory
  private int lists;

  RowSpace(StoreWriter store) {
    this.store = store;
  }

  /** Whether rows are in memory. */
  boolean isMemory() {
    return store == null;
  }

  /** A list in the making. */
  interface Rows<T> {
    void add(T row);

    /** The list, to which nothing is added afterwards. */
    List<T> list();

    /** Gives its room back; nobody reads the list afterwards. */
    void drop();
  }

  <T> Rows<T> rows(RowCodec<T> codec) {
    return store == null ? new InMemory<>() : new Stored<>(store, "rows-" + lists++, codec);
  }

  /** The same of examples, whose list is a {@link StoredExamples} where it is not in memory. */
  Rows<Example> examples() {
    if (store == null) {
      return new InMemory<>();
    }
    ExampleCodec codec = new ExampleCodec();
    return new Stored<>(store, "examples-" + lists++, codec) {
      @Override
      public List<Example> list() {
        return new StoredExamples(records(), codec, name(), null, null);
      }
    };
  }

  /** Gives the room of rows back that were copied elsewhere. */
  void drop(List<Example> copied) {
    if (copied instanceof StoredExamples stored) {
      store.drop(stored.name());
    }
  }

  /** Rows changed: at once in memory, else when they are asked for. */
  <S, T> List<T> changed(List<S> rows, Function<S, T> change) {
    if (store == null) {
      return rows.stream().map(change).toList();
    }
    return new AbstractList<>() {
      @Override
      public T get(int index) {
        return change.apply(rows.get(index));
      }

      @Override
      public int size() {
        return rows.size();
      }
    };
  }

  private static final class InMemory<T> implements Rows<T> {
    private final List<T> rows = new ArrayList<>();

    @Override
    public void add(T row) {
      rows.add(row);
    }

    @Override
    public List<T> list() {
      return rows;
    }

    @Override
    public void drop() {
      // the garbage collector's business
    }
  }

  private static class Stored<T> implements Rows<T> {
    private final StoreWriter store;
    private final String name;
    private final RowCodec<T> codec;
    private final RecordSink sink;
    private final RowBytes bytes = new RowBytes();

    Stored(StoreWriter store, String name, RowCodec<T> codec) {
      this.store = store;
      this.name = name;
      this.codec = codec;
      this.sink = store.records(name);
    }

    @Override
    public void add(T row) {
      bytes.clear();
      codec.write(row, bytes);
      sink.add(bytes.bytes(), bytes.count());
    }

    Records records() {
      return sink.done();
    }

    @Override
    public List<T> list() {
      return new StoredRows<>(records(), codec);
    }

    String name() {
      return name;
    }

    @Override
    public void drop() {
      store.drop(name);
    }
  }

  private static final class StoredRows<T> extends AbstractList<T> implements RandomAccess {
    private final Records records;
    private final RowCodec<T> codec;

    StoredRows(Records records, RowCodec<T> codec) {
      this.records = records;
      this.codec = codec;
    }

    @Override
    public T get(int index) {
      return codec.read(records.get(index));
    }

    @Override
    public int size() {
      return records.size();
    }
  }
}
