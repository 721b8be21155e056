package dev.attune.server.feedback;

import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.http.Page;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersions;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** All corrections, in the order in which they came. */
final class CorrectionStore {
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE corrections(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            tenant TEXT NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL, pair TEXT,
            label TEXT NOT NULL, is_held_out INTEGER NOT NULL, created INTEGER NOT NULL,
            judge INTEGER, predicted TEXT, predicted_before TEXT,
            FOREIGN KEY(tenant, model) REFERENCES model_lines ON DELETE CASCADE)
          """,
          "CREATE INDEX corrections_of_models ON corrections(tenant, model, number)",
          """
          CREATE TABLE correction_keys(
            tenant TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
            first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(tenant, model, key),
            FOREIGN KEY(tenant, model) REFERENCES model_lines ON DELETE CASCADE) WITHOUT ROWID
          """);

  /** Of all texts of a line's corrections: an update reads them all. */
  static final long MOST_CHARACTERS = 20_000_000;

  private static final String OF_LINE = " WHERE tenant = ? AND model = ?";

  private final Journal journal;
  private final ModelVersions versions;
  private final Map<String, Long> characters = new ConcurrentHashMap<>(); // of lines, once asked

  CorrectionStore(Journal journal, ModelVersions versions) {
    this.journal = journal;
    this.versions = versions;
  }

  private static Correction read(ResultSet row) throws SQLException {
    return new Correction(
        row.getLong("number"),
        row.getString("id"),
        new LabelledText(row.getString("text"), row.getString("pair"), row.getString("label")),
        Instant.ofEpochMilli(row.getLong("created")),
        row.getString("predicted"));
  }

  /**
   * Keeps corrections: all, or none.
   *
   * @param key the client's name for the request, which may come twice; null: none
   * @throws ApiException if the key has come with other corrections, or the model has too many
   */
  List<Correction> add(ModelLine line, List<LabelledText> rows, String key) {
    long coming = rows.stream().mapToLong(CorrectionStore::characters).sum();
    String name = line.tenant() + '\0' + line.model();
    boolean[] isNew = new boolean[1];
    List<Correction> kept =
        journal.change(
            session -> {
              versions.begin(session, line);
              String digest = digest(rows);
              Optional<List<Correction>> earlier =
                  key == null ? Optional.empty() : earlier(session, line, key, digest);
              if (earlier.isPresent()) {
                return earlier.get();
              }
              long there =
                  characters.computeIfAbsent(name, unknown -> characters(session, line)) + coming;
              if (there > MOST_CHARACTERS) {
                throw ApiException.overQuota(
                    "The corrections of '"
                        + line.model()
                        + "' would have "
                        + there
                        + " characters; a model may have "
                        + MOST_CHARACTERS);
              }
              isNew[0] = true;
              List<Correction> added = new ArrayList<>();
              for (LabelledText row : rows) {
                added.add(insert(session, line, row));
              }
              if (key != null) {
                session.update(
                    "INSERT INTO correction_keys VALUES(?, ?, ?, ?, ?, ?)",
                    line.tenant(),
                    line.model(),
                    key,
                    digest,
                    added.get(0).number(),
                    added.get(added.size() - 1).number());
              }
              return added;
            });
    if (isNew[0]) {
      characters.merge(name, coming, Long::sum);
    }
    return kept;
  }

  private static long characters(LabelledText row) {
    return row.text().length() + (row.pair() == null ? 0 : row.pair().length());
  }

  private static long characters(Journal.Session session, ModelLine line) {
    return session
        .first(
            "SELECT total(length(text) + coalesce(length(pair), 0)) AS characters FROM corrections"
                + OF_LINE,
            row -> row.getLong("characters"),
            line.tenant(),
            line.model())
        .orElseThrow();
  }

  private static Correction insert(Journal.Session session, ModelLine line, LabelledText row) {
    String id = Ids.next("corr_");
    session.update(
        "INSERT INTO corrections(id, tenant, model, text, pair, label, is_held_out, created)"
            + " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        id,
        line.tenant(),
        line.model(),
        row.text(),
        row.pair(),
        row.label(),
        row.isHeldOut(),
        System.currentTimeMillis());
    return session
        .first("SELECT * FROM corrections WHERE id = ?", CorrectionStore::read, id)
        .orElseThrow();
  }

  private static Optional<List<Correction>> earlier(
      Journal.Session session, ModelLine line, String key, String digest) {
    record Known(String digest, long first, long last) {}
    Optional<Known> known =
        session.first(
            "SELECT * FROM correction_keys" + OF_LINE + " AND key = ?",
            row -> new Known(row.getString("digest"), row.getLong("first"), row.getLong("last")),
            line.tenant(),
            line.model(),
            key);
    if (known.isPresent() && !known.get().digest.equals(digest)) {
      throw ApiException.conflict(
          "The idempotency key '" + key + "' has come before, with other corrections");
    }
    return known.map(
        k ->
            session.list(
                "SELECT * FROM corrections"
                    + OF_LINE
                    + " AND number BETWEEN ? AND ? ORDER BY number",
                CorrectionStore::read,
                line.tenant(),
                line.model(),
                k.first,
                k.last));
  }

  private static String digest(List<LabelledText> rows) {
    String all = rows.stream().map(LabelledText::toString).collect(Collectors.joining("\n"));
    return HexFormat.of().formatHex(LabelledText.digest(all));
  }

  /** A page, the newest first, and one more where there are more. */
  List<Correction> list(ModelLine line, Page page) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM corrections"
                    + OF_LINE
                    + " AND number < coalesce((SELECT number FROM corrections WHERE id = ?),"
                    + " 9223372036854775807) ORDER BY number DESC LIMIT ?",
                CorrectionStore::read,
                line.tenant(),
                line.model(),
                page.after(),
                page.limit() + 1));
  }

  /** All up to a number, in their order. */
  List<Correction> upTo(ModelLine line, long last) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM corrections" + OF_LINE + " AND number <= ? ORDER BY number",
                CorrectionStore::read,
                line.tenant(),
                line.model(),
                last));
  }

  /** How many there are, are held out, and of the others have come up to a number. */
  record Counts(long all, long heldOut, long learned) {}

  Counts counts(ModelLine line, long learned) {
    return journal.read(
        session ->
            session
                .first(
                    "SELECT count(*) AS count, total(is_held_out) AS held_out,"
                        + " total(number <= ? AND NOT is_held_out) AS learned FROM corrections"
                        + OF_LINE,
                    row ->
                        new Counts(
                            row.getLong("count"), row.getLong("held_out"), row.getLong("learned")),
                    learned,
                    line.tenant(),
                    line.model())
                .orElseThrow());
  }

  /** How many came after a number, when the first of them did, and the last one's number. */
  record Coming(long count, Instant first, long last) {}

  Coming after(ModelLine line, long number) {
    return journal.read(
        session ->
            session
                .first(
                    "SELECT count(*) AS count, min(created) AS first, max(number) AS last"
                        + " FROM corrections"
                        + OF_LINE
                        + " AND number > ?",
                    row ->
                        new Coming(
                            row.getLong("count"),
                            Instant.ofEpochMilli(row.getLong("first")),
                            row.getLong("last")),
                    line.tenant(),
                    line.model(),
                    number)
                .orElseThrow());
  }

  /** The number of the last one that has come; 0: none has. */
  static long last(Journal.Session session, ModelLine line) {
    return session
        .first(
            "SELECT coalesce(max(number), 0) AS last FROM corrections" + OF_LINE,
            row -> row.getLong("last"),
            line.tenant(),
            line.model())
        .orElseThrow();
  }

  /** Those after a number that nobody has looked at, the oldest first. */
  List<Correction> unjudged(ModelLine line, long after, int most) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM corrections"
                    + OF_LINE
                    + " AND judge IS NULL AND number > ? ORDER BY number LIMIT ?",
                CorrectionStore::read,
                line.tenant(),
                line.model(),
                after,
                most));
  }

  /**
   * Notes what two versions say of corrections that neither has learned.
   *
   * @param judge the number of the live version
   * @param before what the version before says; null: there is none
   */
  void judged(List<Correction> corrections, int judge, List<String> said, List<String> before) {
    journal.change(
        session -> {
          for (int i = 0; i < corrections.size(); i++) {
            session.update(
                "UPDATE corrections SET judge = ?, predicted = ?, predicted_before = ?"
                    + " WHERE number = ?",
                judge,
                said.get(i),
                before == null ? null : before.get(i),
                corrections.get(i).number());
          }
          return null;
        });
  }

  /** Whether a live version was right on a correction, and whether the one before was. */
  record Judged(boolean isRight, boolean wasRight) {}

  /** Those that a version judged after a number, the newest first. */
  List<Judged> judged(ModelLine line, int judge, long after, int most) {
    return journal.read(
        session ->
            session.list(
                "SELECT label = predicted AS is_right, label = predicted_before AS was_right"
                    + " FROM corrections"
                    + OF_LINE
                    + " AND judge = ? AND predicted_before IS NOT NULL AND number > ?"
                    + " ORDER BY number DESC LIMIT ?",
                row -> new Judged(row.getBoolean("is_right"), row.getBoolean("was_right")),
                line.tenant(),
                line.model(),
                judge,
                after,
                most));
  }
}
