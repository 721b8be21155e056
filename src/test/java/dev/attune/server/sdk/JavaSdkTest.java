package dev.attune.server.sdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.HttpResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.PermissionDeniedException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FileListParams;
import com.openai.models.files.FileObject;
import com.openai.models.files.FilePurpose;
import com.openai.models.uploads.Upload;
import com.openai.models.uploads.UploadCompleteParams;
import com.openai.models.uploads.UploadCreateParams;
import com.openai.models.uploads.parts.PartCreateParams;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.ServerConfig;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's client for Java, as it is. */
@Timeout(120)
class JavaSdkTest {
  private static final String ROWS =
      "{\"messages\":[{\"role\":\"user\",\"content\":\"1+1\"},"
          + "{\"role\":\"assistant\",\"content\":\"2\"}]}\n";

  @TempDir private Path folder;
  private AttuneServer server;
  private OpenAIClient client;

  @BeforeEach
  void start() {
    server = AttuneServer.start(new ServerConfig().port(0).dataDir(folder.resolve("data")));
    client = client("none");
  }

  private OpenAIClient client(String key) {
    return OpenAIOkHttpClient.builder()
        .baseUrl(server.address().toString())
        .apiKey(key)
        .build();
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private static byte[] content(OpenAIClient client, String id) throws Exception {
    try (HttpResponse response = client.files().content(id)) {
      return response.body().readAllBytes();
    }
  }

  @Test
  void files() throws Exception {
    Path rows = Files.writeString(folder.resolve("rows.jsonl"), ROWS);
    FileObject file =
        client
            .files()
            .create(
                FileCreateParams.builder().purpose(FilePurpose.FINE_TUNE).file(rows).build());
    assertEquals("rows.jsonl", file.filename());
    assertEquals(ROWS.length(), file.bytes());
    FileObject streamed =
        client
            .files()
            .create(
                FileCreateParams.builder()
                    .purpose(FilePurpose.FINE_TUNE)
                    .file(new ByteArrayInputStream(ROWS.getBytes(StandardCharsets.UTF_8)))
                    .expiresAfter(FileCreateParams.ExpiresAfter.builder().seconds(3600).build())
                    .build());
    assertEquals(streamed.createdAt() + 3600, streamed.expiresAt().orElseThrow());
    assertEquals(file.validate(), client.files().retrieve(file.id()));
    assertEquals(ROWS, new String(content(client, file.id()), StandardCharsets.UTF_8));
    List<String> listed =
        client
            .files()
            .list(FileListParams.builder().limit(1).order(FileListParams.Order.ASC).build())
            .autoPager()
            .stream()
            .map(FileObject::id)
            .toList();
    assertEquals(List.of(file.id(), streamed.id()), listed);
    assertTrue(client.files().delete(file.id()).deleted());
    NotFoundException gone =
        assertThrows(NotFoundException.class, () -> client.files().retrieve(file.id()));
    assertEquals("not_found", gone.code().orElseThrow());
    assertTrue(gone.getMessage().contains(file.id()), gone::getMessage);
  }

  @Test
  void uploadsInParts() throws Exception {
    byte[] content = ROWS.repeat(5000).getBytes(StandardCharsets.UTF_8);
    Upload upload =
        client
            .uploads()
            .create(
                UploadCreateParams.builder()
                    .filename("rows.jsonl")
                    .purpose(FilePurpose.FINE_TUNE)
                    .bytes(content.length)
                    .mimeType("text/jsonl")
                    .build());
    UploadCompleteParams.Builder complete = UploadCompleteParams.builder();
    for (int i = 0; i < content.length; i += 100_000) {
      byte[] piece = Arrays.copyOfRange(content, i, Math.min(content.length, i + 100_000));
      complete.addPartId(
          client
              .uploads()
              .parts()
              .create(upload.id(), PartCreateParams.builder().data(piece).build())
              .id());
    }
    Upload done = client.uploads().complete(upload.id(), complete.build());
    assertEquals(Upload.Status.COMPLETED, done.status());
    assertArrayEquals(content, content(client, done.file().orElseThrow().id()));
    Upload other =
        client
            .uploads()
            .create(
                UploadCreateParams.builder()
                    .filename("x")
                    .purpose(FilePurpose.USER_DATA)
                    .bytes(1)
                    .mimeType("a/b")
                    .build());
    assertEquals(Upload.Status.CANCELLED, client.uploads().cancel(other.id()).status());
  }

  @Test
  void errorsAreThoseOfTheClient() throws Exception {
    BadRequestException purpose =
        assertThrows(
            BadRequestException.class,
            () ->
                client
                    .files()
                    .create(
                        FileCreateParams.builder()
                            .purpose(FilePurpose.BATCH)
                            .file(new byte[] {'{', '}'})
                            .build()));
    assertEquals("purpose", purpose.param().orElseThrow());
    String key =
        new Client(server.address(), null)
            .post("attune/keys", "{'tenant':'a','scopes':['inference']}")
            .json()
            .path("value")
            .asText();
    assertThrows(UnauthorizedException.class, () -> client.files().list());
    try (AutoClosing other = new AutoClosing(client(key))) {
      assertThrows(PermissionDeniedException.class, () -> other.client().files().list());
    }
  }

  /** Closed without an exception that must be declared. */
  private record AutoClosing(OpenAIClient client) implements AutoCloseable {
    @Override
    public void close() {
      client.close();
    }
  }
}
