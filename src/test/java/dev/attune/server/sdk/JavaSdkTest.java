package dev.attune.server.sdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.HttpResponse;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.OpenAIServiceException;
import com.openai.errors.PermissionDeniedException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.embeddings.CreateEmbeddingResponse;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FileListParams;
import com.openai.models.files.FileObject;
import com.openai.models.files.FilePurpose;
import com.openai.models.finetuning.jobs.FineTuningJob;
import com.openai.models.finetuning.jobs.JobCreateParams;
import com.openai.models.finetuning.methods.SupervisedHyperparameters;
import com.openai.models.finetuning.methods.SupervisedMethod;
import com.openai.models.uploads.Upload;
import com.openai.models.uploads.UploadCompleteParams;
import com.openai.models.uploads.UploadCreateParams;
import com.openai.models.uploads.parts.PartCreateParams;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
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
    server = SdkServer.start(folder);
    client = client("none");
  }

  private OpenAIClient client(String key) {
    return OpenAIOkHttpClient.builder().baseUrl(server.address().toString()).apiKey(key).build();
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
            .create(FileCreateParams.builder().purpose(FilePurpose.FINE_TUNE).file(rows).build());
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

  private FineTuningJob awaited(String id) throws InterruptedException {
    for (int i = 0; i < 600; i++) {
      FineTuningJob job = client.fineTuning().jobs().retrieve(id);
      if (job.finishedAt().isPresent()) {
        return job;
      }
      Thread.sleep(100);
    }
    throw new AssertionError(client.fineTuning().jobs().retrieve(id).toString());
  }

  @Test
  void aJobIsMadeWatchedAndItsModelTalkedTo() throws Exception {
    FileObject file =
        client
            .files()
            .create(
                FileCreateParams.builder()
                    .purpose(FilePurpose.FINE_TUNE)
                    .file(SdkServer.chats(20).getBytes(StandardCharsets.UTF_8))
                    .build());
    FineTuningJob made =
        client
            .fineTuning()
            .jobs()
            .create(
                JobCreateParams.builder()
                    .model("decoder")
                    .trainingFile(file.id())
                    .suffix("java")
                    .seed(7)
                    .metadata(
                        JobCreateParams.Metadata.builder()
                            .putAdditionalProperty("team", JsonValue.from("a"))
                            .build())
                    .method(
                        JobCreateParams.Method.builder()
                            .type(JobCreateParams.Method.Type.SUPERVISED)
                            .supervised(
                                SupervisedMethod.builder()
                                    .hyperparameters(
                                        SupervisedHyperparameters.builder()
                                            .nEpochs(1)
                                            .batchSize(4)
                                            .learningRateMultiplierAuto()
                                            .build())
                                    .build())
                            .build())
                    .build());
    FineTuningJob job = awaited(made.id()).validate();
    assertEquals(FineTuningJob.Status.SUCCEEDED, job.status(), job::toString);
    assertEquals(7, job.seed());
    String model = job.fineTunedModel().orElseThrow();
    assertTrue(model.startsWith("ft:decoder:local:java:"), model);
    assertTrue(job.trainedTokens().orElseThrow() > 0);
    assertTrue(
        client.fineTuning().jobs().list().autoPager().stream()
            .anyMatch(one -> one.id().equals(job.id())));
    List<String> events =
        client.fineTuning().jobs().listEvents(job.id()).autoPager().stream()
            .map(event -> event.validate().message())
            .toList();
    assertTrue(events.get(0).contains("success"), events::toString);
    client.fineTuning().jobs().checkpoints().list(job.id()).items().forEach(c -> c.validate());
    String results = new String(content(client, job.resultFiles().get(0)), StandardCharsets.UTF_8);
    assertTrue(
        new String(Base64.getDecoder().decode(results), StandardCharsets.UTF_8)
            .startsWith("step,train_loss"));

    List<String> models =
        client.models().list().autoPager().stream().map(m -> m.validate().id()).toList();
    assertTrue(models.containsAll(List.of("decoder", "encoder", model)), models::toString);
    assertEquals(model, client.models().retrieve(model).id());
    ChatCompletionCreateParams chat =
        ChatCompletionCreateParams.builder()
            .model(model)
            .addUserMessage("say 3")
            .maxCompletionTokens(8)
            .temperature(0)
            .build();
    ChatCompletion answer = client.chat().completions().create(chat).validate();
    String text = answer.choices().get(0).message().content().orElseThrow();
    assertTrue(answer.usage().orElseThrow().completionTokens() > 0);
    StringBuilder streamed = new StringBuilder();
    try (StreamResponse<ChatCompletionChunk> chunks =
        client.chat().completions().createStreaming(chat)) {
      chunks.stream()
          .flatMap(chunk -> chunk.validate().choices().stream())
          .flatMap(choice -> choice.delta().content().stream())
          .forEach(streamed::append);
    }
    assertEquals(text, streamed.toString());
    assertTrue(client.models().delete(model).deleted());
    assertThrows(NotFoundException.class, () -> client.chat().completions().create(chat));
  }

  @Test
  void jobsArePausedResumedAndCancelled() throws Exception {
    String file =
        client
            .files()
            .create(
                FileCreateParams.builder()
                    .purpose(FilePurpose.FINE_TUNE)
                    .file(SdkServer.chats(2000).getBytes(StandardCharsets.UTF_8))
                    .build())
            .id();
    String id =
        client
            .fineTuning()
            .jobs()
            .create(JobCreateParams.builder().model("decoder").trainingFile(file).build())
            .id();
    client.fineTuning().jobs().pause(id);
    for (int i = 0; i < 300 && !status(id).equals("paused"); i++) {
      Thread.sleep(100);
    }
    assertEquals("paused", status(id));
    client.fineTuning().jobs().resume(id);
    client.fineTuning().jobs().cancel(id);
    assertEquals(FineTuningJob.Status.CANCELLED, awaited(id).status());
    assertThrows(OpenAIServiceException.class, () -> client.fineTuning().jobs().resume(id));
  }

  private String status(String id) {
    return client.fineTuning().jobs().retrieve(id).status().asString();
  }

  @Test
  void textsAreContinuedAndEmbedded() {
    Completion completion =
        client
            .completions()
            .create(
                CompletionCreateParams.builder()
                    .model("decoder")
                    .prompt("it is")
                    .maxTokens(5)
                    .temperature(0)
                    .build())
            .validate();
    assertEquals(1, completion.choices().size());
    CreateEmbeddingResponse vectors =
        client
            .embeddings()
            .create(
                EmbeddingCreateParams.builder()
                    .model("encoder")
                    .inputOfArrayOfStrings(List.of("it is good", "it is bad"))
                    .build());
    assertEquals(2, vectors.data().size());
    float[] first = toFloats(vectors.data().get(0).embedding());
    assertTrue(first.length > 0);
    assertFalse(Arrays.equals(first, toFloats(vectors.data().get(1).embedding())));
    BadRequestException kind =
        assertThrows(
            BadRequestException.class,
            () ->
                client
                    .chat()
                    .completions()
                    .create(
                        ChatCompletionCreateParams.builder()
                            .model("encoder")
                            .addUserMessage("hello")
                            .build()));
    assertTrue(kind.getMessage().contains("encoder"), kind::getMessage);
  }

  private static float[] toFloats(List<Float> values) {
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i);
    }
    return floats;
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
