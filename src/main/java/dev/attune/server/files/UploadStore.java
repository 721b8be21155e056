package dev.attune.server.files;

import dev.attune.core.FileOps;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Files that come in parts. A part that was answered is there after a crash too; the file is made
 * of them in one change of the journal.
 */
public final class UploadStore {
  /** Its tables. */
  public static final List<String> LAYOUT = UploadRows.LAYOUT;

  /** Made where it is not there: folders of earlier versions lack it. */
  public static final String LAYOUT_OF_MADE = UploadRows.LAYOUT_OF_MADE;

  private static final int PIECE_BYTES = 1 << 20;

  /** A part is sent again whose answer was lost, and counts until the upload ends. */
  private static final int MOST_TIMES = 4;

  private final Journal journal;
  private final UploadRows rows;
  private final Path folder;
  private final FileStore files;
  private final FileOps ops;
  private final Set<String> busy = ConcurrentHashMap.newKeySet();

  /**
   * Opens the store.
   *
   * @param folder where parts lie; this store's alone
   */
  public UploadStore(Journal journal, Path folder, FileStore files, FileOps ops)
      throws IOException {
    this.journal = journal;
    this.rows = new UploadRows(journal, folder);
    this.folder = folder;
    this.files = files;
    this.ops = ops;
    ops.createFolder(folder);
    for (UploadPart part : rows.parts()) {
      files.room().hold(rows.upload(part.upload()).tenant(), part.bytes());
    }
  }

  /** Removes what parts have left that did not come whole, before there are new ones. */
  public void removeLeftovers() throws IOException {
    for (Path left : leftovers()) {
      ops.delete(left);
    }
  }

