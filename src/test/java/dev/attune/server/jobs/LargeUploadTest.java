package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A file that is many times as large as the server's memory. {@code -Dattune.upload.bytes=N} says
 * how large.
 */
@Tag("nightly")
class LargeUploadTest {
  private static final long BYTES = Long.getLong("attune.upload.bytes", 3L << 30);
  private static final String HEAP = "128m";
  private static final long MOST_KIB = 600 << 10;

  @TempDir Path scratch;

  /** A row again and again. */
  private static final class Rows extends InputStream {
    private final byte[] row =
        ("{\"text\":\"" + "good ".repeat(200) + "\",\"label\":\"x\"}\n")
            .getBytes(StandardCharsets.US_ASCII);
    private long left = BYTES / row.length * row.length;
    private int at;

    @Override
    public int read() {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0];
    }

    @Override
    public int read(byte[] target, int offset, int length) {
      if (left == 0) {
        return -1;
      }
      int count = (int) Math.min(Math.min(length, row.length - at), left);
      System.arraycopy(row, at, target, offset, count);
      at = (at + count) % row.length;
      left -= count;
      return count;
    }
  }

  @Test
  void aFileOfGigabytesTakesNoMemory() throws Exception {
    assumeTrue(
        Files.getFileStore(scratch).getUsableSpace() > 2 * BYTES, "there is no room for the file");
    JobsTrial.makeBases(scratch);
    try (ServedProcess server = new ServedProcess(scratch, HEAP)) {
      Client client = new Client(server.address(), null);
      byte[] form = Client.form("file", "rows.jsonl", new byte[0], Map.of("purpose", "fine-tune"));
      String text = new String(form, StandardCharsets.US_ASCII);
      int content = text.indexOf("\r\n\r\n") + 4;
      HttpRequest.Builder request =
          client
              .request("files")
              .timeout(Duration.ofMinutes(10))
              .header("Content-Type", "multipart/form-data; boundary=" + Client.BOUNDARY)
              .POST(
                  BodyPublishers.ofInputStream(
                      () ->
                          new SequenceInputStream(
                              Collections.enumeration(
                                  List.of(
                                      new ByteArrayInputStream(form, 0, content),
                                      new Rows(),
                                      new ByteArrayInputStream(
                                          form, content, form.length - content))))));
      Answer answer = client.send(request);
      assertEquals(200, answer.status(), answer::text);
      assertTrue(answer.json().path("bytes").asLong() > BYTES - 2_000, answer::text);
      long peak = server.memory("VmHWM");
      assertTrue(peak < MOST_KIB, "the server has taken " + peak + " KiB");
      String id = answer.json().path("id").asText();
      assertEquals(200, client.delete("files/" + id).status());
    }
  }
}
