package dev.attune.server.jobs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.http.Page;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** What jobs tell and leave on the way: events and checkpoints. Any number of threads use it. */
final class JobTrail {
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE job_events(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL,
            created INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
            data TEXT NOT NULL, step INTEGER NOT NULL)
          """,
          "CREATE INDEX events_of_jobs ON job_events(job, number)",
          """
          CREATE TABLE job_checkpoints(
            job TEXT NOT NULL, step INTEGER NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
            model TEXT NOT NULL, metrics TEXT NOT NULL, PRIMARY KEY(job, step)) WITHOUT ROWID
          """);

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Journal journal;
  private final Runnable onChange;

  /**
   * @param onChange runs after each change
   */
  JobTrail(Journal journal, Runnable onChange) {
    this.journal = journal;
    this.onChange = onChange;
  }

  static long now() {
    return Instant.now().getEpochSecond();
  }

  /** An object that the journal holds. */
  static ObjectNode json(String text) {
    try {
      return (ObjectNode) JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the journal holds '" + text + "'", e);
    }
  }

  static void tell(Journal.Session session, String job, JobEvent event) {
    session.update(
        "INSERT INTO job_events(id, job, created, level, message, data, step)"
            + " VALUES(?, ?, ?, ?, ?, ?, ?)",
        Ids.next("ftevent-"),
        job,
        now(),
        event.level().word(),
        event.message(),
        event.data().toString(),
        event.step());
  }

  /** Notes what a job tells. */
  void tell(String job, List<JobEvent> events) {
    if (!events.isEmpty()) {
      journal.change(
          session -> {
            events.forEach(event -> tell(session, job, event));
            return null;
          });
      onChange.run();
    }
  }

  /** Forgets what was measured from a step on, which will be measured again. */
  void forgetFrom(String job, long step) {
    journal.change(
        session -> session.update("DELETE FROM job_events WHERE job = ? AND step >= ?", job, step));
  }

  private static JobEvent event(ResultSet row) throws SQLException {
    return new JobEvent(
        row.getLong("number"),
        row.getString("id"),
        row.getLong("created"),
        JobEvent.Level.valueOf(row.getString("level").toUpperCase(Locale.ROOT)),
        row.getString("message"),
        json(row.getString("data")),
        row.getLong("step"));
  }

  /** A page of a job's events, the newest first, and one more where there are more. */
  List<JobEvent> events(String job, Page page) {
    return journal.read(
        session -> {
          long before = Long.MAX_VALUE;
          if (page.after() != null) {
            before =
                session
                    .first(
                        "SELECT number FROM job_events WHERE job = ? AND id = ?",
                        row -> row.getLong(1),
                        job,
                        page.after())
                    .orElseThrow(
                        () ->
                            ApiException.badRequest(
                                "after", "The job has no event '" + page.after() + "'"));
          }
          return session.list(
              "SELECT * FROM job_events WHERE job = ? AND number < ? ORDER BY number DESC LIMIT ?",
              JobTrail::event,
              job,
              before,
              page.limit() + 1);
        });
  }

  /** Events after one, the oldest first. */
  List<JobEvent> eventsAfter(String job, long number, int most) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM job_events WHERE job = ? AND number > ? ORDER BY number LIMIT ?",
                JobTrail::event,
                job,
                number,
                most));
  }

  private static JobCheckpoint checkpoint(ResultSet row) throws SQLException {
    return new JobCheckpoint(
        row.getString("id"),
        row.getString("job"),
        row.getLong("step"),
        row.getLong("created"),
        row.getString("model"),
        json(row.getString("metrics")));
  }

  /** The checkpoints of a job, the newest first. */
  List<JobCheckpoint> checkpoints(String job) {
    return journal.read(session -> checkpoints(session, job));
  }

  static List<JobCheckpoint> checkpoints(Journal.Session session, String job) {
    return session.list(
        "SELECT * FROM job_checkpoints WHERE job = ? ORDER BY step DESC",
        JobTrail::checkpoint,
        job);
  }

  /**
   * Notes a checkpoint, and forgets some.
   *
   * @param with makes all else true that is to be with it; says which are to be forgotten
   * @return those
   */
  List<JobCheckpoint> note(
      JobCheckpoint checkpoint, Function<Journal.Session, List<JobCheckpoint>> with) {
    List<JobCheckpoint> forgotten =
        journal.change(session -> note(session, checkpoint, with.apply(session)));
    onChange.run();
    return forgotten;
  }

  private static List<JobCheckpoint> note(
      Journal.Session session, JobCheckpoint checkpoint, List<JobCheckpoint> forgotten) {
    session.update(
        "INSERT OR REPLACE INTO job_checkpoints VALUES(?, ?, ?, ?, ?, ?)",
        checkpoint.job(),
        checkpoint.step(),
        checkpoint.id(),
        checkpoint.created(),
        checkpoint.model(),
        checkpoint.metrics().toString());
    forgotten.forEach(
        old ->
            session.update(
                "DELETE FROM job_checkpoints WHERE job = ? AND step = ?", old.job(), old.step()));
    return forgotten;
  }
}