  private List<Path> leftovers() throws IOException {
    Set<Path> known = new HashSet<>();
    rows.parts().forEach(part -> known.add(part.path()));
    List<Path> left = new ArrayList<>();
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(folder, entry -> !known.contains(entry))) {
      entries.forEach(left::add);
    }
    return left;
  }

  /** What is not as the journal has it, in words. */
  public List<String> check() throws IOException {
    List<String> problems = new ArrayList<>();
    for (UploadPart part : rows.parts()) {
      boolean isThere = Files.isRegularFile(part.path()) && Files.size(part.path()) == part.bytes();
      if (!isThere) {
        problems.add(
            "part "
                + part.id()
                + " of "
                + part.upload()
                + ": "
                + part.path()
                + " is missing or has not "
                + part.bytes()
                + " bytes");
      }
    }
    for (Path left : leftovers()) {
      problems.add(left + ": left by a part that did not end; the next start removes it");
    }
    return problems;
  }

  /**
   * The one that a request names.
   *
   * @throws ApiException if the tenant has none of that id
   */
  Upload find(String tenant, String id) {
    return rows.find(tenant, id)
        .orElseThrow(() -> ApiException.notFound(null, "There is no upload '" + id + "'"));
  }

  private Upload pending(String tenant, String id) throws IOException {
    Upload upload = find(tenant, id);
    if (upload.status().equals(Upload.PENDING) && upload.expires().isBefore(Instant.now())) {
      end(upload, Upload.EXPIRED);
      upload = find(tenant, id);
    }
    if (!upload.status().equals(Upload.PENDING)) {
      throw ApiException.conflict("Upload '" + id + "' is " + upload.status());
    }
    return upload;
  }

  /** Begins one. */
  Upload create(String tenant, String name, String purpose, long bytes, Duration lifetime)
      throws IOException {
    Upload upload =
        new Upload(
            Ids.next("upload_"),
            tenant,
            name,
            purpose,
            bytes,
            Instant.ofEpochSecond(Instant.now().getEpochSecond()),
            Upload.PENDING,
            lifetime,
            null);
    files.room().check(tenant, bytes);
    rows.add(upload);
    return upload;
  }

  /** Begins a part of one. */
  IncomingFile beginPart(String tenant, String id, long expectedBytes) throws IOException {
    pending(tenant, id);
    return files.begin("part_", tenant, expectedBytes);
  }

  /** Keeps a whole part; it is durable when this returns. */
  UploadPart addPart(String tenant, String id, IncomingFile content) throws IOException {
    Upload upload = pending(tenant, id);
    if (content.bytes() == 0) {
      throw ApiException.badRequest("data", "'data' is empty; a part has a byte or more");
    }
    long others = rows.parts(upload).stream().mapToLong(UploadPart::bytes).sum();
    if (content.bytes() > upload.bytes() || others > MOST_TIMES * upload.bytes()) {
      throw ApiException.badRequest(
          "data",
          "This part has "
              + content.bytes()
              + " bytes and those before it "
              + others
              + "; the upload was created for "
              + upload.bytes()
              + ", and takes parts until they have "
              + MOST_TIMES
              + " times as many");
    }
    UploadPart part =
        new UploadPart(
            content.id(),
            id,
            content.bytes(),
            Instant.ofEpochSecond(Instant.now().getEpochSecond()),
            folder.resolve(content.id()));
    content.moveTo(part.path());
    if (!rows.add(part)) { // it was ended meanwhile
      remove(tenant, part);
      throw ApiException.conflict("Upload '" + id + "' was ended while this part came");
    }
    return part;
  }

  private void remove(String tenant, UploadPart part) throws IOException {
    files.room().free(tenant, part.bytes());
    ops.delete(part.path());
  }

  /**
   * Makes the file; of an upload that was completed before, finds the one that it has become: who
   * asks again has not had the answer.
   *
   * @param order ids of the parts
   * @param md5 of the file, in hexadecimal; null: it is not checked
   * @throws ApiException also if it was completed of other parts, or of other bytes
   */
  StoredFile complete(String tenant, String id, List<String> order, String md5) throws IOException {
    Upload known = find(tenant, id);
    if (known.status().equals(Upload.COMPLETED)) {
      checkSame(known, order, md5);
      return files.find(tenant, known.made().file());
    }
    Upload upload = pending(tenant, id);
    if (!busy.add(id)) {
      throw ApiException.conflict("Upload '" + id + "' is being completed");
    }
    try {
      return complete(upload, chosen(upload, order), md5);
    } finally {
      busy.remove(id);
    }
  }

  private static void checkSame(Upload known, List<String> order, String md5) {
    Upload.Made made = known.made();
    if (made.parts() == null) {
      throw UploadRows.hasEnded(known);
    }
    if (!made.parts().equals(order)) {
      throw ApiException.conflict(
          "Upload '" + known.id() + "' was completed of other parts, or in another order");
    }
    if (md5 != null && !md5.equalsIgnoreCase(made.md5())) {
      throw ApiException.conflict(
          "Upload '"
              + known.id()
              + "' was completed; the file's MD5 is "
              + made.md5()
              + ", and not "
              + md5);
    }
  }

  private List<UploadPart> chosen(Upload upload, List<String> order) {
    List<UploadPart> parts = rows.parts(upload);
    if (new HashSet<>(order).size() != order.size()) {
      throw ApiException.badRequest("part_ids", "'part_ids' has a part twice");
    }
    List<UploadPart> chosen =
        order.stream()
            .map(
                part ->
                    parts.stream()
                        .filter(p -> p.id().equals(part))
                        .findFirst()
                        .orElseThrow(
                            () ->
                                ApiException.badRequest(
                                    "part_ids", "This upload has no part '" + part + "'")))
            .toList();
    long bytes = chosen.stream().mapToLong(UploadPart::bytes).sum();
    if (bytes != upload.bytes()) {
      throw ApiException.badRequest(
          "part_ids",
          "These parts have " + bytes + " bytes; the upload was created for " + upload.bytes());
    }
    return chosen;
  }

  private StoredFile complete(Upload upload, List<UploadPart> chosen, String md5)
      throws IOException {
    List<UploadPart> all = rows.parts(upload);
    long held = all.stream().mapToLong(UploadPart::bytes).sum();
    files.room().free(upload.tenant(), held); // the file takes their place
    boolean isDone = false;
    try (IncomingFile whole = files.begin(upload.tenant(), upload.bytes())) {
      LinesCheck lines = new LinesCheck();
      MessageDigest digest = md5Digest();
      ByteBuffer piece = ByteBuffer.allocate(PIECE_BYTES);
      for (UploadPart part : chosen) {
        try (FileChannel in = FileChannel.open(part.path(), StandardOpenOption.READ)) {
          while (in.read(piece.clear()) >= 0) {
            piece.flip();
            digest.update(piece.duplicate());
            lines.look(piece);
            whole.write(piece);
          }
        }
      }
      String sum = HexFormat.of().formatHex(digest.digest());
      check(upload, lines, md5, sum);
      StoredFile file = files.place(whole, upload.name(), upload.purpose(), upload.lifetime());
      List<String> order = chosen.stream().map(UploadPart::id).toList();
      List<UploadPart> late = completed(upload, file, new Upload.Made(file.id(), order, sum), all);
      isDone = true;
      for (UploadPart part : all) {
        ops.delete(part.path());
      }
      for (UploadPart part : late) {
        remove(upload.tenant(), part);
      }
      return file;
    } finally {
      if (!isDone) {
        files.room().hold(upload.tenant(), held);
      }
    }
  }

  /** Makes the change that ends an upload; returns parts that came since others were listed. */
  private List<UploadPart> completed(
      Upload upload, StoredFile file, Upload.Made made, List<UploadPart> listed) {
    try {
      return journal.change(
          session -> {
            List<UploadPart> late = new ArrayList<>(rows.parts(upload));
            late.removeAll(listed);
            UploadRows.end(session, upload, Upload.COMPLETED, made);
            files.add(session, file);
            return late;
          });
    } catch (RuntimeException | Error e) {
      files.giveUp(file);
      throw e;
    }
  }

  private static void check(Upload upload, LinesCheck lines, String wanted, String md5) {
    if (wanted != null && !wanted.equalsIgnoreCase(md5)) {
      throw ApiException.badRequest(
          "md5", "The file's MD5 is " + md5 + ", and not " + wanted + ": send its parts again");
    }
    if (upload.purpose().equals(Purpose.FINE_TUNE) && FileName.isLines(upload.name())) {
      lines.check();
    }
  }

  private static MessageDigest md5Digest() {
    try {
      return MessageDigest.getInstance("MD5");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  /** Gives one up. */
  Upload cancel(String tenant, String id) throws IOException {
    Upload upload = pending(tenant, id);
    end(upload, Upload.CANCELLED);
    return find(tenant, id);
  }

  private void end(Upload upload, String status) throws IOException {
    if (busy.contains(upload.id())) {
      throw ApiException.conflict("Upload '" + upload.id() + "' is being completed");
    }
    List<UploadPart> parts =
        journal.change(
            session -> {
              List<UploadPart> all = rows.parts(upload);
              UploadRows.end(session, upload, status, null);
              return all;
            });
    for (UploadPart part : parts) {
      remove(upload.tenant(), part);
    }
  }

  /** Gives up what has waited for parts too long. */
  public void endExpired() throws IOException {
    List<Upload> old = rows.pendingSince(Instant.now().minus(Upload.PATIENCE));
    for (Upload upload : old) {
      try {
        end(upload, Upload.EXPIRED);
      } catch (ApiException e) {
        // it ends in this instant
      }
    }
  }
}
