package dev.attune.track;

import dev.attune.storage.Sqlite;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** The file of a run store, and how it is laid out. */
final class Database {
  private static final List<String> LAYOUT =
      List.of(
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
    """);

  private static final Sqlite SQLITE = new Sqlite("the run store", 1, LAYOUT, false);

  private Database() {}

  static Path file(Path folder) {
    return folder.resolve("runs.db");
  }

  /** The file and those that SQLite keeps beside it while it is open, or after a crash. */
  static List<Path> files(Path folder) {
    return Sqlite.files(file(folder));
  }

  /** Whether the library that reads and writes it is there. */
  static boolean isAvailable() {
    return Sqlite.isAvailable();
  }

  /** Opens the file, which is made where it is not there: see {@link Sqlite#open}. */
  static Connection open(Path folder) throws SQLException, IOException {
    return SQLITE.open(file(folder));
  }
}
