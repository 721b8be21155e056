package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.track.StoredRun.Owner;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;

/** Records a run in the store. */
public final class RunStoreSink implements RunSink {
  private static final String LETTERS =
      "abcdefghijkmnpqrstuvwxyz23456789"; // none looks like another
  private static final int ID_LENGTH = 8;
  private static final long SEEN_MILLIS = 5000;

  private final Path folder;
  private final Owner owner;
  private final Map<String, Long> series = new HashMap<>();
  private Connection connection; // null: not open yet
  private long number; // of the run in the table; 0: it is not there yet
  private long createdMillis; // when the run was begun, however often it has gone on since
  private long seenMillis;

  public RunStoreSink(Path folder) {
    this(folder, Owner.current());
  }

  RunStoreSink(Path folder, Owner owner) {
    this.folder = folder;
    this.owner = owner;
  }

  @Override
  public String name() {
    return "the run store " + folder;
  }

  /** What is done to the database as a whole, or not at all. */
  private interface Work {
    void run() throws SQLException;
  }

  private void together(Work work) throws IOException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("BEGIN IMMEDIATE");
      try {
        work.run();
        statement.execute("COMMIT");
      } catch (SQLException | RuntimeException e) {
        rollBack(statement, e);
        throw e;
      }
    } catch (SQLException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void rollBack(Statement statement, Exception failure) {
    series.clear(); // those that were new are not there
    try {
      statement.execute("ROLLBACK");
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }

  private void update(String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(i + 1, parameters[i]);
      }
      statement.executeUpdate();
    }
  }

  private long find(String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(i + 1, parameters[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? rows.getLong(1) : 0;
      }
    }
  }

  @Override
  public void begin(RunStart start) throws IOException {
    if (connection == null) {
      try {
        connection = Database.open(folder);
      } catch (SQLException e) {
        throw new IOException(e.getMessage(), e);
      }
    }
    together(
        () -> {
          number = start.resumedAt() == 0 ? 0 : earlier(start);
          if (number == 0) {
            insert(start);
          } else {
            goOn(start);
          }
          createdMillis = find("SELECT created FROM runs WHERE number = ?", number);
          putAll(start.documents());
        });
  }

  private long earlier(RunStart start) throws SQLException {
    return find(
        "SELECT number FROM runs WHERE folder = ? ORDER BY created DESC, number DESC LIMIT 1",
        start.folder().toString());
  }

  private void insert(RunStart start) throws SQLException {
    update(
        "INSERT INTO runs(id, name, folder, task, model, status, created, seen, host, pid,"
            + " process_started, step, total_steps) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,0)",
        newId(),
        start.name(),
        start.folder().toString(),
        start.task(),
        start.model(),
        RunStatus.RUNNING.name(),
        start.createdMillis(),
        System.currentTimeMillis(),
        owner.host(),
        owner.pid(),
        owner.startedMillis(),
        start.resumedAt());
    number = find("SELECT last_insert_rowid()");
  }

  /** The run that was stopped goes on; what it did beyond its checkpoint it does again. */
  private void goOn(RunStart start) throws SQLException {
    update(
        "UPDATE runs SET status = ?, ended = NULL, seen = ?, host = ?, pid = ?, process_started = ?,"
            + " step = ? WHERE number = ?",
        RunStatus.RUNNING.name(),
        System.currentTimeMillis(),
        owner.host(),
        owner.pid(),
        owner.startedMillis(),
        start.resumedAt(),
        number);
    update(
        "DELETE FROM points WHERE x > ? AND series IN"
            + " (SELECT number FROM series WHERE run = ? AND name NOT LIKE 'system/%')",
        start.resumedAt(), number);
    update("DELETE FROM documents WHERE run = ?", number);
  }

  private String newId() throws SQLException {
    SecureRandom random = new SecureRandom();
    while (true) {
      StringBuilder id = new StringBuilder();
      random
          .ints(ID_LENGTH, 0, LETTERS.length())
          .forEach(letter -> id.append(LETTERS.charAt(letter)));
      if (find("SELECT number FROM runs WHERE id = ?", id.toString()) == 0) {
        return id.toString();
      }
    }
  }

  private void putAll(Map<String, JsonNode> documents) throws SQLException {
    for (Map.Entry<String, JsonNode> document : documents.entrySet()) {
      update(
          "INSERT OR REPLACE INTO documents(run, kind, json) VALUES(?,?,?)",
          number,
          document.getKey(),
          document.getValue().toString());
    }
  }

  @Override
  public void write(RunUpdate update) throws IOException {
    long now = System.currentTimeMillis();
    boolean isNew =
        !update.points().isEmpty()
            || !update.documents().isEmpty()
            || update.status() != RunStatus.RUNNING;
    if (!isNew && now - seenMillis < SEEN_MILLIS) {
      return;
    }
    together(
        () -> {
          if (find("SELECT number FROM runs WHERE number = ?", number) == 0) {
            throw new SQLException("the run was deleted from it");
          }
          putPoints(update);
          putAll(update.documents());
          update(
              "UPDATE runs SET seen = ?, step = max(step, ?), total_steps = max(total_steps, ?),"
                  + " status = ?, ended = ? WHERE number = ?",
              now,
              update.step(),
              update.totalSteps(),
              update.status().name(),
              update.status() == RunStatus.RUNNING ? null : now,
              number);
        });
    seenMillis = now;
  }

  private void putPoints(RunUpdate update) throws SQLException {
    if (update.points().isEmpty()) {
      return;
    }
    try (PreparedStatement statement =
        connection.prepareStatement(
            "INSERT OR REPLACE INTO points(series, x, time, value) VALUES(?,?,?,?)")) {
      for (Point point : update.points()) {
        statement.setLong(1, series(point.series()));
        statement.setLong(2, place(point));
        statement.setLong(3, point.timeMillis());
        statement.setDouble(4, point.value()); // NaN becomes NULL
        statement.addBatch();
      }
      statement.executeBatch();
    }
  }

  /** A run that goes on counts its own seconds: from its beginning they are more. */
  private long place(Point point) {
    return point.isOfStep() ? point.x() : (point.timeMillis() - createdMillis) / 1000;
  }

  private long series(String name) throws SQLException {
    Long known = series.get(name);
    if (known == null) {
      update("INSERT OR IGNORE INTO series(run, name) VALUES(?,?)", number, name);
      known = find("SELECT number FROM series WHERE run = ? AND name = ?", number, name);
      series.put(name, known);
    }
    return known;
  }

  @Override
  public void close() throws IOException {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        throw new IOException(e.getMessage(), e);
      }
    }
  }
}
