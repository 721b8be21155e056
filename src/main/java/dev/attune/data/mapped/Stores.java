package dev.attune.data.mapped;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Stores under their keys in one folder. One that nobody has opened for a month is deleted when the
 * next is written; all of them may be deleted at any time by anybody.
 */
public final class Stores {
  private static final Duration KEPT = Duration.ofDays(30);

  private final Supplier<Path> place;
  private final FileOps files;
  private final Consumer<String> notes;

  /**
   * @param place says the folder, which need not exist; asked when it is needed
   * @param notes hears, in a sentence, of a store that was damaged
   */
  public Stores(Supplier<Path> place, FileOps files, Consumer<String> notes) {
    this.place = place;
    this.files = files;
    this.notes = notes;
  }

  /** Where they are. */
  public Path folder() {
    return place.get();
  }

  /** The store of a key; null where there is none, or it was damaged: then it is deleted. */
  public Store find(String key) {
    Path folder = folder().resolve(key);
    if (!Files.isDirectory(folder)) {
      return null;
    }
    try {
      Store store = Store.open(folder);
      touch(folder);
      return store;
    } catch (StoreException e) {
      notes.accept(e.getMessage() + "; what it held is made again");
      delete(folder);
      return null;
    }
  }

  private static void touch(Path folder) {
    try {
      Files.setLastModifiedTime(folder.resolve(Store.MANIFEST), FileTime.from(Instant.now()));
    } catch (IOException e) {
      // A folder that may only be read: whoever may write to it will keep it by other means.
    }
  }

  /** Begins a store. */
  public StoreWriter begin() {
    StoreWriter writer = StoreWriter.in(folder(), files);
    try {
      deleteOld();
    } catch (RuntimeException | Error e) {
      try (writer) {
        throw e;
      }
    }
    return writer;
  }

  /** Ends a store under its key. */
  public void publish(StoreWriter writer, String key, JsonNode facts) {
    writer.publish(folder().resolve(key), facts);
  }

  private void deleteOld() {
    Instant before = Instant.now().minus(KEPT);
    for (Path store : all()) {
      try {
        if (lastOpened(store).isBefore(before)) {
          delete(store);
        }
      } catch (IOException e) {
        // another process has deleted it
      }
    }
  }

  /** One that was found damaged while it was read has no manifest any more, and its own time. */
  private static Instant lastOpened(Path store) throws IOException {
    Path manifest = store.resolve(Store.MANIFEST);
    return Files.getLastModifiedTime(Files.exists(manifest) ? manifest : store).toInstant();
  }

  /** What is written meanwhile is left to {@link StoreWriter}. */
  private List<Path> all() {
    try (Stream<Path> entries = Files.list(folder())) {
      return entries
          .filter(entry -> !entry.toString().endsWith(StoreWriter.ASIDE))
          .filter(entry -> Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS))
          .toList();
    } catch (IOException e) {
      throw StoreException.of(folder() + " cannot be read", e);
    }
  }

  /** What cannot be deleted, as by who may only read, stays: nobody takes it for whole. */
  private void delete(Path folder) {
    try {
      files.deleteTree(folder);
    } catch (IOException e) {
      notes.accept(folder + " cannot be deleted: " + e.getMessage());
    }
  }
}
