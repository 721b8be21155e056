package dev.attune.storage;

import dev.attune.core.FileOps;
import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * One file that is written whole or not at all: under a name of its own beside its place, synced,
 * then renamed. Closed without {@link #commit}, it leaves what was there.
 *
 * <p>The name of an unfinished file is held by a lock, which the system takes back when the process
 * ends, however it ends: so the next writer of the same file knows what a killed one left, and
 * removes it.
 */
public final class AtomicFile implements AutoCloseable {
  private static final int BUFFER_BYTES = 1 << 16;
  private static final String PARTIAL = ".partial-";

  /** The unfinished files of this process: POSIX would drop their locks at another's look. */
  private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

  /** Those of them that are being written, not just looked at. */
  private static final Set<Path> WRITTEN = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final Path partial;
  private final FileOps files;
  private final FileChannel channel;
  private final BufferedOutputStream out;
  private Writer text; // null: it is no text
  private boolean committed;
  private boolean closed;

  private AtomicFile(Path file, Path partial, FileOps files, FileChannel channel) {
    this.file = file;
    this.partial = partial;
    this.files = files;
    this.channel = channel;
    this.out = new BufferedOutputStream(new Unbuffered(), BUFFER_BYTES);
    WRITTEN.add(partial);
  }

  /** What goes into the file, by the file operations. */
  private final class Unbuffered extends OutputStream {
    @Override
    public void write(int single) throws IOException {
      write(new byte[] {(byte) single}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      files.write(channel, ByteBuffer.wrap(bytes, offset, length));
    }
  }

  /**
   * Begins a file; the one of that name stays until {@link #commit}.
   *
   * @param file in a folder that exists; no link, for a link would be replaced
   */
  public static AtomicFile create(Path file) throws IOException {
    return create(file, FileOps.SYSTEM);
  }

  /** The same by other file operations. */
  public static AtomicFile create(Path file, FileOps files) throws IOException {
    Path place = file.toAbsolutePath();
    removeAbandoned(place, files);
    String name = place.getFileName() + PARTIAL + ProcessHandle.current().pid() + "-";
    for (int number = 1; ; number++) {
      Path partial = place.resolveSibling(name + number);
      if (!UNFINISHED.add(partial)) {
        continue; // another thread's
      }
      try {
        FileChannel channel = files.create(partial);
        if (isHeld(channel) && Files.exists(partial)) {
          return new AtomicFile(place, partial, files, channel);
        }
        channel.close(); // another writer looked before the lock was there, and took it for left
        UNFINISHED.remove(partial);
      } catch (FileAlreadyExistsException e) {
        UNFINISHED.remove(partial); // of a process with the same number, in another container
      } catch (IOException | RuntimeException e) {
        UNFINISHED.remove(partial);
        throw e;
      }
    }
  }

  /** Writes a file. */
  public static void write(Path file, byte[] content) throws IOException {
    write(file, content, FileOps.SYSTEM);
  }

  /** Writes a file by other file operations. */
  public static void write(Path file, byte[] content, FileOps files) throws IOException {
    try (AtomicFile out = create(file, files)) {
      out.stream().write(content);
      out.commit();
    }
  }

  /** Writes a text file in UTF-8. */
  public static void write(Path file, CharSequence text) throws IOException {
    write(file, text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** Removes what is being written, for who ends the process: nobody else may go on with it. */
  public static void deleteUnfinished() {
    for (Path partial : WRITTEN) {
      try {
        FileOps.SYSTEM.delete(partial);
      } catch (IOException e) {
        // The next writer of the file removes it.
      }
    }
  }

  private static boolean isHeld(FileChannel channel) {
    try {
      return channel.tryLock() != null;
    } catch (IOException e) {
      return true; // a file system without locks: there nobody takes an unfinished file for left
    }
  }

  /** Removes what writers of the same file have left that were killed. */
  private static void removeAbandoned(Path file, FileOps files) throws IOException {
    String begin = file.getFileName() + PARTIAL;
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(
            file.getParent(), entry -> entry.getFileName().toString().startsWith(begin))) {
      for (Path entry : entries) {
        if (UNFINISHED.add(entry)) {
          try {
            if (isAbandoned(entry, files)) {
              files.delete(entry);
            }
          } finally {
            UNFINISHED.remove(entry);
          }
        }
      }
    }
  }

  private static boolean isAbandoned(Path partial, FileOps files) {
    try (FileChannel channel = files.open(partial)) {
      return channel.tryLock() != null;
    } catch (NoSuchFileException e) {
      return false; // it has just become whole
    } catch (IOException | OverlappingFileLockException e) {
      return false; // no locks here, or another class loader of this process holds it
    }
  }

  /** What is written here becomes the file's content; buffered. */
  public OutputStream stream() {
    return out;
  }

  /** The same for text, in UTF-8; a character that UTF-8 does not have is an exception. */
  public Writer writer() {
    if (text == null) {
      text = new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8.newEncoder()));
    }
    return text;
  }

  /**
   * Puts the file in its place; after this it survives a loss of power.
   *
   * @throws IOException if it could not: what was there is there still, unless only the sync of the
   *     folder failed, which the message says
   */
  public void commit() throws IOException {
    if (text != null) {
      text.flush();
    }
    out.flush();
    files.sync(channel);
    files.replace(partial, file);
    committed = true;
    try {
      files.syncFolder(file.getParent());
    } catch (IOException e) {
      throw new IOException(
          file
              + " is written, but its folder could not be synced, so that a loss of power may undo"
              + " it: "
              + e.getMessage(),
          e);
    }
  }

  /** Ends the writing; what was not committed goes. */
  @Override
  public void close() throws IOException {
    if (closed) { // the channel may be so without us: an interrupt closes it
      return;
    }
    closed = true;
    try {
      if (!committed) {
        files.delete(partial);
      }
    } finally {
      channel.close();
      WRITTEN.remove(partial);
      UNFINISHED.remove(partial);
    }
  }
}
