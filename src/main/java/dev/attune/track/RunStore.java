package dev.attune.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.track.StoredRun.Owner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * Runs that were recorded: to be listed, read and deleted, also while they run. One thread uses it
 * at a time.
 */
public final class RunStore implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String COLUMNS =
      "id, name, folder, task, model, status, created, ended, seen, step, total_steps, host, pid,"
          + " process_started";

  /** The end of the year 9999. */
  private static final long LAST_MILLIS = Instant.parse("9999-12-31T23:59:59Z").toEpochMilli();

  private final Path folder;
  private final Connection connection;

  private RunStore(Path folder, Connection connection) {
    this.folder = folder;
    this.connection = connection;
  }

  /** Whether the library that keeps it is there. */
  public static boolean isAvailable() {
    return Database.isAvailable();
  }

  /** Whether there is one in a folder. */
  public static boolean exists(Path folder) {
    return Files.exists(Database.file(folder));
  }

  /**
   * Opens one that is there.
   *
   * @throws InputException if there is none
   */
  public static RunStore open(Path folder) {
    if (!isAvailable()) {
      throw new InputException(
          "a run store needs org.xerial:sqlite-jdbc, which is not on the class path");
    }
    if (!exists(folder)) {
      throw new InputException(
          "there is no run store in "
              + folder.toAbsolutePath().normalize()
              + ": "
              + Term.TRAINING
              + " makes one where it is run; "
              + Term.RUN_STORE
              + " names another folder");
    }
    try {
      return new RunStore(folder, Database.open(folder));
    } catch (SQLException | IOException e) {
      throw failure(folder, e);
    }
  }

  /**
   * Whether a file, which need not be there, is one of the store's own: who writes it loses all
   * runs.
   */
  public boolean owns(Path file) {
    return Database.files(folder).stream().anyMatch(own -> isSame(own, file));
  }

  private static boolean isSame(Path own, Path file) {
    try {
      if (Files.exists(own) && Files.exists(file)) {
        return Files.isSameFile(own, file);
      }
      Path parent = file.toAbsolutePath().normalize().getParent();
      return own.getFileName().equals(file.getFileName())
          && parent != null
          && Files.exists(parent)
          && Files.isSameFile(own.toAbsolutePath().getParent(), parent);
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be looked at: " + e, e);
    }
  }

  private static UncheckedIOException failure(Path folder, Exception e) {
    IOException cause = e instanceof IOException io ? io : new IOException(e.getMessage(), e);
    return new UncheckedIOException(
        "the run store " + folder + " cannot be read: " + e.getMessage(), cause);
  }

  /** Takes what a row of a result says. */
  private interface Row<T> {
    T read(ResultSet row) throws SQLException;
  }

  private <T> List<T> query(String sql, Row<T> reader, Object... parameters) {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(i + 1, parameters[i]);
      }
      List<T> out = new ArrayList<>();
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          out.add(reader.read(rows));
        }
      }
      return out;
    } catch (SQLException e) {
      throw failure(folder, e);
    }
  }

  private static StoredRun run(ResultSet row) throws SQLException {
    long ended = row.getLong("ended");
    boolean hasEnded = !row.wasNull();
    Instant seen = time(row.getLong("seen"));
    RunStatus noted = RunStatus.of(row.getString("status"));
    Owner owner =
        new Owner(row.getString("host"), row.getLong("pid"), row.getLong("process_started"));
    boolean isGone = noted == RunStatus.RUNNING && !owner.isAlive(seen, Instant.now());
    return new StoredRun(
        row.getString("id"),
        row.getString("name"),
        Path.of(row.getString("folder")),
        row.getString("task"),
        row.getString("model"),
        isGone ? RunStatus.INTERRUPTED : noted,
        time(row.getLong("created")),
        hasEnded ? time(ended) : null,
        seen,
        row.getLong("step"),
        row.getLong("total_steps"));
  }

  /** What a clock cannot have shown is the nearest time that can be reckoned and written. */
  private static Instant time(long millis) {
    return Instant.ofEpochMilli(Math.max(0, Math.min(LAST_MILLIS, millis)));
  }

  /** All runs, the newest first. */
  public List<StoredRun> runs() {
    return query(
        "SELECT " + COLUMNS + " FROM runs ORDER BY created DESC, number DESC", RunStore::run);
  }

  /**
   * The run that somebody means: by its id or the beginning of one, by its name, or by the folder
   * of its model, where the newest counts.
   *
   * @throws InputException if there is none, or more than one
   */
  public StoredRun find(String wanted) {
    List<StoredRun> all = runs();
    List<StoredRun> ofFolder =
        all.stream().filter(run -> run.folder().equals(realPath(wanted))).limit(1).toList();
    List<StoredRun> found = all.stream().filter(run -> run.id().equals(wanted)).toList();
    if (found.isEmpty()) {
      found = ofFolder;
    }
    if (found.isEmpty()) {
      found = all.stream().filter(run -> run.name().equals(wanted)).toList();
    }
    if (found.isEmpty() && !wanted.isEmpty()) {
      found = all.stream().filter(run -> run.id().startsWith(wanted)).toList();
    }
    if (found.size() == 1) {
      return found.get(0);
    }
    if (found.isEmpty()) {
      throw new InputException(
          "there is no run '"
              + wanted
              + "' in "
              + folder.toAbsolutePath().normalize()
              + ", which has "
              + Count.many(all.size(), "run")
              + ": give an id, the beginning of one, a name or an output folder");
    }
    throw new InputException(
        "'"
            + wanted
            + "' is "
            + Count.many(found.size(), "run")
            + ": "
            + found.stream().map(StoredRun::id).collect(Collectors.joining(", "))
            + "; give the id of one");
  }

  private static Path realPath(String name) {
    try {
      return Path.of(name).toRealPath();
    } catch (IOException | RuntimeException e) {
      return Path.of("");
    }
  }

  /** The names of a run's series, in the order in which they came. */
  public List<String> series(StoredRun run) {
    return query(
        "SELECT s.name FROM series s JOIN runs r ON r.number = s.run WHERE r.id = ? ORDER BY s.number",
        row -> row.getString(1),
        run.id());
  }

  /**
   * A series, by step.
   *
   * @param after only what lies beyond this step
   */
  public List<Point> points(StoredRun run, String series, long after) {
    return query(
        "SELECT p.x, p.time, p.value FROM points p JOIN series s ON s.number = p.series"
            + " JOIN runs r ON r.number = s.run"
            + " WHERE r.id = ? AND s.name = ? AND p.x > ? ORDER BY p.x",
        row -> new Point(series, row.getLong(1), row.getLong(2), number(row, 3)),
        run.id(),
        series,
        after);
  }

  private static double number(ResultSet row, int column) throws SQLException {
    double value = row.getDouble(column);
    return row.wasNull() ? Double.NaN : value;
  }

  /** The last value of each series. */
  public Map<String, Double> last(StoredRun run) {
    Map<String, Double> out = new LinkedHashMap<>();
    query(
            "SELECT s.name, p.value FROM series s JOIN runs r ON r.number = s.run"
                + " JOIN points p ON p.series = s.number"
                + " AND p.x = (SELECT max(x) FROM points WHERE series = s.number)"
                + " WHERE r.id = ? ORDER BY s.number",
            row -> Map.entry(row.getString(1), number(row, 2)),
            run.id())
        .forEach(entry -> out.put(entry.getKey(), entry.getValue()));
    return out;
  }

  /** What is kept of a run: see {@link Documents}; a missing node where that is nothing. */
  public JsonNode document(StoredRun run, String kind) {
    List<String> found =
        query(
            "SELECT d.json FROM documents d JOIN runs r ON r.number = d.run"
                + " WHERE r.id = ? AND d.kind = ?",
            row -> row.getString(1),
            run.id(),
            kind);
    try {
      return found.isEmpty() ? MissingNode.getInstance() : JSON.readTree(found.get(0));
    } catch (JsonProcessingException e) {
      throw failure(folder, e);
    }
  }

  /** Hears every point of a run, series by series, without holding them all. */
  public void forEach(StoredRun run, Consumer<Point> listener) {
    for (String name : series(run)) {
      points(run, name, Long.MIN_VALUE).forEach(listener);
    }
  }

  /**
   * Refuses to forget a run that is going on.
   *
   * @throws InputException if it is running
   */
  public static void checkDeletable(StoredRun run) {
    if (run.status() == RunStatus.RUNNING) {
      throw new InputException(
          "run " + run.id() + " (" + run.name() + ") is running; stop it first");
    }
  }

  /**
   * Forgets a run; its model stays.
   *
   * @throws InputException if it is running
   */
  public void delete(StoredRun run) {
    checkDeletable(run);
    try (PreparedStatement statement =
        connection.prepareStatement("DELETE FROM runs WHERE id = ?")) {
      statement.setString(1, run.id());
      statement.executeUpdate();
    } catch (SQLException e) {
      throw failure(folder, e);
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw failure(folder, e);
    }
  }
}
