package dev.attune.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
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
    install(target, writer, FileOps.SYSTEM);
  }

  static void install(Path target, Writer writer, FileOps files) throws IOException {
    recover(target, files);
    files.createFolder(target);
    Path partial = target.resolve(PARTIAL);
    deleteTree(partial, files);
    files.createFolder(partial);
    try {
      writer.write(partial);
      for (Path file : list(partial)) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
          files.sync(channel);
        }
      }
      files.syncFolder(partial);
      files.rename(partial, target.resolve(READY));
      files.syncFolder(target);
    } catch (IOException | RuntimeException e) {
      try {
        deleteTree(partial, files);
      } catch (IOException cleanup) {
        e.addSuppressed(cleanup);
      }
      throw e;
    }
    recover(target, files);
  }

  /** Finishes an installation that was cut off, if there is one. */
  public static void recover(Path target) throws IOException {
    recover(target, FileOps.SYSTEM);
  }

  private static void recover(Path target, FileOps files) throws IOException {
    Path ready = target.resolve(READY);
    if (!Files.isDirectory(ready)) {
      return;
    }
    for (Path file : list(ready)) {
      files.replace(file, target.resolve(file.getFileName()));
    }
    files.syncFolder(target);
    files.delete(ready);
    deleteTree(target.resolve(PARTIAL), files);
  }

  private static List<Path> list(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      stream.forEach(files::add);
    }
    files.sort(null);
    return files;
  }

  private static void deleteTree(Path folder, FileOps files) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    for (Path file : list(folder)) {
      files.delete(file);
    }
    files.delete(folder);
  }
}
