package dev.attune.server.files;

import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.http.Page;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.Stream;

/** All files of all tenants. Any number of threads use it. */
public final class FileStore {
  /** Its table. */
  public static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE files(
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, purpose TEXT NOT NULL,
            bytes INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER, path TEXT NOT NULL,
            sha256 TEXT NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID
          """,
          "CREATE INDEX files_of_tenants ON files(tenant, number)");

  private static final System.Logger LOG = System.getLogger("dev.attune.server.files");
  private static final String INCOMING = "incoming";
  private static final int PIECE_BYTES = 1 << 20;

  private final Journal journal;
  private final Path folder;
  private final Path incoming;
  private final FileOps files;
  private final Room room;
  private final List<BiConsumer<Journal.Session, StoredFile>> beforeDeletion =
      new CopyOnWriteArrayList<>();

  /**
   * Opens the store.
   *
   * @param folder where the bytes lie; this store's alone
   * @param limits of a tenant
   */
  public FileStore(Journal journal, Path folder, Function<String, Limits> limits, FileOps files)
      throws IOException {
    this.journal = journal;
    this.folder = folder;
    this.incoming = folder.resolve(INCOMING);
    this.files = files;
    files.createFolder(incoming);
    this.room = new Room(incoming, limits);
    all().forEach(file -> room.hold(file.tenant(), file.bytes()));
  }

  /** Removes what uploads have left that did not end, before there are new ones. */
  public void removeLeftovers() throws IOException {
    for (Path left : leftovers()) {
      files.delete(left);
    }
  }

  /** What is not as the journal has it, in words. */
  public List<String> check() throws IOException {
    List<String> problems = new ArrayList<>();
    for (StoredFile file : all()) {
      String problem = problem(file);
      if (problem != null) {
        problems.add("file " + file.id() + " of " + file.tenant() + ": " + problem);
      }
    }
    for (Path left : leftovers()) {
      problems.add(left + ": left by an upload that did not end; the next start removes it");
    }
    return problems;
  }

  private static String problem(StoredFile file) throws IOException {
    if (!Files.isRegularFile(file.path())) {
      return file.path() + " is missing";
    }
    long size = Files.size(file.path());
    if (size != file.bytes()) {
      return file.path() + " has " + size + " bytes; it had " + file.bytes();
    }
    MessageDigest digest = IncomingFile.sha256Digest();
    ByteBuffer piece = ByteBuffer.allocate(PIECE_BYTES);
    try (FileChannel in = FileChannel.open(file.path(), StandardOpenOption.READ)) {
      while (in.read(piece.clear()) >= 0) {
        digest.update(piece.flip());
      }
    }
    boolean isSame = HexFormat.of().formatHex(digest.digest()).equals(file.sha256());
    return isSame ? null : file.path() + " has other bytes than were uploaded";
  }

  private static List<Path> entries(Path folder) throws IOException {
    List<Path> entries = new ArrayList<>();
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder)) {
      found.forEach(entries::add);
    }
    return entries;
  }

  /** What lies in the folder and is no file of the journal's. */
  private List<Path> leftovers() throws IOException {
    Set<Path> known = new HashSet<>(Set.of(incoming));
    all().forEach(file -> known.add(file.path()));
    return Stream.concat(
            entries(incoming).stream(),
            entries(folder).stream().filter(path -> !known.contains(path)))
        .toList();
  }

  private StoredFile read(ResultSet row) throws SQLException {
    long expires = row.getLong("expires");
    return new StoredFile(
        row.getString("id"),
        row.getString("tenant"),
        row.getString("name"),
        row.getString("purpose"),
        row.getLong("bytes"),
        Instant.ofEpochSecond(row.getLong("created")),
        expires == 0 ? null : Instant.ofEpochSecond(expires),
        folder.resolve(row.getString("path")),
        row.getString("sha256"));
  }

  /** All of all tenants, for what looks after the whole server. */
  public List<StoredFile> all() {
    return journal.read(session -> session.list("SELECT * FROM files ORDER BY number", this::read));
  }

  /** Bytes of a tenant's files, those that are being uploaded included. */
  public long usedBytes(String tenant) {
    return room.used(tenant);
  }

  /**
   * The one that a request names.
   *
   * @throws ApiException if the tenant has none of that id
   */
  public StoredFile find(String tenant, String id) {
    return stored(tenant, id)
        .filter(file -> file.expires() == null || file.expires().isAfter(Instant.now()))
        .orElseThrow(() -> noFile(id));
  }

  /**
   * One that is needed still, so that it is there though it may have expired: {@link
   * #deleteExpired} leaves it.
   *
   * @throws ApiException if the tenant has none of that id
   */
  public StoredFile findNeeded(String tenant, String id) {
    return stored(tenant, id).orElseThrow(() -> noFile(id));
  }

  private Optional<StoredFile> stored(String tenant, String id) {
    return journal.read(
        session ->
            session.first(
                "SELECT * FROM files WHERE id = ? AND tenant = ?", this::read, id, tenant));
  }

  /**
   * Refuses, within a change, a file that has gone since it was found: whoever notes in the same
   * change that it needs the file keeps it.
   *
   * @throws ApiException if the tenant has none of that id
   */
  public void checkThere(Journal.Session session, String tenant, String id) {
    session
        .first("SELECT 1 FROM files WHERE id = ? AND tenant = ?", row -> true, id, tenant)
        .orElseThrow(() -> noFile(id));
  }

  private static ApiException noFile(String id) {
    return ApiException.notFound(null, "There is no file '" + id + "'");
  }

  /**
   * A page of a tenant's files, and one more where there are more.
   *
   * @param purpose null: of any
   * @param newestFirst else the oldest
   */
  public List<StoredFile> list(String tenant, Page page, String purpose, boolean newestFirst) {
    String beyond = newestFirst ? "number < " : "number > ";
    String sql =
        "SELECT * FROM files WHERE tenant = ? AND (expires IS NULL OR expires > ?)"
            + " AND (? IS NULL OR purpose = ?) AND (? IS NULL OR "
            + beyond
            + "(SELECT number FROM files WHERE id = ? AND tenant = ?)) ORDER BY number "
            + (newestFirst ? "DESC" : "ASC")
            + " LIMIT ?";
    if (page.after() != null) {
      find(tenant, page.after());
    }
    return journal.read(
        session ->
            session.list(
                sql,
                this::read,
                tenant,
                Instant.now().getEpochSecond(),
                purpose,
                purpose,
                page.after(),
                page.after(),
                tenant,
                page.limit() + 1));
  }

  /**
   * Begins a file, which is nobody's until it is {@link #add}ed.
   *
   * @param expectedBytes of it, where they are known, so that what is too large is refused before
   *     it is sent; else 0
   * @throws ApiException if there is no room for it
   */
  public IncomingFile begin(String tenant, long expectedBytes) throws IOException {
    return begin("file-", tenant, expectedBytes);
  }

  /** The same with another kind of id. */
  IncomingFile begin(String prefix, String tenant, long expectedBytes) throws IOException {
    return new IncomingFile(
        Ids.next(prefix), tenant, incoming, files, room.reserve(tenant, expectedBytes));
  }

  Room room() {
    return room;
  }

  /** Puts a whole file in its place; it is there for its tenant when this returns. */
  public StoredFile add(IncomingFile file, String name, String purpose, Duration lifetime)
      throws IOException {
    StoredFile stored = place(file, name, purpose, lifetime);
    try {
      journal.change(
          session -> {
            add(session, stored);
            return null;
          });
    } catch (RuntimeException | Error e) {
      giveUp(stored);
      throw e;
    }
    return stored;
  }

  /**
   * Puts a whole file in its place, for a change of the journal that tells of it by {@link
   * #add(Journal.Session, StoredFile)}. Where that is not made, {@link #giveUp} it.
   *
   * @param lifetime null: it stays
   */
  public StoredFile place(IncomingFile file, String name, String purpose, Duration lifetime)
      throws IOException {
    Path path = folder.resolve(file.id() + FileName.ending(name, purpose));
    file.moveTo(path);
    Instant now = Instant.ofEpochSecond(Instant.now().getEpochSecond());
    return new StoredFile(
        file.id(),
        file.tenant(),
        name,
        purpose,
        file.bytes(),
        now,
        lifetime == null ? null : now.plus(lifetime),
        path,
        file.sha256());
  }

  /** Tells the journal of a file that is in its place: it is there when that is committed. */
  public void add(Journal.Session session, StoredFile file) {
    session.update(
        "INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?,"
            + " (SELECT coalesce(max(number), 0) + 1 FROM files))",
        file.id(),
        file.tenant(),
        file.name(),
        file.purpose(),
        file.bytes(),
        file.created().getEpochSecond(),
        file.expires() == null ? null : file.expires().getEpochSecond(),
        folder.relativize(file.path()).toString(),
        file.sha256());
  }

  /**
   * Frees what a file takes that was put in its place, and was not told of. One that the journal
   * has after all stays, and so does one of which that cannot be told now: it goes at the next
   * start.
   */
  public void giveUp(StoredFile file) {
    try {
      if (stored(file.tenant(), file.id()).isEmpty()) {
        files.delete(file.path());
        room.free(file.tenant(), file.bytes());
      }
    } catch (IOException | UncheckedIOException e) {
      LOG.log(Level.WARNING, file.path() + " is left until the next start: " + e.getMessage());
    }
  }

  /** Writes a small file of the server's own, such as a job's results, for {@link #add}. */
  public StoredFile place(String tenant, String name, String purpose, byte[] content)
      throws IOException {
    try (IncomingFile file = begin(tenant, 0)) {
      file.write(ByteBuffer.wrap(content));
      return place(file, name, purpose, null);
    }
  }

  /** Writes a small file of the server's own; it is there for its tenant when this returns. */
  public StoredFile write(String tenant, String name, String purpose, byte[] content)
      throws IOException {
    try (IncomingFile file = begin(tenant, 0)) {
      file.write(ByteBuffer.wrap(content));
      return add(file, name, purpose, null);
    }
  }

  /**
   * Hears of a file before it is deleted, within that change, and may refuse it by an {@link
   * ApiException}.
   */
  public void beforeDeletion(BiConsumer<Journal.Session, StoredFile> listener) {
    beforeDeletion.add(listener);
  }

  /**
   * Deletes a file. Who reads it reads on.
   *
   * @throws ApiException if the tenant has none of that id, or it is needed
   */
  public void delete(String tenant, String id) throws IOException {
    delete(find(tenant, id));
  }

  private void delete(StoredFile file) throws IOException {
    int gone =
        journal.change(
            session -> {
              beforeDeletion.forEach(listener -> listener.accept(session, file));
              return session.update("DELETE FROM files WHERE id = ?", file.id());
            });
    if (gone > 0) {
      room.free(file.tenant(), file.bytes());
      files.delete(file.path());
    }
  }

  /** Deletes what has expired, but for what is needed still. */
  public void deleteExpired() {
    List<StoredFile> expired =
        journal.read(
            session ->
                session.list(
                    "SELECT * FROM files WHERE expires <= ?",
                    this::read,
                    Instant.now().getEpochSecond()));
    for (StoredFile file : expired) {
      try {
        delete(file);
      } catch (ApiException e) {
        // needed: at another time
      } catch (IOException e) {
        throw new UncheckedIOException(file.path() + " cannot be deleted: " + e.getMessage(), e);
      }
    }
  }
}
