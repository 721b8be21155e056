package dev.attune.track;

import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Stream;
import org.sqlite.SQLiteConfig;

/** The file of a run store, and how it is laid out. */
final class Database {
  /** Of the layout: a file that has a later one was made by a later version. */
  private static final int VERSION = 1;

  private static final int BUSY_MILLIS = 10_000;
  private static final String UNPACKED_TO = "org.sqlite.tmpdir";

  private static final String[] LAYOUT = {
    """
    CREATE TABLE runs(
      number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, folder TEXT NOT NULL,
      task TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL,
      created INTEGER NOT NULL, seen INTEGER NOT NULL, ended INTEGER,
      host TEXT NOT NULL, pid INTEGER NOT NULL, process_started INTEGER NOT NULL,
      step INTEGER NOT NULL, total_steps INTEGER NOT NULL)
    """,
    "CREATE INDEX runs_of_a_folder ON runs(folder)",
    """
    CREATE TABLE documents(
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, kind TEXT NOT NULL, json TEXT NOT NULL,
      PRIMARY KEY(run, kind)) WITHOUT ROWID
    """,
    """
    CREATE TABLE series(
      number INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      name TEXT NOT NULL, UNIQUE(run, name))
    """,
    // A value that is no number is NULL.
    """
    CREATE TABLE points(
      series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE, x INTEGER NOT NULL,
      time INTEGER NOT NULL, value REAL, PRIMARY KEY(series, x)) WITHOUT ROWID
    """,
    "PRAGMA user_version = " + VERSION
  };

  private Database() {}

  static Path file(Path folder) {
    return folder.resolve("runs.db");
  }

  /** The file and those that SQLite keeps beside it while it is open, or after a crash. */
  static List<Path> files(Path folder) {
    Path file = file(folder);
    return Stream.of("", "-wal", "-shm", "-journal")
        .map(end -> file.resolveSibling(file.getFileName() + end))
        .toList();
  }

  /** Whether the library that reads and writes it is there. */
  static boolean isAvailable() {
    try {
      Class.forName("org.sqlite.SQLiteConfig", false, Database.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /**
   * Opens the file, which is made where it is not there.
   *
   * @throws InputException if it is of another version, or its folder's name cannot be used
   */
  static Connection open(Path folder) throws SQLException, IOException {
    if (folder.toString().indexOf('?') >= 0) {
      throw new InputException(
          "the run store " + folder + " has a '?' in its name, which ends names of databases");
    }
    FileOps.SYSTEM.createFolder(folder);
    unpackWhereCodeMayBe();
    SQLiteConfig config = new SQLiteConfig();
    config.setJournalMode(SQLiteConfig.JournalMode.WAL);
    config.setSynchronous(SQLiteConfig.SynchronousMode.NORMAL);
    config.setBusyTimeout(BUSY_MILLIS);
    config.enforceForeignKeys(true);
    Connection connection = config.createConnection("jdbc:sqlite:" + file(folder));
    try {
      prepare(connection, folder);
      return connection;
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  private static void prepare(Connection connection, Path folder) throws SQLException {
    if (version(connection) == 0) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("BEGIN IMMEDIATE"); // two runs may be the first
        if (version(connection) == 0) {
          for (String sql : LAYOUT) {
            statement.execute(sql);
          }
        }
        statement.execute("COMMIT");
      }
    }
    int version = version(connection);
    if (version != VERSION) {
      throw new InputException(
          "the run store "
              + folder
              + " has layout "
              + version
              + ", and this version of Attune knows layout "
              + VERSION
              + ": use the version that made it, or another folder");
    }
  }

  private static int version(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("PRAGMA user_version")) {
      return result.getInt(1);
    }
  }

  /** The library's native part goes where ours do: the temporary folder may not allow code. */
  private static void unpackWhereCodeMayBe() throws IOException {
    if (System.getProperty(UNPACKED_TO) == null) {
      Path folder = Cache.user().natives();
      System.setProperty(UNPACKED_TO, folder.toString());
    }
  }
}
