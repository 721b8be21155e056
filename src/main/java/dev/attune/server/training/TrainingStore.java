package dev.attune.server.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Page;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** Sessions, their calls and their states in the journal. Any number of threads use it. */
final class TrainingStore {
  /** Made where they are not there: folders of earlier versions lack them. */
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE IF NOT EXISTS training_sessions(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
            created INTEGER NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL,
            vocabulary INTEGER NOT NULL, length INTEGER NOT NULL, bytes INTEGER NOT NULL)
          """,
          """
          CREATE INDEX IF NOT EXISTS training_sessions_of_tenants
            ON training_sessions(tenant, number)
          """,
          """
          CREATE TABLE IF NOT EXISTS training_states(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT,
            session TEXT NOT NULL, created INTEGER NOT NULL, steps INTEGER NOT NULL,
            turn INTEGER NOT NULL, dropped INTEGER NOT NULL, UNIQUE(session, name))
          """,
          """
          CREATE TABLE IF NOT EXISTS training_calls(
            session TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
            sequence INTEGER, key TEXT, digest TEXT NOT NULL, created INTEGER NOT NULL,
            turn INTEGER, lost INTEGER NOT NULL, PRIMARY KEY(session, number),
            UNIQUE(session, id), UNIQUE(session, sequence), UNIQUE(session, key)) WITHOUT ROWID
          """,
          """
          CREATE TABLE IF NOT EXISTS training_bases(session TEXT PRIMARY KEY, content TEXT)
            WITHOUT ROWID
          """,
          CallResults.LAYOUT,
          CallResults.BY_TIME);

  private static final String BEYOND =
      " WHERE session = ? AND lost = 0 AND (turn IS NULL OR turn > ?)";

  /** Calls of a session that are known; a retry comes sooner. */
  private static final int CALLS_KEPT = 10_000;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Journal journal;
  private final CallResults results;

  TrainingStore(Journal journal) {
    this.journal = journal;
    this.results = new CallResults(journal);
  }

  /** What came of calls. */
  CallResults results() {
    return results;
  }

  /**
   * How far a session is.
   *
   * @param number of the last call that has come
   * @param turn of the last call that had its turn
   * @param sequence the client's number of the last one that had its turn; 0: none
   */
  record Standing(long number, long turn, long sequence) {}

  private static TrainingSession session(ResultSet row) throws SQLException {
    return new TrainingSession(
        row.getString("id"),
        row.getString("tenant"),
        row.getLong("created"),
        SessionRequest.of(Fields.of(json(row.getString("request")))),
        row.getInt("vocabulary"),
        row.getInt("length"),
        row.getLong("bytes"));
  }

  private static ObjectNode json(String text) {
    try {
      return (ObjectNode) JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the journal holds '" + text + "'", e);
    }
  }

  private static SavedState state(ResultSet row) throws SQLException {
    return new SavedState(
        row.getString("id"),
        row.getString("session"),
        row.getString("name"),
        row.getLong("created"),
        row.getLong("steps"),
        row.getLong("turn"),
        row.getInt("dropped"));
  }

  private static CallRow call(ResultSet row) throws SQLException {
    return new CallRow(
        row.getString("session"),
        row.getLong("number"),
        row.getString("id"),
        row.getString("kind"),
        orNull(row, "sequence"),
        row.getString("key"),
        row.getString("digest"),
        row.getLong("created"),
        orNull(row, "turn"),
        row.getInt("lost") != 0);
  }

  private static Long orNull(ResultSet row, String column) throws SQLException {
    long value = row.getLong(column);
    return row.wasNull() ? null : value;
  }

  /**
   * Notes a new session.
   *
   * @param most sessions of a tenant, this one among them
   * @param check whether all is there that it needs
   * @throws ApiException if the tenant has too many
   */
  void create(TrainingSession session, int most, Consumer<Journal.Session> check) {
    journal.change(
        change -> {
          long has =
              change
                  .first(
                      "SELECT count(*) FROM training_sessions WHERE tenant = ?",
                      row -> row.getLong(1),
                      session.tenant())
                  .orElseThrow();
          if (has >= most) {
            throw ApiException.overQuota(
                "This tenant has "
                    + has
                    + " training sessions, which is as many as it may have; delete one");
          }
          check.accept(change);
          change.update(
              "INSERT INTO training_sessions"
                  + "(id, tenant, created, model, request, vocabulary, length, bytes)"
                  + " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
              session.id(),
              session.tenant(),
              session.created(),
              session.request().model(),
              session.request().json().toString(),
              session.vocabulary(),
              session.length(),
              session.needBytes());
          change.update("INSERT INTO training_bases VALUES(?, NULL)", session.id());
          return null;
        });
  }

  /** What the files of a session's model were when it was opened first; empty: it was not yet. */
  Optional<String> base(String session) {
    return journal.read(
        read ->
            read.first(
                "SELECT content FROM training_bases WHERE session = ? AND content IS NOT NULL",
                row -> row.getString(1),
                session));
  }

  /** Notes what they are. */
  void noteBase(String session, String content) {
    journal.change(
        change ->
            change.update(
                "UPDATE training_bases SET content = ? WHERE session = ?", content, session));
  }

  /** Sessions of which an earlier server did not note what their models' names mean. */
  List<TrainingSession> unpinned() {
    return journal.read(
        read ->
            read.list(
                "SELECT * FROM training_sessions WHERE id NOT IN"
                    + " (SELECT session FROM training_bases) ORDER BY number",
                TrainingStore::session));
  }

  /** Notes which model is meant by a session, for good. */
  void pin(String session, SessionRequest request) {
    journal.change(
        change -> {
          change.update(
              "UPDATE training_sessions SET model = ?, request = ? WHERE id = ?",
              request.model(),
              request.json().toString(),
              session);
          return change.update("INSERT INTO training_bases VALUES(?, NULL)", session);
        });
  }

  /** All, for what looks after the whole server. */
  List<TrainingSession> all() {
    return journal.read(
        read ->
            read.list("SELECT * FROM training_sessions ORDER BY number", TrainingStore::session));
  }

  /** One of any tenant. */
  Optional<TrainingSession> find(String id) {
    return journal.read(
        read ->
            read.first("SELECT * FROM training_sessions WHERE id = ?", TrainingStore::session, id));
  }

  /** Those of a tenant, the newest first; one more than the page has, where there are more. */
  List<TrainingSession> list(String tenant, Page page) {
    String after =
        page.after() == null
            ? ""
            : " AND number < (SELECT number FROM training_sessions WHERE tenant = ?1 AND id = ?3)";
    String sql =
        "SELECT * FROM training_sessions WHERE tenant = ?1"
            + after
            + " ORDER BY number DESC LIMIT ?2";
    int limit = page.limit() + 1;
    return journal.read(
        read ->
            page.after() == null
                ? read.list(sql, TrainingStore::session, tenant, limit)
                : read.list(sql, TrainingStore::session, tenant, limit, page.after()));
  }

  /** Whether any session trains on from a model, or from a version of it. */
  static boolean uses(Journal.Session read, String tenant, String model) {
    return read.first(
            "SELECT 1 FROM training_sessions WHERE tenant = ?1 AND"
                + " (model = ?2 OR substr(model, 1, length(?2) + 2) = ?2 || '@v')",
            row -> true,
            tenant,
            model)
        .isPresent();
  }

  /** Takes a session out, with all that is known of it. */
  void delete(String session) {
    journal.change(
        change -> {
          change.update("DELETE FROM training_results WHERE session = ?", session);
          change.update("DELETE FROM training_calls WHERE session = ?", session);
          change.update("DELETE FROM training_states WHERE session = ?", session);
          change.update("DELETE FROM training_bases WHERE session = ?", session);
          change.update("DELETE FROM training_sessions WHERE id = ?", session);
          return null;
        });
  }

  /** How far a session is. */
  Standing standing(String session) {
    return journal.read(
        read ->
            read.first(
                    "SELECT coalesce(max(number), 0), coalesce(max(turn), 0),"
                        + " coalesce(max(CASE WHEN turn IS NOT NULL THEN sequence END), 0)"
                        + " FROM training_calls WHERE session = ?",
                    row -> new Standing(row.getLong(1), row.getLong(2), row.getLong(3)),
                    session)
                .orElseThrow());
  }

  /**
   * Notes a call that has come, and the turns of those that waited for it: durable when this
   * returns.
   *
   * @param released calls with their turns
   */
  void accept(CallRow call, Map<CallRow, Long> released) {
    journal.change(
        change -> {
          change.update(
              "INSERT INTO training_calls VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
              call.session(),
              call.number(),
              call.id(),
              call.kind(),
              call.sequence(),
              call.key(),
              call.digest(),
              call.created(),
              call.turn());
          released.forEach(
              (row, turn) ->
                  change.update(
                      "UPDATE training_calls SET turn = ? WHERE session = ? AND number = ?",
                      turn,
                      row.session(),
                      row.number()));
          change.update(
              "DELETE FROM training_calls WHERE session = ? AND number <= ?",
              call.session(),
              call.number() - CALLS_KEPT);
          return null;
        });
  }

  /** A call by its id. */
  Optional<CallRow> call(String session, String id) {
    return callBy("id", session, id);
  }

  /** A call by the client's key. */
  Optional<CallRow> callOfKey(String session, String key) {
    return callBy("key", session, key);
  }

  /** A call by the client's number. */
  Optional<CallRow> callOfSequence(String session, long sequence) {
    return callBy("sequence", session, sequence);
  }

  private Optional<CallRow> callBy(String column, String session, Object value) {
    return journal.read(
        read ->
            read.first(
                "SELECT * FROM training_calls WHERE session = ? AND " + column + " = ?",
                TrainingStore::call,
                session,
                value));
  }

  /** How many calls a state has not seen that nobody has given up. */
  int beyond(String session, long turn) {
    return journal.read(
        read ->
            read.first(
                    "SELECT count(*) FROM training_calls" + BEYOND,
                    row -> row.getInt(1),
                    session,
                    turn)
                .orElseThrow());
  }

  /** Notes of a call that had its turn that nothing came of it, which any state has seen. */
  void undone(CallRow call) {
    journal.change(
        change ->
            change.update(
                "UPDATE training_calls SET turn = 0 WHERE session = ? AND number = ?",
                call.session(),
                call.number()));
  }

  /**
   * Gives up the calls that a state has not seen: their numbers and keys may be used again.
   *
   * @param turn that the state has seen
   */
  void giveUp(String session, long turn) {
    journal.change(
        change -> {
          change.update(
              "UPDATE training_calls SET lost = 1, sequence = NULL, key = NULL" + BEYOND,
              session,
              turn);
          change.update("UPDATE training_states SET dropped = 0 WHERE session = ?", session);
          return null;
        });
  }

  /**
   * Notes a state, in place of one of its name and of those that the server saved by itself.
   *
   * @param most that a client may have named
   * @return those that it replaces
   * @throws ApiException if there are as many as there may be, or the session has gone
   */
  List<SavedState> add(SavedState state, int most) {
    return journal.change(
        change -> {
          checkIsThere(change, state.session());
          List<SavedState> replaced =
              change.list(
                  "SELECT * FROM training_states WHERE session = ? AND (name IS NULL OR name = ?)",
                  TrainingStore::state,
                  state.session(),
                  state.name());
          replaced.forEach(
              old -> change.update("DELETE FROM training_states WHERE id = ?", old.id()));
          checkCount(change, state, most);
          change.update(
              "INSERT INTO training_states(id, session, name, created, steps, turn, dropped)"
                  + " VALUES(?, ?, ?, ?, ?, ?, ?)",
              state.id(),
              state.session(),
              state.name(),
              state.created(),
              state.steps(),
              state.turn(),
              state.dropped());
          return replaced;
        });
  }

  private static void checkIsThere(Journal.Session change, String session) {
    change
        .first("SELECT 1 FROM training_sessions WHERE id = ?", row -> row.getInt(1), session)
        .orElseThrow(() -> ApiException.conflict("The session was deleted"));
  }

  private static void checkCount(Journal.Session change, SavedState state, int most) {
    long has =
        change
            .first(
                "SELECT count(*) FROM training_states WHERE session = ? AND name IS NOT NULL",
                row -> row.getLong(1),
                state.session())
            .orElseThrow();
    if (state.name() != null && has >= most) {
      throw ApiException.overQuota(
          "The session has "
              + has
              + " states, which is as many as it may have; delete one, or give the name of one that"
              + " is to be replaced");
    }
  }

  /** States of a session, the newest first. */
  List<SavedState> states(String session) {
    return journal.read(
        read ->
            read.list(
                "SELECT * FROM training_states WHERE session = ? ORDER BY number DESC",
                TrainingStore::state,
                session));
  }

  /** States of all sessions. */
  List<SavedState> states() {
    return journal.read(
        read -> read.list("SELECT * FROM training_states ORDER BY number", TrainingStore::state));
  }

  /** Takes a state out. */
  void remove(SavedState state) {
    journal.change(change -> change.update("DELETE FROM training_states WHERE id = ?", state.id()));
  }
}
