package dev.attune.server.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Page;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
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

  /** The disk is full at the n-th operation. */
  private static final class Full extends FileOps {
    private int left;

    private Full(int left) {
      this.left = left;
    }

    private void count() throws IOException {
      if (left-- == 0) {
        throw new IOException("No space left on device");
      }
    }

    @Override
    public FileChannel create(Path file) throws IOException {
      count();
      return super.create(file);
    }

    @Override
    public void write(FileChannel channel, ByteBuffer bytes) throws IOException {
      count();
      super.write(channel, bytes);
    }

    @Override
    public void sync(FileChannel channel) throws IOException {
      count();
      super.sync(channel);
    }

    @Override
    public void replace(Path from, Path to) throws IOException {
      count();
      super.replace(from, to);
    }

    @Override
    public void syncFolder(Path folder) throws IOException {
      count();
      super.syncFolder(folder);
    }
  }

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
      FileStore files = store(new Full(operations));
      String tenant = "t" + operations;
      failed = false;
      try {
        files.write(tenant, "a.jsonl", "user_data", CONTENT);
      } catch (IOException | ApiException e) {
        failed = true;
      }
      List<StoredFile> listed = files.list(tenant, new Page(null, 10), null, true);
      assertEquals(failed ? 0 : 1, listed.size());
      FileStore next = store(FileOps.SYSTEM);
      next.removeLeftovers();
      assertEquals(listed.stream().map(StoredFile::path).toList(), onDisk());
      assertEquals(List.of(), next.check());
      assertEquals(failed ? 0 : CONTENT.length, next.usedBytes(tenant));
    }
    assertTrue(operations >= 5, operations + " operations");
  }

  @Test
  void roomIsGivenBackByWhatFails() throws Exception {
    store(FileOps.SYSTEM);
    FileStore files = store(new Full(1));
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
