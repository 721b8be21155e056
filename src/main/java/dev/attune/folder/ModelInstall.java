package dev.attune.folder;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Replaces the model in a folder as a whole: what the new one has takes its place, what only the
 * old one had goes (an adapter's files would else stay in charge of the weights beside them), and
 * all that is no model's stays: metrics, checkpoints, the user's own files.
 *
 * <p>The new files are written and synced in a hidden folder beside their places, with a list of
 * their names. One rename declares them complete; then each is renamed into place, the old ones are
 * deleted, and the list goes last. A process killed before that rename leaves the old model as it
 * was; one killed after it leaves what is needed to finish, which {@link #recover} does.
 */
public final class ModelInstall {
  private static final String READY = ".model.ready";
  private static final String PARTIAL = ".model.partial";
  private static final String LIST = ".files.json";
  private static final int WAIT_MILLIS = 10_000;
  private static final int POLL_MILLIS = 20;

  /** Writes a model's files into the folder given. */
  public interface Writer {
    void write(Path folder) throws IOException;
  }

  private ModelInstall() {}

  /**
   * Replaces the model in {@code target}, whose lock the caller holds.
   *
   * @throws IOException if the files could not be written; the old model is whole then, unless
   *     {@link #isUnfinished}: then the new one is complete and has yet to come to its place
   */
  public static void install(Path target, Writer writer) throws IOException {
    install(target, writer, FileOps.SYSTEM);
  }

  static void install(Path target, Writer writer, FileOps files) throws IOException {
    finish(target, files);
    files.createFolder(target);
    Path partial = target.resolve(PARTIAL);
    deleteFolder(partial, files);
    try {
      files.createFolder(partial);
      writer.write(partial);
      Set<String> names = new TreeSet<>();
      list(partial).forEach(file -> names.add(name(partial, file)));
      files.writePart(partial.resolve(LIST), new ObjectMapper().writeValueAsBytes(names));
      for (Path file : list(partial)) {
        try (FileChannel channel = files.open(file)) {
          files.sync(channel);
        }
        if (!file.getParent().equals(partial)) {
          files.syncFolder(file.getParent());
        }
      }
      files.syncFolder(partial);
      files.rename(partial, target.resolve(READY));
      files.syncFolder(target);
    } catch (IOException | RuntimeException e) {
      try {
        deleteFolder(partial, files);
      } catch (IOException cleanup) {
        e.addSuppressed(cleanup);
      }
      throw e;
    }
    finish(target, files);
  }

  /** Whether an installation was cut off here, so that the model is not yet in place. */
  public static boolean isUnfinished(Path target) {
    return Files.isDirectory(target.resolve(READY));
  }

  /**
   * For readers: finishes an installation that was cut off, if there is one, or waits for the
   * process that is at it.
   *
   * @throws InputException if that process takes longer than it ever should
   */
  static void recover(Path target) throws IOException {
    recover(target, FileOps.SYSTEM);
  }

  static void recover(Path target, FileOps files) throws IOException {
    long begin = System.nanoTime();
    while (isUnfinished(target)) {
      FolderLock lock = takeOrWait(target, begin);
      if (lock != null) {
        try {
          finish(target, files);
        } finally {
          lock.close();
        }
      }
    }
  }

  /** Null: another holds it, and was given some time to finish. */
  private static FolderLock takeOrWait(Path target, long beginNanos) throws IOException {
    try {
      return FolderLock.take(target);
    } catch (InputException inUse) {
      if ((System.nanoTime() - beginNanos) / 1_000_000 > WAIT_MILLIS) {
        throw inUse;
      }
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw inUse;
      }
      return null;
    }
  }

  /** As {@link #recover}, for the holder of the folder's lock. */
  public static void finish(Path target) throws IOException {
    finish(target, FileOps.SYSTEM);
  }

  private static void finish(Path target, FileOps files) throws IOException {
    if (!isUnfinished(target)) {
      return;
    }
    Path ready = target.resolve(READY);
    for (Path file : list(ready)) {
      if (!isList(file)) {
        Path place = target.resolve(name(ready, file));
        files.createFolder(place.getParent());
        files.replace(file, place);
        if (!place.getParent().equals(target)) {
          files.syncFolder(place.getParent());
        }
      }
    }
    Path names = ready.resolve(LIST);
    if (Files.exists(names)) {
      Set<?> ours = new ObjectMapper().readValue(names.toFile(), Set.class);
      for (Path file : ModelFiles.list(target)) {
        if (!ours.contains(name(target, file))) {
          files.delete(file);
        }
      }
    }
    files.syncFolder(target);
    deleteFolder(ready, files);
    deleteFolder(target.resolve(PARTIAL), files);
  }

  /** What a file is called in the list: {@code 1_Pooling/config.json}. */
  private static String name(Path folder, Path file) {
    return folder.relativize(file).toString().replace('\\', '/');
  }

  private static boolean isList(Path file) {
    return file.getFileName().toString().equals(LIST);
  }

  /** The files of a folder and of the folders in it, in the order of their names. */
  private static List<Path> list(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      for (Path entry : stream) {
        if (Files.isDirectory(entry)) {
          files.addAll(list(entry));
        } else {
          files.add(entry);
        }
      }
    }
    files.sort(null);
    return files;
  }

  private static void deleteFolder(Path folder, FileOps files) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      for (Path entry : stream) {
        if (Files.isDirectory(entry)) {
          deleteFolder(entry, files);
        } else {
          files.delete(entry);
        }
      }
    }
    files.delete(folder);
  }
}
