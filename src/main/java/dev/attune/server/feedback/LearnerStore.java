package dev.attune.server.feedback;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.Fields;
import dev.attune.server.models.ModelLine;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/** Which models learn while they serve, and how. */
final class LearnerStore {
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE learners(
            tenant TEXT NOT NULL, model TEXT NOT NULL, is_on INTEGER NOT NULL,
            settings TEXT NOT NULL, data TEXT NOT NULL, replay INTEGER NOT NULL,
            held_out INTEGER NOT NULL, attempted INTEGER NOT NULL, trouble TEXT,
            PRIMARY KEY(tenant, model),
            FOREIGN KEY(tenant, model) REFERENCES model_lines ON DELETE CASCADE) WITHOUT ROWID
          """);

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String OF_LINE = " WHERE tenant = ? AND model = ?";

  private final Journal journal;

  LearnerStore(Journal journal) {
    this.journal = journal;
  }

  /**
   * What is noted of a learner.
   *
   * @param old where the old data are
   * @param attempted the number of the last correction that an update was tried with
   * @param trouble what went wrong last, since when nothing went well; null: nothing
   */
  record State(boolean isOn, LearnerSettings settings, Old old, long attempted, String trouble) {}

  /**
   * Old data.
   *
   * @param data their folder, in the line's
   * @param replay rows to repeat
   * @param heldOut rows to measure on
   */
  record Old(String data, int replay, int heldOut) {}

  /** Whose learner is on. */
  record Key(String tenant, String model) {}

  /** A JSON object that this room has written. */
  static ObjectNode parsed(String json) {
    try {
      return (ObjectNode) JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the journal holds what is no JSON: " + json, e);
    }
  }

  private static State read(ResultSet row) throws SQLException {
    return new State(
        row.getBoolean("is_on"),
        LearnerSettings.DEFAULT.with(Fields.of(parsed(row.getString("settings")))),
        new Old(row.getString("data"), row.getInt("replay"), row.getInt("held_out")),
        row.getLong("attempted"),
        row.getString("trouble"));
  }

  Optional<State> find(ModelLine line) {
    return journal.read(
        session ->
            session.first(
                "SELECT * FROM learners" + OF_LINE,
                LearnerStore::read,
                line.tenant(),
                line.model()));
  }

  /** All that are on. */
  List<Key> running() {
    return journal.read(
        session ->
            session.list(
                "SELECT tenant, model FROM learners WHERE is_on",
                row -> new Key(row.getString("tenant"), row.getString("model"))));
  }

  /** Switches one on, or gives it other settings, within a change. */
  void put(Journal.Session session, ModelLine line, LearnerSettings settings, Old old) {
    session.update(
        "INSERT INTO learners VALUES(?, ?, 1, ?, ?, ?, ?, 0, NULL) ON CONFLICT DO UPDATE SET"
            + " is_on = 1, settings = excluded.settings, data = excluded.data,"
            + " replay = excluded.replay, held_out = excluded.held_out, trouble = NULL",
        line.tenant(),
        line.model(),
        settings.toJson().toString(),
        old.data(),
        old.replay(),
        old.heldOut());
  }

  /** Switches one off; what it has learned stays. */
  void off(ModelLine line) {
    journal.change(
        session ->
            session.update("UPDATE learners SET is_on = 0" + OF_LINE, line.tenant(), line.model()));
  }

  /** Notes that an update was tried with the corrections up to a number. */
  void attempted(Journal.Session session, ModelLine line, long last, String trouble) {
    session.update(
        "UPDATE learners SET attempted = max(attempted, ?), trouble = ?" + OF_LINE,
        last,
        trouble,
        line.tenant(),
        line.model());
  }
}
