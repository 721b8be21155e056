package dev.attune.server.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Page;
import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each file operation of an upload fails in turn: a file is there whole, or not at all. */
class FileFaultsTest {
  private static final byte[] CONTENT = new byte[1000];

  @TempDir private Path folder;
  private DataFolder data;

  @BeforeEach
  void open() {
    data = DataFolder.open(folder.resolve("data"));
  }

  @AfterEach
  void close() {
    data.close();
  }

  private FileStore store(FileOps ops) throws IOException {
    return new FileStore(data.journal(), data.files(), tenant -> Limits.NONE, ops);
  }

  private List<Path> onDisk() throws IOException {
    try (Stream<Path> files = Files.walk(data.files())) {
      return files.filter(Files::isRegularFile).toList();
    }
  }

  @Test
  void whateverFailsNothingIsHalfThere() throws Exception {
    store(FileOps.SYSTEM); // makes the folders
    int operations = 0;
    for (boolean failed = true; failed; operations++) {
      String tenant = "t" + operations;
      failed = false;
      try {
        store(new FailingFiles(operations + 1)).write(tenant, "a.jsonl", "user_data", CONTENT);
      } catch (IOException | ApiException e) {
        failed = true;
      }
      FileStore next = store(FileOps.SYSTEM);
      List<StoredFile> listed = next.list(tenant, new Page(null, 10), null, true);
      assertEquals(failed ? 0 : 1, listed.size());
      next.removeLeftovers();
      assertEquals(listed.stream().map(StoredFile::path).toList(), onDisk());
      assertEquals(List.of(), next.check());
      assertEquals(failed ? 0 : CONTENT.length, next.usedBytes(tenant));
    }
    assertTrue(operations >= 5, operations + " operations");
  }

  /** What the journal refuses leaves neither bytes nor a smaller quota. */
  @Test
  void aFileThatTheJournalRefusesIsGivenUp() throws Exception {
    FileStore files = store(FileOps.SYSTEM);
    UploadStore uploads = new UploadStore(data.journal(), data.uploads(), files, FileOps.SYSTEM);
    Upload upload = uploads.create("t", "a", "user_data", CONTENT.length, null);
    UploadPart part = addPart(uploads, upload, CONTENT);
    data.journal()
        .change(
            session ->
                session.update(
                    "CREATE TRIGGER refusing BEFORE INSERT ON files"
                        + " BEGIN SELECT RAISE(ABORT, 'refused'); END"));
    assertThrows(UncheckedIOException.class, () -> files.write("t", "a", "user_data", CONTENT));
    assertThrows(
        UncheckedIOException.class,
        () -> uploads.complete("t", upload.id(), List.of(part.id()), null));
    assertEquals(List.of(), onDisk());
    assertEquals(CONTENT.length, files.usedBytes("t")); // the part's
    data.journal().change(session -> session.update("DROP TRIGGER refusing"));
    uploads.complete("t", upload.id(), List.of(part.id()), null);
    assertEquals(CONTENT.length, files.usedBytes("t"));
  }

  private static UploadPart addPart(UploadStore uploads, Upload upload, byte[] content)
      throws IOException {
    try (IncomingFile part = uploads.beginPart("t", upload.id(), 0)) {
      part.write(ByteBuffer.wrap(content));
      return uploads.addPart("t", upload.id(), part);
    }
  }

  /** A part comes when the others are being put together. */
  private static final class Late extends FileOps {
    private Runnable part;

    @Override
    public void replace(Path from, Path to) throws IOException {
      Runnable now = part;
      part = null;
      if (now != null) {
        now.run();
      }
      super.replace(from, to);
    }
  }

  @Test
  void aPartThatComesTooLateLeavesNothing() throws Exception {
    Late ops = new Late();
    FileStore files = store(ops);
    UploadStore uploads = new UploadStore(data.journal(), data.uploads(), files, FileOps.SYSTEM);
    Upload upload = uploads.create("t", "a", "user_data", CONTENT.length, null);
    UploadPart part = addPart(uploads, upload, Arrays.copyOf(CONTENT, 999));
    UploadPart last = addPart(uploads, upload, new byte[1]);
    ApiException none =
        assertThrows(ApiException.class, () -> addPart(uploads, upload, new byte[0]));
    assertEquals("data", none.param());
    ops.part =
        () ->
            data.journal()
                .change(
                    session -> {
                      files.room().hold("t", 10);
                      return session.update(
                          "INSERT INTO upload_parts VALUES('part_late', ?, 10, 0)", upload.id());
                    });
    Files.write(data.uploads().resolve("part_late"), new byte[10]);
    uploads.complete("t", upload.id(), List.of(part.id(), last.id()), null);
    assertEquals(CONTENT.length, files.usedBytes("t"));
    try (Stream<Path> left = Files.list(data.uploads())) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void roomIsGivenBackByWhatFails() throws Exception {
    store(FileOps.SYSTEM);
    FileStore files = store(new FailingFiles(3)); // behind a folder and a file: the bytes
    assertThrows(
        IOException.class, () -> files.write("t", "a", "user_data", CONTENT)); // not full in truth
    assertEquals(0, files.usedBytes("t"));
    ApiException huge =
        assertThrows(ApiException.class, () -> files.begin("t", Long.MAX_VALUE / 2));
    assertEquals(507, huge.status());
    assertTrue(huge.getMessage().contains(" bytes are left"), huge::getMessage);
    assertEquals(0, files.usedBytes("t"));
  }
}
