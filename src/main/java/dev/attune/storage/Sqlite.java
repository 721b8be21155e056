package dev.attune.storage;

import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.NativeLoader;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.sqlite.SQLiteConfig;
import org.sqlite.util.LibraryLoaderUtil;

/**
 * SQLite databases, in WAL mode: several processes may use one at a time, and one that is killed
 * leaves what it had committed.
 *
 * @param what it is, in messages: "the run store"
 * @param version of the layout: a file that has another one was made by another version
 * @param layout statements that make it
 * @param isDurable whether what was committed also survives a power failure, which costs a sync of
 *     the disk each time; else that may cost the last seconds, never the file
 */
public record Sqlite(String what, int version, List<String> layout, boolean isDurable) {
  private static final int BUSY_MILLIS = 10_000;
  private static final String UNPACKED_TO = "org.sqlite.tmpdir";
  private static final String UNPACKED_IN = "org.sqlite.lib.path";
  private static final String LEFT = "sqlite-.+-";
  private static final Duration ABANDONED = Duration.ofHours(1);

  /** Whether the library is there. */
  public static boolean isAvailable() {
    try {
      Class.forName("org.sqlite.SQLiteConfig", false, Sqlite.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /** The file and those that SQLite keeps beside it while it is open, or after a crash. */
  public static List<Path> files(Path file) {
    return Stream.of("", "-wal", "-shm", "-journal")
        .map(end -> file.resolveSibling(file.getFileName() + end))
        .toList();
  }

  /**
   * Opens a file, which is made where it is not there.
   *
   * @throws InputException if it is of another version, or its folder's name cannot be used
   */
  public Connection open(Path file) throws SQLException, IOException {
    Path folder = file.toAbsolutePath().getParent();
    if (file.toString().indexOf('?') >= 0) {
      throw new InputException(
          what + " " + folder + " has a '?' in its name, which ends names of databases");
    }
    FileOps.SYSTEM.createFolder(folder);
    unpackWhereCodeMayBe();
    SQLiteConfig config = new SQLiteConfig();
    config.setJournalMode(SQLiteConfig.JournalMode.WAL);
    config.setSynchronous(
        isDurable ? SQLiteConfig.SynchronousMode.FULL : SQLiteConfig.SynchronousMode.NORMAL);
    config.setBusyTimeout(BUSY_MILLIS);
    config.enforceForeignKeys(true);
    Connection connection = config.createConnection("jdbc:sqlite:" + file);
    try {
      prepare(connection, folder);
      return connection;
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  private void prepare(Connection connection, Path folder) throws SQLException {
    if (versionOf(connection) == 0) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("BEGIN IMMEDIATE"); // two processes may be the first
        if (versionOf(connection) == 0) {
          for (String sql : layout) {
            statement.execute(sql);
          }
          statement.execute("PRAGMA user_version = " + version);
        }
        statement.execute("COMMIT");
      }
    }
    int found = versionOf(connection);
    if (found != version) {
      throw new InputException(
          String.format(
              "%s %s has layout %d, and this version of Attune knows layout %d: use the version"
                  + " that made it, or another folder",
              what, folder, found, version));
    }
  }

  private static int versionOf(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("PRAGMA user_version")) {
      return result.getInt(1);
    }
  }

  /**
   * The library's native part goes where ours do: the temporary folder may not allow code. By
   * itself it would be unpacked by each process anew, and by each that is killed be left there;
   * that is what happens only where the one file does not do, as in a second class loader.
   */
  private static synchronized void unpackWhereCodeMayBe() throws IOException {
    if (System.getProperty(UNPACKED_TO) != null || System.getProperty(UNPACKED_IN) != null) {
      return;
    }
    Path natives = Cache.user().natives();
    System.setProperty(UNPACKED_TO, natives.toString());
    URL library =
        SQLiteConfig.class.getResource(
            LibraryLoaderUtil.getNativeLibResourcePath()
                + "/"
                + LibraryLoaderUtil.getNativeLibName());
    if (library != null) { // else the system is one that it has none for, as it will say
      Path file = NativeLoader.unpacked(library);
      removeLeft(natives, file.getFileName().toString());
      System.setProperty(UNPACKED_IN, file.getParent().toString());
    }
  }

  /** What processes have left that unpacked it by themselves, but for those that just begin. */
  private static void removeLeft(Path natives, String name) throws IOException {
    List<Path> left;
    try (Stream<Path> files = Files.list(natives)) {
      left =
          files
              .filter(
                  file ->
                      file.getFileName()
                          .toString()
                          .matches(LEFT + Pattern.quote(name) + "(\\.lck)?"))
              .toList();
    }
    FileTime limit = FileTime.from(Instant.now().minus(ABANDONED));
    for (Path file : left) {
      if (Files.exists(file) && Files.getLastModifiedTime(file).compareTo(limit) < 0) {
        FileOps.SYSTEM.delete(file);
      }
    }
  }
}
