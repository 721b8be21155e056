package dev.attune.folder;

import dev.attune.core.InputException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * One writer at a time for a folder: a lock on the file {@value #FILE} inside it, which says who
 * holds it and goes when the lock is given back. The system takes the lock back when the process
 * ends, however it ends.
 *
 * <p>Two traps shape this. A file that is opened may be deleted by its holder before it is locked,
 * and a lock on it then excludes nobody: so the lock counts only once the file of that name holds
 * what was written through it. And on POSIX a process loses its lock as soon as it closes
 * <em>any</em> channel to the file: so the channel that looked is kept open too, and a table of
 * this process is asked before the file is touched.
 */
public final class FolderLock implements AutoCloseable {
  private static final String FILE = ".attune.lock";
  private static final int SHOWN_BYTES = 400;

  /** The folders that this process holds, and as whom. */
  private static final Map<Path, String> HELD = new HashMap<>();

  private final Path folder;
  private final FileChannel channel;
  private final FileChannel look;

  private FolderLock(Path folder, FileChannel channel, FileChannel look) {
    this.folder = folder;
    this.channel = channel;
    this.look = look;
  }

  /**
   * Takes the lock.
   *
   * @param folder which exists
   * @throws InputException if another holds it, saying who
   * @throws IOException if the folder cannot be written or its file system has no locks
   */
  public static FolderLock take(Path folder) throws IOException {
    Path real = folder.toRealPath();
    synchronized (HELD) {
      String ours = HELD.get(real);
      if (ours != null) {
        throw inUse(folder, ours);
      }
      String me = me();
      FolderLock lock = null;
      while (lock == null) {
        lock = tryTake(folder, real, me);
      }
      HELD.put(real, me);
      return lock;
    }
  }

  /** Null: the file was deleted by its holder while it was being locked. */
  private static FolderLock tryTake(Path folder, Path real, String me) throws IOException {
    Path file = real.resolve(FILE);
    FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    FileChannel look = null;
    FolderLock taken = null;
    try {
      if (channel.tryLock() == null) {
        String holder = text(channel);
        throw inUse(folder, holder.isEmpty() ? "another process" : holder);
      }
      channel.truncate(0);
      channel.write(ByteBuffer.wrap(me.getBytes(StandardCharsets.UTF_8)), 0);
      look = FileChannel.open(file, StandardOpenOption.READ);
      if (text(look).equals(me)) {
        taken = new FolderLock(real, channel, look);
      }
    } catch (NoSuchFileException e) {
      return null;
    } finally {
      if (taken == null) {
        channel.close();
        if (look != null) {
          look.close();
        }
      }
    }
    return taken;
  }

  /**
   * Who holds the lock of a folder, this process included; empty where nobody does, or there is no
   * such folder. One that is asked for in the same instant may be refused for the sake of this
   * look.
   *
   * @throws IOException if the lock's file cannot be opened, or its file system has no locks
   */
  public static Optional<String> holder(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return Optional.empty();
    }
    Path real = folder.toRealPath();
    synchronized (HELD) {
      String ours = HELD.get(real);
      if (ours != null) {
        return Optional.of(ours);
      }
      Path file = real.resolve(FILE);
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        if (channel.tryLock() != null) {
          return Optional.empty(); // left by a process that was killed
        }
        String holder = text(channel);
        return Optional.of(holder.isEmpty() ? "another process" : holder);
      } catch (NoSuchFileException e) {
        return Optional.empty();
      }
    }
  }

  private static InputException inUse(Path folder, String holder) {
    return new InputException(
        folder + " is being written to by " + holder + "; wait until it has ended, or stop it");
  }

  private static String text(FileChannel channel) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(SHOWN_BYTES);
    channel.read(bytes, 0);
    return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8);
  }

  private static String me() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      host = "this machine";
    }
    return "process "
        + ProcessHandle.current().pid()
        + " on "
        + host
        + ", since "
        + Instant.now().truncatedTo(ChronoUnit.SECONDS);
  }

  /** Gives the lock back; a second call does nothing. */
  @Override
  public void close() throws IOException {
    synchronized (HELD) {
      if (channel.isOpen()) {
        HELD.remove(folder);
        try {
          Files.deleteIfExists(folder.resolve(FILE));
        } finally {
          look.close();
          channel.close();
        }
      }
    }
  }
}
