package dev.attune.folder;

import dev.attune.core.InputException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;

/**
 * One writer at a time for a folder: a lock on the file {@value #FILE} inside it, which says who
 * holds it. The system takes the lock back when the process ends, however it ends.
 *
 * <p>The file stays when the lock is given back, empty: deleting it could hand one writer a file
 * that another has just taken away. On POSIX a process loses its lock as soon as it closes
 * <em>any</em> channel to the file, so that a table of this process is asked before the file is
 * touched.
 */
public final class FolderLock implements AutoCloseable {
  private static final String FILE = ".attune.lock";
  private static final int SHOWN_BYTES = 400;

  /** The folders that this process holds, and as whom. */
  private static final Map<Path, String> HELD = new HashMap<>();

  private final Path folder;
  private final FileChannel channel;

  private FolderLock(Path folder, FileChannel channel) {
    this.folder = folder;
    this.channel = channel;
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
      FileChannel channel =
          FileChannel.open(
              real.resolve(FILE),
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE);
      boolean taken = false;
      try {
        if (channel.tryLock() == null) {
          throw inUse(folder, holder(channel));
        }
        String me = me();
        channel.truncate(0);
        channel.write(ByteBuffer.wrap(me.getBytes(StandardCharsets.UTF_8)), 0);
        HELD.put(real, me);
        taken = true;
        return new FolderLock(real, channel);
      } finally {
        if (!taken) {
          channel.close();
        }
      }
    }
  }

  private static InputException inUse(Path folder, String holder) {
    return new InputException(
        folder + " is being written to by " + holder + "; wait until it has ended, or stop it");
  }

  private static String holder(FileChannel channel) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(SHOWN_BYTES);
    channel.read(bytes, 0);
    String text = new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8).strip();
    return text.isEmpty() ? "another process" : text;
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
          channel.truncate(0);
        } finally {
          channel.close();
        }
      }
    }
  }
}
