package dev.attune.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Puts a finished model's files into a folder that holds other things too (metrics, checkpoints).
 *
 * <p>The files are written and synced in a hidden folder beside their places; one rename declares
 * them complete; then each is renamed into place. A process killed before that rename leaves the
 * old model as it was; one killed after it leaves a complete new one, which {@link #recover} puts
 * into place.
 */
public final class ModelInstall {
  private static final String READY = ".model.ready";
  private static final String PARTIAL = ".model.partial";

  /** Writes a model's files into the folder given. */
  public interface Writer {
    void write(Path folder) throws IOException;
  }

  private ModelInstall() {}

  /**
   * Replaces the model in {@code target}.
   *
   * @throws IOException if the files could not be written; the old model is whole then
   */
  public static void install(Path target, Writer writer) throws IOException {
    recover(target);
    Files.createDirectories(target);
    Path partial = target.resolve(PARTIAL);
    deleteTree(partial);
    Files.createDirectory(partial);
    try {
      writer.write(partial);
      for (Path file : list(partial)) {
        sync(file, true);
      }
      sync(partial, false);
      Files.move(partial, target.resolve(READY), StandardCopyOption.ATOMIC_MOVE);
      sync(target, false);
    } catch (IOException | RuntimeException e) {
      try {
        deleteTree(partial);
      } catch (IOException cleanup) {
        e.addSuppressed(cleanup);
      }
      throw e;
    }
    recover(target);
  }

  /** Finishes an installation that was cut off, if there is one. */
  public static void recover(Path target) throws IOException {
    Path ready = target.resolve(READY);
    if (!Files.isDirectory(ready)) {
      return;
    }
    for (Path file : list(ready)) {
      Files.move(
          file,
          target.resolve(file.getFileName()),
          StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
    }
    sync(target, false);
    Files.delete(ready);
    deleteTree(target.resolve(PARTIAL));
  }

  private static List<Path> list(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      stream.forEach(files::add);
    }
    files.sort(null);
    return files;
  }

  private static void sync(Path path, boolean write) throws IOException {
    try (FileChannel channel =
        FileChannel.open(path, write ? StandardOpenOption.WRITE : StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private static void deleteTree(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    for (Path file : list(folder)) {
      Files.delete(file);
    }
    Files.delete(folder);
  }
}
