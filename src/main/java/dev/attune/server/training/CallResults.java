package dev.attune.server.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Optional;

/**
 * What came of calls, in the journal, so that an answer that was computed is given again after a
 * restart too. They are kept for an hour, the newest 1,000 of a session and 32 MiB of JSON of them,
 * a result that is longer until the next comes. Any number of threads use it.
 */
final class CallResults {
  /** Its table; made where it is not there, as folders of earlier versions lack it. */
  static final String LAYOUT =
      """
      CREATE TABLE IF NOT EXISTS training_results(
        session TEXT NOT NULL, number INTEGER NOT NULL, ended INTEGER NOT NULL,
        bytes INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, message TEXT, result TEXT,
        PRIMARY KEY(session, number))
      """;

  static final String BY_TIME =
      "CREATE INDEX IF NOT EXISTS training_results_by_time ON training_results(ended)";

  private static final int MOST_RESULTS = 1000;
  private static final long MOST_BYTES = 32L << 20;
  private static final long KEPT_SECONDS = 3600;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Journal journal;

  CallResults(Journal journal) {
    this.journal = journal;
  }

  private static long now() {
    return Instant.now().getEpochSecond();
  }

  /**
   * Notes what came of a call, durably, and forgets the oldest where there are too many.
   *
   * @param result as JSON; null: none
   * @param error null: none
   */
  void note(CallRow call, Call.Status status, String result, CallError error) {
    journal.change(
        change -> {
          change.update(
              "INSERT OR REPLACE INTO training_results VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
              call.session(),
              call.number(),
              now(),
              result == null ? 0 : result.length(),
              status.name(),
              error == null ? null : error.code(),
              error == null ? null : error.message(),
              result);
          change.update(
              "DELETE FROM training_results WHERE session = ?1 AND number <> ?4 AND (number <= ?2 OR"
                  + " number IN (SELECT number FROM (SELECT number, sum(bytes) OVER"
                  + " (ORDER BY number DESC) AS kept FROM training_results WHERE session = ?1)"
                  + " WHERE kept > ?3))",
              call.session(),
              call.number() - MOST_RESULTS,
              MOST_BYTES,
              call.number());
          return null;
        });
  }

  /** What came of a call; empty: that is not known, or no more. */
  Optional<Call> find(CallRow call) {
    return journal.read(
        read ->
            read.first(
                "SELECT * FROM training_results WHERE session = ? AND number = ? AND ended >= ?",
                row -> past(call, row),
                call.session(),
                call.number(),
                now() - KEPT_SECONDS));
  }

  private static Call past(CallRow call, ResultSet row) throws SQLException {
    String text = row.getString("result");
    String code = row.getString("code");
    return Call.past(
        call,
        Call.Status.valueOf(row.getString("status")),
        text == null ? null : () -> parsed(text),
        code == null ? null : new CallError(code, row.getString("message")));
  }

  private static ObjectNode parsed(String text) {
    try {
      return (ObjectNode) JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the journal holds what is no JSON: " + text, e);
    }
  }

  /** Takes out what is kept no longer, of all sessions. */
  void forgetOld() {
    long first = now() - KEPT_SECONDS;
    boolean isAny =
        journal.read(
            read ->
                read.first(
                        "SELECT 1 FROM training_results WHERE ended < ?",
                        row -> row.getInt(1),
                        first)
                    .isPresent());
    if (isAny) {
      journal.change(
          change -> change.update("DELETE FROM training_results WHERE ended < ?", first));
    }
  }
}
