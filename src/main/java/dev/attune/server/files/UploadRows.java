package dev.attune.server.files;

import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Uploads and their parts in the journal. Any number of threads use it. */
final class UploadRows {
  /** Its tables. */
  static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE uploads(
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, purpose TEXT NOT NULL,
            bytes INTEGER NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL,
            lifetime INTEGER, file TEXT) WITHOUT ROWID
          """,
          """
          CREATE TABLE upload_parts(
            id TEXT PRIMARY KEY, upload TEXT NOT NULL REFERENCES uploads(id),
            bytes INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID
          """,
          "CREATE INDEX parts_of_uploads ON upload_parts(upload)");

  /** Made where it is not there: folders of earlier versions lack it. */
  static final String LAYOUT_OF_MADE =
      """
      CREATE TABLE IF NOT EXISTS uploads_made(
        upload TEXT PRIMARY KEY REFERENCES uploads(id), parts TEXT NOT NULL, md5 TEXT NOT NULL)
        WITHOUT ROWID
      """;

  private static final String UPLOADS =
      "SELECT * FROM uploads LEFT JOIN uploads_made ON uploads_made.upload = uploads.id";

  private final Journal journal;
  private final Path folder;

  /**
   * @param folder where parts lie
   */
  UploadRows(Journal journal, Path folder) {
    this.journal = journal;
    this.folder = folder;
  }

  private static Upload read(ResultSet row) throws SQLException {
    long lifetime = row.getLong("lifetime");
    String file = row.getString("file");
    return new Upload(
        row.getString("id"),
        row.getString("tenant"),
        row.getString("name"),
        row.getString("purpose"),
        row.getLong("bytes"),
        Instant.ofEpochSecond(row.getLong("created")),
        row.getString("status"),
        lifetime == 0 ? null : Duration.ofSeconds(lifetime),
        file == null ? null : new Upload.Made(file, order(row), row.getString("md5")));
  }

  private static List<String> order(ResultSet row) throws SQLException {
    String parts = row.getString("parts");
    return parts == null ? null : List.of(parts.split(" "));
  }

  private UploadPart part(ResultSet row) throws SQLException {
    return new UploadPart(
        row.getString("id"),
        row.getString("upload"),
        row.getLong("bytes"),
        Instant.ofEpochSecond(row.getLong("created")),
        folder.resolve(row.getString("id")));
  }

  /** Parts of all uploads. */
  List<UploadPart> parts() {
    return journal.read(session -> session.list("SELECT * FROM upload_parts", this::part));
  }

  /** Those of one. */
  List<UploadPart> parts(Upload upload) {
    return journal.read(
        session ->
            session.list("SELECT * FROM upload_parts WHERE upload = ?", this::part, upload.id()));
  }

  /** One that is there, of any tenant. */
  Upload upload(String id) {
    return journal
        .read(session -> session.first(UPLOADS + " WHERE id = ?", UploadRows::read, id))
        .orElseThrow();
  }

  /** One of a tenant's. */
  Optional<Upload> find(String tenant, String id) {
    return journal.read(
        session ->
            session.first(UPLOADS + " WHERE id = ? AND tenant = ?", UploadRows::read, id, tenant));
  }

  /** Those that were begun before a time and have not ended. */
  List<Upload> pendingSince(Instant time) {
    return journal.read(
        session ->
            session.list(
                UPLOADS + " WHERE status = ? AND created < ?",
                UploadRows::read,
                Upload.PENDING,
                time.getEpochSecond()));
  }

  /** Notes a new one. */
  void add(Upload upload) {
    journal.change(
        session ->
            session.update(
                "INSERT INTO uploads VALUES(?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                upload.id(),
                upload.tenant(),
                upload.name(),
                upload.purpose(),
                upload.bytes(),
                upload.created().getEpochSecond(),
                upload.status(),
                upload.lifetime() == null ? null : upload.lifetime().toSeconds()));
  }

  /** Notes a part; false: its upload has ended. */
  boolean add(UploadPart part) {
    return journal.change(
            session ->
                session.update(
                    "INSERT INTO upload_parts SELECT ?, id, ?, ? FROM uploads WHERE id = ?"
                        + " AND status = ?",
                    part.id(),
                    part.bytes(),
                    part.created().getEpochSecond(),
                    part.upload(),
                    Upload.PENDING))
        > 0;
  }

  /**
   * Ends one within a change, which fails if it was ended already.
   *
   * @param made null: no file
   */
  static void end(Journal.Session session, Upload upload, String status, Upload.Made made) {
    int ended =
        session.update(
            "UPDATE uploads SET status = ?, file = ? WHERE id = ? AND status = ?",
            status,
            made == null ? null : made.file(),
            upload.id(),
            Upload.PENDING);
    if (ended == 0) {
      throw hasEnded(upload);
    }
    if (made != null) {
      session.update(
          "INSERT INTO uploads_made VALUES(?, ?, ?)",
          upload.id(),
          String.join(" ", made.parts()),
          made.md5());
    }
    session.update("DELETE FROM upload_parts WHERE upload = ?", upload.id());
  }

  static ApiException hasEnded(Upload upload) {
    return ApiException.conflict("Upload '" + upload.id() + "' has ended already");
  }
}
