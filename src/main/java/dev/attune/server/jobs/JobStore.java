package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.http.Page;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * All jobs. A job's status is what stands here, and nothing else: who wants another one changes it
 * here first. Any number of threads use it.
 */
final class JobStore {
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE jobs(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
            status TEXT NOT NULL, created INTEGER NOT NULL, finished INTEGER,
            started INTEGER NOT NULL, precedence INTEGER NOT NULL, request TEXT NOT NULL,
            attune TEXT NOT NULL, plan TEXT, model TEXT, result TEXT, tokens INTEGER, error TEXT)
          """,
          "CREATE INDEX jobs_of_tenants ON jobs(tenant, number)",
          "CREATE INDEX jobs_by_status ON jobs(status, number)");

  /** Statuses that something may follow. */
  static final Set<JobStatus> OPEN =
      Stream.of(JobStatus.values())
          .filter(status -> !status.isEnd())
          .collect(Collectors.toUnmodifiableSet());

  private final Journal journal;
  private final JobTrail trail;
  private final Object changed = new Object();
  private long changes; // guarded by changed

  JobStore(Journal journal) {
    this.journal = journal;
    this.trail = new JobTrail(journal, this::wake);
  }

  /** What jobs tell and leave on the way. */
  JobTrail trail() {
    return trail;
  }

  private static Job read(ResultSet row) throws SQLException {
    String plan = row.getString("plan");
    String error = row.getString("error");
    return new Job(
        row.getLong("number"),
        row.getString("id"),
        row.getString("tenant"),
        JobStatus.of(row.getString("status")),
        row.getLong("created"),
        orNull(row, "finished"),
        row.getLong("started"),
        row.getInt("precedence") != 0,
        JobRequest.kept(
            JobTrail.json(row.getString("request")), JobTrail.json(row.getString("attune"))),
        plan == null ? null : JobPlan.fromJson(JobTrail.json(plan)),
        row.getString("model"),
        row.getString("result"),
        orNull(row, "tokens"),
        error == null ? null : error(JobTrail.json(error)));
  }

  private static Long orNull(ResultSet row, String column) throws SQLException {
    long value = row.getLong(column);
    return row.wasNull() ? null : value;
  }

  private static JobError error(ObjectNode json) {
    return new JobError(
        json.path("code").asText(), json.path("message").asText(), json.path("param").asText(null));
  }

  /**
   * Notes a new job, whose files are to be validated.
   *
   * @param most jobs of a tenant that have not ended, this one among them
   * @param check whether there may be one more, and all is there that it needs
   * @throws ApiException if the tenant has too many
   */
  Job create(String tenant, JobRequest request, int most, Consumer<Journal.Session> check) {
    String id = Ids.next("ftjob-");
    journal.change(
        session -> {
          long open = count(session, tenant, OPEN);
          if (open >= most) {
            throw ApiException.overQuota(
                open
                    + " jobs have not ended, which is as many as this tenant may have at a time;"
                    + " wait for one, or cancel it");
          }
          check.accept(session);
          session.update(
              "INSERT INTO jobs(id, tenant, status, created, started, precedence, request, attune)"
                  + " VALUES(?, ?, ?, ?, 0, 0, ?, ?)",
              id,
              tenant,
              JobStatus.VALIDATING_FILES.word(),
              JobTrail.now(),
              request.keptJson().toString(),
              request.attuneJson().toString());
          JobTrail.tell(
              session, id, JobEvent.of(JobEvent.Level.INFO, "Created fine-tuning job: " + id));
          String file = request.trainingFile();
          JobTrail.tell(
              session, id, JobEvent.of(JobEvent.Level.INFO, "Validating training file: " + file));
          return null;
        });
    wake();
    return find(id).orElseThrow();
  }

  private static String words(Collection<JobStatus> statuses) {
    return statuses.stream()
        .map(status -> "'" + status.word() + "'")
        .collect(Collectors.joining(", ", "(", ")"));
  }

  static long count(Journal.Session session, String tenant, Collection<JobStatus> of) {
    return session
        .first(
            "SELECT count(*) FROM jobs WHERE tenant = ? AND status IN " + words(of),
            row -> row.getLong(1),
            tenant)
        .orElseThrow();
  }

  /** The job of that id, whosever it is; empty: there is none. */
  Optional<Job> find(String id) {
    return journal.read(
        session -> session.first("SELECT * FROM jobs WHERE id = ?", JobStore::read, id));
  }

  /**
   * The one that a request names.
   *
   * @throws ApiException if the tenant has none of that id
   */
  Job find(String tenant, String id) {
    return find(id)
        .filter(job -> job.tenant().equals(tenant))
        .orElseThrow(
            () -> ApiException.notFound(null, "Could not find fine tune: there is no job " + id));
  }

  /**
   * A page of a tenant's jobs, the newest first, and one more where there are more.
   *
   * @param metadata pairs that they have all
   */
  List<Job> list(String tenant, Page page, Map<String, String> metadata) {
    long before = page.after() == null ? Long.MAX_VALUE : find(tenant, page.after()).number();
    StringBuilder sql = new StringBuilder("SELECT * FROM jobs WHERE tenant = ? AND number < ?");
    List<Object> values = new ArrayList<>(List.of(tenant, before));
    metadata.forEach(
        (key, value) -> {
          sql.append(
              " AND EXISTS (SELECT 1 FROM json_each(request, '$.metadata') m"
                  + " WHERE m.key = ? AND m.value = ?)");
          values.add(key);
          values.add(value);
        });
    sql.append(" ORDER BY number DESC LIMIT ?");
    values.add(page.limit() + 1);
    return journal.read(session -> session.list(sql.toString(), JobStore::read, values.toArray()));
  }

  /** All jobs of some statuses, in the order in which they came. */
  List<Job> all(Collection<JobStatus> of) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM jobs WHERE status IN " + words(of) + " ORDER BY number",
                JobStore::read));
  }

  /**
   * Jobs that have not ended, of which an earlier server did not note what their models' names
   * mean.
   */
  List<Job> unpinned() {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM jobs WHERE status IN "
                    + words(OPEN)
                    + " AND request ->> ? IS NULL ORDER BY number",
                JobStore::read,
                JobRequest.PINNED));
  }

  /** Notes which model is meant by a job, for good. */
  void pin(Job job, String model) {
    journal.change(
        session ->
            session.update(
                "UPDATE jobs SET request = json_set(request, '$.model', ?, ?, json('true'))"
                    + " WHERE id = ?",
                model,
                "$." + JobRequest.PINNED,
                job.id()));
  }

  /** How many jobs there are of each status. */
  Map<JobStatus, Long> counts() {
    Map<JobStatus, Long> counts = new HashMap<>();
    journal
        .read(
            session ->
                session.list(
                    "SELECT status, count(*) FROM jobs GROUP BY status",
                    row -> Map.entry(JobStatus.of(row.getString(1)), row.getLong(2))))
        .forEach(entry -> counts.put(entry.getKey(), entry.getValue()));
    return counts;
  }

  /** The same of one tenant's. */
  Map<JobStatus, Long> counts(String tenant) {
    Map<JobStatus, Long> counts = new HashMap<>();
    journal
        .read(
            session ->
                session.list(
                    "SELECT status, count(*) FROM jobs WHERE tenant = ? GROUP BY status",
                    row -> Map.entry(JobStatus.of(row.getString(1)), row.getLong(2)),
                    tenant))
        .forEach(entry -> counts.put(entry.getKey(), entry.getValue()));
    return counts;
  }

  /** When a job of each tenant last began to run, in milliseconds. */
  Map<String, Long> lastStarts() {
    Map<String, Long> starts = new HashMap<>();
    journal
        .read(
            session ->
                session.list(
                    "SELECT tenant, max(started) FROM jobs GROUP BY tenant",
                    row -> Map.entry(row.getString(1), row.getLong(2))))
        .forEach(entry -> starts.put(entry.getKey(), entry.getValue()));
    return starts;
  }

  /** Whether a file is read by a job that has not ended. */
  static boolean needsFile(Journal.Session session, String tenant, String file) {
    return session
        .first(
            "SELECT 1 FROM jobs WHERE tenant = ?1 AND status IN "
                + words(OPEN)
                + " AND (request ->> 'training_file' = ?2 OR request ->> 'validation_file' = ?2)",
            row -> true,
            tenant,
            file)
        .isPresent();
  }

  /** Whether a model, or a version of it, is tuned by a job that has not ended. */
  static boolean tunesModel(Journal.Session session, String tenant, String model) {
    return session
        .first(
            "SELECT 1 FROM jobs WHERE tenant = ?1 AND status IN "
                + words(OPEN)
                + " AND (request ->> 'model' = ?2"
                + " OR substr(request ->> 'model', 1, length(?2) + 2) = ?2 || '@v')",
            row -> true,
            tenant,
            model)
        .isPresent();
  }

  /** A change of a job's status, with all that goes with it. */
  final class Change {
    private final String id;
    private final Set<JobStatus> from;
    private final JobStatus to;
    private final List<String> columns = new ArrayList<>();
    private final List<Object> values = new ArrayList<>();
    private final List<JobEvent> events = new ArrayList<>();
    private final List<Consumer<Journal.Session>> more = new ArrayList<>();

    private Change(String id, Set<JobStatus> from, JobStatus to) {
      this.id = id;
      this.from = from;
      this.to = to;
      set("status", to.word());
      if (to.isEnd()) {
        set("finished", JobTrail.now());
      }
    }

    private Change set(String column, Object value) {
      columns.add(column + " = ?");
      values.add(value);
      return this;
    }

    Change started() {
      return set("started", Instant.now().toEpochMilli()).set("precedence", 0);
    }

    Change withPrecedence() {
      return set("precedence", 1);
    }

    Change plan(JobPlan plan) {
      return set("plan", plan.toJson().toString());
    }

    Change error(JobError error) {
      return set("error", error.toJson().toString());
    }

    Change result(String model, String file, long tokens) {
      return set("model", model).set("result", file).set("tokens", tokens);
    }

    Change tell(JobEvent.Level level, String message) {
      events.add(JobEvent.of(level, message));
      return this;
    }

    /** Something else that is to be true with it. */
    Change with(Consumer<Journal.Session> change) {
      more.add(change);
      return this;
    }

    /**
     * Makes it, durably; false: the job is in none of the statuses that it may come from, and
     * nothing has changed.
     */
    boolean make() {
      List<Object> all = new ArrayList<>(values);
      all.add(id);
      boolean made =
          journal.change(
              session -> {
                int rows =
                    session.update(
                        "UPDATE jobs SET "
                            + String.join(", ", columns)
                            + " WHERE id = ? AND status IN "
                            + words(from),
                        all.toArray());
                if (rows == 0) {
                  return false;
                }
                events.forEach(event -> JobTrail.tell(session, id, event));
                more.forEach(each -> each.accept(session));
                return true;
              });
      if (made) {
        wake();
      }
      return made;
    }

    JobStatus to() {
      return to;
    }
  }

  /** Begins a change of a job's status. */
  Change change(String id, Set<JobStatus> from, JobStatus to) {
    return new Change(id, from, to);
  }

  /** How many changes there were: see {@link #await}. */
  long changes() {
    synchronized (changed) {
      return changes;
    }
  }

  /** Waits until something has changed since a count was taken, or so long. */
  void await(long seen, long millis) throws InterruptedException {
    synchronized (changed) {
      long end = System.nanoTime() + millis * 1_000_000;
      for (long left = millis; changes == seen && left > 0; ) {
        changed.wait(left);
        left = (end - System.nanoTime()) / 1_000_000;
      }
    }
  }

  /** Wakes who waits. */
  void wake() {
    synchronized (changed) {
      changes++;
      changed.notifyAll();
    }
  }
}
