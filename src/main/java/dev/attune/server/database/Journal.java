package dev.attune.server.database;

import dev.attune.core.Check;
import dev.attune.storage.Sqlite;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.stream.Stream;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/**
 * The server's database. Any number of threads use it; changes are made one after another, and
 * {@link #change} returns when they are on the disk. A few reads go on at a time, beside a change:
 * a thread that must not wait does not read.
 */
public final class Journal implements AutoCloseable {
  /** Of all tables: to be counted up when any of them changes. */
  private static final int VERSION = 1;

  /** Reads that go on at a time. */
  private static final int READERS = 4;

  /** SQLite's words for a disk without room: for rows, and for the memory that readers share. */
  private static final Set<SQLiteErrorCode> FULL =
      Set.of(SQLiteErrorCode.SQLITE_FULL, SQLiteErrorCode.SQLITE_IOERR_SHMSIZE);

  private final Connection writer;
  private final Queue<Connection> readers = new ConcurrentLinkedQueue<>(); // those that are idle
  private final ReentrantLock writing = new ReentrantLock();
  private final Semaphore reading = new Semaphore(READERS, true);
  private volatile boolean closed;

  private Journal(Connection writer) {
    this.writer = writer;
  }

  /** Makes a thing of a row of a result. */
  public interface Row<T> {
    T read(ResultSet row) throws SQLException;
  }

  /** Statements on one connection: what a transaction does, or a reader sees at one time. */
  public static final class Session {
    private final Connection connection;

    private Session(Connection connection) {
      this.connection = connection;
    }

    private PreparedStatement prepared(String sql, Object... parameters) throws SQLException {
      PreparedStatement statement = connection.prepareStatement(sql);
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(i + 1, parameters[i]);
      }
      return statement;
    }

    /** Changes rows; returns how many. */
    public int update(String sql, Object... parameters) {
      try (PreparedStatement statement = prepared(sql, parameters)) {
        return statement.executeUpdate();
      } catch (SQLException e) {
        throw failure(e);
      }
    }

    /** All rows of a query. */
    public <T> List<T> list(String sql, Row<T> reader, Object... parameters) {
      try (PreparedStatement statement = prepared(sql, parameters);
          ResultSet rows = statement.executeQuery()) {
        List<T> out = new ArrayList<>();
        while (rows.next()) {
          out.add(reader.read(rows));
        }
        return out;
      } catch (SQLException e) {
        throw failure(e);
      }
    }

    /** The first row of a query. */
    public <T> Optional<T> first(String sql, Row<T> reader, Object... parameters) {
      return list(sql, reader, parameters).stream().findFirst();
    }
  }

  /**
   * Opens the file, which is made where it is not there.
   *
   * @param layout statements that make the tables of all parts of the server
   * @throws dev.attune.core.InputException if it is of another version
   */
  public static Journal open(Path file, List<String> layout) {
    Sqlite sqlite = new Sqlite("the server's journal", VERSION, layout, true);
    try {
      Journal journal = new Journal(sqlite.open(file));
      try {
        for (int i = 0; i < READERS; i++) {
          journal.readers.add(sqlite.open(file));
        }
        return journal;
      } catch (SQLException | IOException | RuntimeException e) {
        journal.close();
        throw e;
      }
    } catch (SQLException e) {
      throw failure(e);
    } catch (IOException e) {
      throw new UncheckedIOException("the server's journal cannot be opened: " + e.getMessage(), e);
    }
  }

  private static UncheckedIOException failure(SQLException e) {
    String message = "the server's journal: " + e.getMessage();
    IOException cause = new IOException(e.getMessage(), e);
    return e instanceof SQLiteException known && FULL.contains(known.getResultCode())
        ? new JournalFullException(message, cause)
        : new UncheckedIOException(message, cause);
  }

  /** Makes a change as a whole or not at all; when this returns it is durable. */
  public <T> T change(Function<Session, T> change) {
    writing.lock();
    try {
      Check.state(!closed, "the journal is closed");
      Session session = new Session(writer);
      session.update("BEGIN IMMEDIATE");
      T result;
      try {
        result = change.apply(session);
        session.update("COMMIT");
      } catch (RuntimeException | Error e) {
        rollBack(session, e);
        throw e;
      }
      return result;
    } finally {
      writing.unlock();
    }
  }

  private static void rollBack(Session session, Throwable reason) {
    try {
      session.update("ROLLBACK");
    } catch (UncheckedIOException e) {
      reason.addSuppressed(e);
    }
  }

  /** Reads what was committed. A read must not make another one: all may be taken. */
  public <T> T read(Function<Session, T> read) {
    reading.acquireUninterruptibly();
    try {
      Check.state(!closed, "the journal is closed");
      Connection reader = readers.remove();
      try {
        return read.apply(new Session(reader));
      } finally {
        readers.add(reader);
      }
    } finally {
      reading.release();
    }
  }

  /** What SQLite finds damaged; empty: nothing. */
  public List<String> check() {
    return read(
        session ->
            Stream.of("PRAGMA integrity_check", "PRAGMA foreign_key_check")
                .flatMap(sql -> session.list(sql, row -> row.getString(1)).stream())
                .filter(finding -> !finding.equals("ok"))
                .toList());
  }

  @Override
  public void close() {
    writing.lock();
    reading.acquireUninterruptibly(READERS);
    try {
      if (!closed) {
        closed = true;
        for (Connection reader : readers) {
          reader.close();
        }
        writer.close();
      }
    } catch (SQLException e) {
      throw failure(e);
    } finally {
      reading.release(READERS);
      writing.unlock();
    }
  }
}
