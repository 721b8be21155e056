package dev.attune.server.models;

import dev.attune.core.Check;
import dev.attune.server.database.Journal;
import dev.attune.server.http.Ids;
import dev.attune.server.models.ModelVersion.State;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The versions of models that learn while they serve. A line is one model of one tenant: its
 * versions, and which of them is live. What is said of a line stands in the journal, the versions'
 * files in a folder of the line.
 */
public final class ModelVersions {
  /** Its tables. */
  public static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE model_lines(
            tenant TEXT NOT NULL, model TEXT NOT NULL, live INTEGER NOT NULL, since INTEGER NOT NULL,
            folder TEXT NOT NULL, PRIMARY KEY(tenant, model)) WITHOUT ROWID
          """,
          """
          CREATE TABLE model_versions(
            tenant TEXT NOT NULL, model TEXT NOT NULL, number INTEGER NOT NULL,
            parent INTEGER NOT NULL, folder TEXT, state TEXT NOT NULL, created INTEGER NOT NULL,
            learned INTEGER NOT NULL, report TEXT, reason TEXT,
            PRIMARY KEY(tenant, model, number),
            FOREIGN KEY(tenant, model) REFERENCES model_lines ON DELETE CASCADE) WITHOUT ROWID
          """);

  private static final String OF_LINE = " WHERE tenant = ? AND model = ?";
  private static final String OF_VERSION = OF_LINE + " AND number = ?";

  private final Journal journal;
  private final Path folder;

  /**
   * @param folder below which lines have theirs
   */
  ModelVersions(Journal journal, Path folder) {
    this.journal = journal;
    this.folder = folder;
  }

  /**
   * What is live of a model.
   *
   * @param live the number of the version
   * @param since the number of the last correction that had come when it became live
   * @param folder where versions that the server made lie
   */
  public record Standing(int live, long since, Path folder) {}

  /** A model's line; empty: it has no versions, and nothing was said of it. */
  public Optional<Standing> standing(ModelLine line) {
    return journal.read(
        session ->
            session.first(
                "SELECT * FROM model_lines" + OF_LINE,
                row ->
                    new Standing(
                        row.getInt("live"),
                        row.getLong("since"),
                        folder.resolve(row.getString("folder"))),
                line.tenant(),
                line.model()));
  }

  /** Begins a model's line, where there is none yet, within a change. */
  public void begin(Journal.Session session, ModelLine line) {
    int made =
        session.update(
            "INSERT INTO model_lines VALUES(?, ?, 1, 0, ?) ON CONFLICT DO NOTHING",
            line.tenant(),
            line.model(),
            Ids.next("line-"));
    if (made > 0) {
      session.update(
          "INSERT INTO model_versions VALUES(?, ?, 1, 0, NULL, ?, ?, 0, NULL, NULL)",
          line.tenant(),
          line.model(),
          State.READY.word(),
          line.original().created().getEpochSecond());
    }
  }

  private ModelVersion read(ModelLine line, ResultSet row) throws SQLException {
    String place = row.getString("folder");
    return new ModelVersion(
        line.model(),
        line.tenant(),
        row.getInt("number"),
        row.getInt("parent"),
        place == null ? line.original().folder() : folder.resolve(place),
        state(row.getString("state")),
        Instant.ofEpochSecond(row.getLong("created")),
        row.getLong("learned"),
        row.getString("report"),
        row.getString("reason"));
  }

  /** All versions of a model, the newest first; none where it has no line. */
  public List<ModelVersion> list(ModelLine line) {
    return journal.read(session -> list(session, line));
  }

  List<ModelVersion> list(Journal.Session session, ModelLine line) {
    return session.list(
        "SELECT * FROM model_versions" + OF_LINE + " ORDER BY number DESC",
        row -> read(line, row),
        line.tenant(),
        line.model());
  }

  /** The version of that number. */
  public Optional<ModelVersion> find(ModelLine line, int number) {
    return journal.read(
        session ->
            session.first(
                "SELECT * FROM model_versions" + OF_VERSION,
                row -> read(line, row),
                line.tenant(),
                line.model(),
                number));
  }

  /** The version that answers requests for the model; empty: it has no line. */
  public Optional<ModelVersion> live(ModelLine line) {
    return journal.read(
        session ->
            session.first(
                "SELECT v.* FROM model_lines l JOIN model_versions v ON v.tenant = l.tenant AND"
                    + " v.model = l.model AND v.number = l.live WHERE l.tenant = ? AND l.model = ?",
                row -> read(line, row),
                line.tenant(),
                line.model()));
  }

  /**
   * Notes, before it is begun, that a version is being made.
   *
   * @param report what it is made of: enough to make it again
   * @return its number; its folder is {@code v<number>} in the line's
   */
  public int add(Journal.Session session, ModelLine line, int parent, long learned, String report) {
    int number =
        session
            .first(
                "SELECT max(number) + 1 FROM model_versions" + OF_LINE,
                row -> row.getInt(1),
                line.tenant(),
                line.model())
            .orElseThrow();
    int made =
        session.update(
            "INSERT INTO model_versions SELECT tenant, model, ?, ?, folder || '/v' || ?, ?, ?, ?, ?,"
                + " NULL FROM model_lines"
                + OF_LINE,
            number,
            parent,
            number,
            State.TRAINING.word(),
            Instant.now().getEpochSecond(),
            learned,
            report,
            line.tenant(),
            line.model());
    Check.state(made == 1, "there is no line of %s", line.model());
    return number;
  }

  /**
   * Says what became of a version.
   *
   * @param report null: as it was
   * @param reason null: as it was
   */
  public void become(
      Journal.Session session, ModelVersion version, State state, String report, String reason) {
    session.update(
        "UPDATE model_versions SET state = ?, report = coalesce(?, report),"
            + " reason = coalesce(?, reason)"
            + OF_VERSION,
        state.word(),
        report,
        reason,
        version.tenant(),
        version.model(),
        version.number());
  }

  /** Whether a version has files that can be opened. */
  boolean isWhole(Journal.Session session, String tenant, String model, int number) {
    return state(session, tenant, model, number).map(State::isWhole).orElse(false);
  }

  /** The same, and also where the version is being made. */
  boolean hasFiles(Journal.Session session, ModelVersion version) {
    return state(session, version.tenant(), version.model(), version.number())
        .map(state -> state.isWhole() || state == State.TRAINING)
        .orElse(false);
  }

  private static Optional<State> state(
      Journal.Session session, String tenant, String model, int number) {
    return session.first(
        "SELECT state FROM model_versions" + OF_VERSION,
        row -> state(row.getString("state")),
        tenant,
        model,
        number);
  }

  private static State state(String word) {
    return State.valueOf(word.toUpperCase(Locale.ROOT));
  }

  /** Whether a version is the live one of a model that is still there. */
  public boolean isLive(Journal.Session session, ModelVersion version) {
    return session
        .first(
            "SELECT 1 FROM model_lines" + OF_LINE + " AND live = ?",
            row -> true,
            version.tenant(),
            version.model(),
            version.number())
        .isPresent();
  }

  /** Makes a version live. */
  void makeLive(Journal.Session session, ModelVersion version, long since) {
    session.update(
        "UPDATE model_lines SET live = ?, since = ?" + OF_LINE,
        version.number(),
        since,
        version.tenant(),
        version.model());
  }

  /** Takes the lines of a tuned model out, with all that hangs on them. */
  void remove(Journal.Session session, String model) {
    session.update("DELETE FROM model_lines WHERE model = ?", model);
  }

  /** The folders of all versions that the server has made and not let go, of all lines. */
  public List<Path> made() {
    return journal.read(
        session ->
            session.list(
                "SELECT folder FROM model_versions WHERE folder IS NOT NULL AND state IN (?, ?, ?)",
                row -> folder.resolve(row.getString("folder")),
                State.READY.word(),
                State.REJECTED.word(),
                State.ROLLED_BACK.word()));
  }

  /** The folders of a tenant's lines. */
  List<Path> folders(String tenant) {
    return journal.read(
        session ->
            session.list(
                "SELECT folder FROM model_lines WHERE tenant = ?",
                row -> folder.resolve(row.getString("folder")),
                tenant));
  }

  /** The folders of all lines, by their names. */
  public List<Path> folders() {
    return journal.read(
        session ->
            session.list(
                "SELECT folder FROM model_lines", row -> folder.resolve(row.getString("folder"))));
  }
}
