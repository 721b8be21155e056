package dev.attune.data;

import dev.attune.core.Cache;
import dev.attune.core.CodeIdentity;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.mapped.Store;
import dev.attune.data.mapped.StoreException;
import dev.attune.data.mapped.StoreWriter;
import dev.attune.data.mapped.Stores;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Large data files, read once: their rows are kept in a store, under a key over the files' content
 * and all that says how they are read. Rows that are read from there are read when they are asked
 * for, so that memory does not depend on how many there are.
 */
public final class RowCache {
  /** To be raised whenever rows are read or written otherwise than before. */
  private static final int FORMAT = 3;

  private final Stores stores;
  private final long leastBytes;
  private final KnownContent contents;

  /**
   * @param leastBytes files of fewer are read into memory
   * @param threads that read a file at a time
   */
  public RowCache(Stores stores, long leastBytes, int threads) {
    this.stores = stores;
    this.leastBytes = leastBytes;
    this.contents = new KnownContent(stores, threads);
  }

  /** One that keeps nothing: all files are read into memory. */
  public static RowCache none() {
    return new RowCache(null, Long.MAX_VALUE, 1);
  }

  /** As {@link DataReader#read(List, ReadOptions)}. */
  public Dataset read(List<String> paths, ReadOptions options) {
    List<Path> files = DataFiles.of(paths, options.written());
    boolean isPipe = files.stream().anyMatch(DataFile::isOnce);
    if (stores == null || !isPipe && sizeBytes(files) < leastBytes) {
      return DataReader.all(files, options);
    }
    try {
      if (isPipe) {
        return read(files, options, null);
      }
      String key = key(files, options);
      Store store = stores.find(key);
      return store != null ? DatasetFacts.dataset(store, key, stores) : read(files, options, key);
    } catch (StoreException e) {
      throw new UncheckedIOException(
          e.getMessage() + ". Large data are kept there while they are used; " + Cache.ADVICE,
          new IOException(e));
    }
  }

  private static long sizeBytes(List<Path> files) {
    long bytes = 0;
    for (Path file : files) {
      try {
        bytes += Files.size(file);
      } catch (IOException e) {
        return 0; // which reading it will tell
      }
    }
    return bytes;
  }

  /**
   * Reads files into a store.
   *
   * @param key null: what can be read but once, such as a pipe, is kept while it is used
   */
  private Dataset read(List<Path> files, ReadOptions options, String key) {
    try (StoreWriter writer = stores.begin()) {
      Dataset data = DataReader.all(files, options.in(new RowSpace(writer)));
      if (!(data.examples() instanceof StoredExamples examples)) {
        return data; // of a format that is read as a whole
      }
      if (key == null) {
        return data;
      }
      if (!key(files, options).equals(key)) {
        throw new InputException(
            data.source() + " has changed while it was read; begin again when it is whole");
      }
      stores.publish(writer, key, DatasetFacts.of(data, examples));
      return data.withExamples(examples.keyed(key, stores));
    }
  }

  private String key(List<Path> files, ReadOptions options) {
    ContentKey key =
        ContentKey.of("rows " + FORMAT + CodeIdentity.text()).with(options.described());
    for (Path file : files) {
      key.with(file.toString());
      try {
        key.with(contents.of(file));
      } catch (IOException e) {
        InterruptedCallException.check("reading " + file); // which closes the channel
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
      for (Path source : options.wantsNames() ? ClassesBeside.sources(file) : List.<Path>of()) {
        try {
          String content = contents.of(source);
          key.with(source.toString()).with(content);
        } catch (IOException e) {
          InterruptedCallException.check("reading " + source); // else it is as if it were not there
        }
      }
    }
    return "rows-" + key.text();
  }
}
