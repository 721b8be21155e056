package dev.attune.core;

import com.sun.nio.file.ExtendedOpenOption;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * The file operations whose failure must lose nothing: all that replaces a user's model, checkpoint
 * or log passes through here, so that tests can make each operation fail in turn.
 */
public class FileOps {
  /** The real ones. */
  public static final FileOps SYSTEM = new FileOps();

  private static final int PIECE_BYTES = 1 << 16;

  /** Makes a folder with those above it, unless it is there; durably. */
  public void createFolder(Path folder) throws IOException {
    List<Path> parents = new ArrayList<>();
    for (Path at = folder.toAbsolutePath(); !Files.exists(at); at = at.getParent()) {
      parents.add(at.getParent());
    }
    Files.createDirectories(folder);
    for (Path parent : parents) {
      try {
        syncFolder(parent);
      } catch (AccessDeniedException e) {
        // Who may write to a folder but not list it cannot sync it: the system does, later.
      }
    }
  }

  public FileChannel create(Path file) throws IOException {
    return FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  }

  /** Opens a file to write it from its beginning; makes it where there is none. */
  public FileChannel overwrite(Path file) throws IOException {
    return FileChannel.open(
        file,
        StandardOpenOption.CREATE,
        StandardOpenOption.WRITE,
        StandardOpenOption.TRUNCATE_EXISTING);
  }

  /** Opens a file that is there, to sync it. */
  public FileChannel open(Path file) throws IOException {
    return FileChannel.open(file, StandardOpenOption.WRITE);
  }

  /**
   * Opens a file that is there and empty, to write from its beginning past the memory of the file
   * system: whole blocks of {@link Chunk#ALIGNMENT} bytes, from memory that is aligned to as many.
   * A processor that is busy is asked for next to nothing then, and nothing else is pushed out of
   * that memory.
   *
   * @return null where the file system has no such way, or other blocks
   */
  public FileChannel openDirect(Path file) throws IOException {
    // What is written next takes the place of this.
    return direct(file, StandardOpenOption.WRITE, (channel, block) -> channel.write(block, 0));
  }

  /** Opens a file of a block or more to be read in the same way; null where that cannot be. */
  public FileChannel openDirectToRead(Path file) throws IOException {
    return direct(file, StandardOpenOption.READ, (channel, block) -> channel.read(block, 0));
  }

  /** What passes first. */
  interface Trial {
    void pass(FileChannel channel, ByteBuffer block) throws IOException;
  }

  /**
   * Some file systems open a file that way, and refuse what is to pass; where their blocks have a
   * size that is no power of two, the JDK refuses it with an exception of another kind.
   */
  static FileChannel direct(Path file, StandardOpenOption way, Trial trial) throws IOException {
    FileChannel channel;
    try {
      channel = FileChannel.open(file, way, ExtendedOpenOption.DIRECT);
    } catch (IOException | UnsupportedOperationException e) {
      return null;
    }
    try (Chunk lent = Chunk.borrow()) {
      trial.pass(channel, lent.bytes().limit(Chunk.ALIGNMENT));
      return channel;
    } catch (IOException | RuntimeException e) {
      channel.close();
      return null;
    }
  }

  /**
   * Writes a file that is part of a whole: in place and unsynced, for whoever then syncs all parts
   * and renames their folder.
   */
  public void writePart(Path file, byte[] content) throws IOException {
    try (FileChannel channel = overwrite(file)) {
      write(channel, ByteBuffer.wrap(content));
    }
  }

  /** Copies a file that is part of a whole, as {@link #writePart} writes one. */
  public void copyPart(Path from, Path to) throws IOException {
    ByteBuffer piece = ByteBuffer.allocate(PIECE_BYTES);
    try (FileChannel in = FileChannel.open(from, StandardOpenOption.READ);
        FileChannel out = overwrite(to)) {
      while (in.read(piece.clear()) >= 0) {
        write(out, piece.flip());
      }
    }
  }

  /** Opens a file to go on writing at its end; makes it where there is none. */
  public FileChannel append(Path file) throws IOException {
    return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  public void write(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  public void sync(FileChannel channel) throws IOException {
    channel.force(true);
  }

  /** Makes renames and creations inside a folder durable. */
  public void syncFolder(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  public void rename(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
  }

  public void replace(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  public void delete(Path file) throws IOException {
    Files.deleteIfExists(file);
  }

  /** Deletes a folder, if there is one, with all that is in it; of a link the link alone. */
  public void deleteTree(Path folder) throws IOException {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    List<Path> all;
    try (Stream<Path> files = Files.walk(folder)) {
      all = files.sorted(Comparator.reverseOrder()).toList();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    for (Path file : all) {
      delete(file);
    }
  }
}
