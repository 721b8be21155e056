package dev.attune.data.mapped;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * A store in the making: a folder under another name until {@link #publish}. One that is closed
 * before that is deleted; so is, by the next writer beside it, what a killed process left.
 */
public final class StoreWriter implements Storage, AutoCloseable {
  static final String ASIDE = ".tmp";
  private static final String LOCK = "lock";
  private static final Duration BEGINNING = Duration.ofMinutes(10);

  /** The unfinished folders of this process: POSIX would drop their locks at another's look. */
  private static final Set<Path> OWN = ConcurrentHashMap.newKeySet();

  private final FileOps files;
  private final Path aside;
  private final FileChannel lock;
  private final Map<String, StoreFile> written = new LinkedHashMap<>();
  private boolean isPublished;

  private StoreWriter(FileOps files, Path aside, FileChannel lock) {
    this.files = files;
    this.aside = aside;
    this.lock = lock;
  }

  /**
   * Begins a store.
   *
   * @param parent the folder that stores lie in, which is made if need be
   * @throws StoreException if it cannot be written to
   */
  public static StoreWriter in(Path parent, FileOps files) {
    try {
      Cache.makeFolder(parent);
      deleteLeft(parent, files);
      while (true) {
        Path aside = parent.resolve(UUID.randomUUID() + ASIDE);
        StoreWriter writer = begun(aside, files);
        if (writer != null) {
          return writer;
        }
      }
    } catch (IOException e) {
      throw StoreException.of(parent + " cannot be written", e);
    }
  }

  /** Null where another process looked before the lock was there, and took the folder for left. */
  private static StoreWriter begun(Path aside, FileOps files) throws IOException {
    Path key = key(aside);
    OWN.add(key);
    boolean isBegun = false;
    try {
      files.createFolder(aside);
      FileChannel lock =
          FileChannel.open(
              aside.resolve(LOCK), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      isBegun = isTaken(lock) && Files.exists(aside.resolve(LOCK));
      if (isBegun) {
        return new StoreWriter(files, aside, lock);
      }
      lock.close();
      return null;
    } finally {
      if (!isBegun) {
        deleteQuietly(aside, files);
        OWN.remove(key);
      }
    }
  }

  private static Path key(Path aside) {
    return aside.toAbsolutePath().normalize();
  }

  private static boolean isTaken(FileChannel lock) {
    try {
      return lock.tryLock() != null;
    } catch (IOException e) {
      return true; // a file system without locks: what a killed process leaves behind stays there
    }
  }

  /** Deletes what processes that are no more were writing, as far as that can be done. */
  private static void deleteLeft(Path parent, FileOps files) throws IOException {
    List<Path> left;
    try (Stream<Path> entries = Files.list(parent)) {
      left = entries.filter(path -> path.toString().endsWith(ASIDE)).toList();
    }
    for (Path folder : left) {
      if (!OWN.contains(key(folder))) {
        deleteIfLeft(folder, files);
      }
    }
  }

  /** Deletes under the lock, so that who has just begun there knows. */
  private static void deleteIfLeft(Path folder, FileOps files) {
    try (FileChannel channel = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.WRITE);
        FileLock held = channel.tryLock()) {
      if (held != null) {
        files.deleteTree(folder);
      }
    } catch (NoSuchFileException e) {
      if (isOld(folder)) { // else just begun or just deleted
        deleteQuietly(folder, files);
      }
    } catch (IOException | OverlappingFileLockException e) {
      // No locks here, or somebody else is deleting it: it stays until the next time.
    }
  }

  private static void deleteQuietly(Path folder, FileOps files) {
    try {
      files.deleteTree(folder);
    } catch (IOException e) {
      // It stays until the next time.
    }
  }

  private static boolean isOld(Path folder) {
    try {
      return Files.getLastModifiedTime(folder).toInstant().isBefore(Instant.now().minus(BEGINNING));
    } catch (IOException e) {
      return false;
    }
  }

  /** Where it is in the meantime. */
  public Path folder() {
    return aside;
  }

  @Override
  public IntSink ints(String name) {
    return new IntFile(begun(name + Store.INTS));
  }

  /** New records, which take the column {@code name-begins}. */
  public RecordSink records(String name) {
    return new RecordSink(begun(name + Store.RECORDS), ints(name + Store.BEGINS));
  }

  private StoreFile begun(String name) {
    if (written.containsKey(name)) {
      throw new IllegalArgumentException(name + " is there already");
    }
    try {
      StoreFile file = new StoreFile(files, aside.resolve(name));
      written.put(name, file);
      return file;
    } catch (IOException e) {
      throw StoreException.of(aside.resolve(name) + " cannot be made", e);
    }
  }

  /** Takes back a column or records: as if they had never been. */
  public void drop(String name) {
    for (String file :
        List.of(name + Store.INTS, name + Store.RECORDS, name + Store.BEGINS + Store.INTS)) {
      StoreFile dropped = written.remove(file);
      if (dropped != null) {
        dropped.close();
        delete(dropped.file());
      }
    }
  }

  private void delete(Path file) {
    try {
      files.delete(file);
    } catch (IOException e) {
      throw StoreException.of(file + " cannot be deleted", e);
    }
  }

  /**
   * Makes it a store. Where there is one of that name, which another process has made in the
   * meantime, that one stays.
   *
   * @param facts what is said of it
   */
  public void publish(Path folder, JsonNode facts) {
    ObjectNode manifest = JsonNodeFactory.instance.objectNode();
    ObjectNode list = manifest.putObject("files");
    String said = facts.toString();
    manifest.put("facts", said).put("crc", Store.crc(said));
    try {
      for (Map.Entry<String, StoreFile> entry : written.entrySet()) {
        StoreFile file = entry.getValue();
        file.finish();
        BlockSums sums = file.sums();
        list.putObject(entry.getKey()).put("bytes", file.sizeBytes()).put("crc", sums.checksum());
        write(entry.getKey() + Store.SUMS, sums.bytes());
      }
      write(Store.MANIFEST, manifest.toPrettyString().getBytes(StandardCharsets.UTF_8));
      if (Files.exists(folder)) {
        return;
      }
      files.rename(aside, folder);
      isPublished = true;
    } catch (IOException e) {
      if (!Files.exists(folder.resolve(Store.MANIFEST))) {
        throw StoreException.of(folder + " cannot be made", e);
      }
    }
  }

  private void write(String name, byte[] content) throws IOException {
    try (FileChannel channel = files.create(aside.resolve(name))) {
      files.write(channel, ByteBuffer.wrap(content));
    }
  }

  /** Deletes it, unless it was published. */
  @Override
  public void close() {
    try {
      lock.close();
      if (!isPublished) {
        written.values().forEach(StoreFile::close);
        files.deleteTree(aside);
      }
    } catch (IOException e) {
      throw StoreException.of(aside + " cannot be deleted", e);
    } finally {
      OWN.remove(key(aside));
    }
  }
}
