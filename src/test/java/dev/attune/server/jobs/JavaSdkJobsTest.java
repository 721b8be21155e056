package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FilePurpose;
import com.openai.models.finetuning.jobs.FineTuningJob;
import com.openai.models.finetuning.jobs.FineTuningJobEvent;
import com.openai.models.finetuning.jobs.JobCreateParams;
import com.openai.models.finetuning.jobs.JobListParams;
import com.openai.models.finetuning.jobs.checkpoints.FineTuningJobCheckpoint;
import com.openai.models.webhooks.WebhookCreateParams;
import com.openai.models.webhooks.WebhookEndpoint;
import com.openai.models.webhooks.WebhookEndpointWithSecret;
import com.openai.services.blocking.finetuning.JobService;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs by OpenAI's client for Java, as it is; it checks that answers have all that is promised. */
class JavaSdkJobsTest {
  @TempDir Path scratch;
  private JobsTrial server;
  private OpenAIClient client;

  @BeforeEach
  void start() {
    server = new JobsTrial(scratch).start();
    client = client(server, true);
  }

  @AfterEach
  void end() {
    client.close();
    server.close();
  }

  private static OpenAIClient client(JobsTrial server, boolean validates) {
    return OpenAIOkHttpClient.builder()
        .baseUrl(server.address().toString())
        .apiKey("none")
        .responseValidation(validates)
        .build();
  }

  private FineTuningJob create(int steps) throws Exception {
    Path rows = Files.writeString(scratch.resolve("chats.jsonl"), JobsTrial.chats(20));
    String file =
        client
            .files()
            .create(FileCreateParams.builder().purpose(FilePurpose.FINE_TUNE).file(rows).build())
            .id();
    return client
        .fineTuning()
        .jobs()
        .create(
            JobCreateParams.builder()
                .model("decoder")
                .trainingFile(file)
                .suffix("sdk")
                .seed(7)
                .metadata(
                    JobCreateParams.Metadata.builder()
                        .putAdditionalProperty("team", JsonValue.from("a"))
                        .build())
                .putAdditionalBodyProperty(
                    "attune",
                    JsonValue.from(
                        Map.of("max_steps", steps, "precision", "fp32", "save_steps", 5)))
                .build());
  }

  private FineTuningJob await(String id, FineTuningJob.Status wanted) {
    Set<FineTuningJob.Status> ends =
        Set.of(
            FineTuningJob.Status.SUCCEEDED,
            FineTuningJob.Status.FAILED,
            FineTuningJob.Status.CANCELLED);
    while (true) {
      FineTuningJob job = client.fineTuning().jobs().retrieve(id);
      if (job.status().equals(wanted)) {
        return job;
      }
      assertTrue(!ends.contains(job.status()), job::toString);
      JobsTrial.pause(50);
    }
  }

  @Test
  void aJobIsMadeWatchedAndUsed() throws Exception {
    FineTuningJob created = create(12);
    assertEquals(FineTuningJob.Status.VALIDATING_FILES, created.status());
    FineTuningJob done = await(created.id(), FineTuningJob.Status.SUCCEEDED);
    assertTrue(done.fineTunedModel().orElseThrow().startsWith("ft:decoder:local:sdk:"));
    assertEquals(7, done.seed());
    assertTrue(done.trainedTokens().orElseThrow() > 0);
    JobService jobs = client.fineTuning().jobs();
    List<String> messages =
        jobs.listEvents(done.id()).autoPager().stream().map(FineTuningJobEvent::message).toList();
    assertEquals("The job has successfully completed", messages.get(0));
    assertEquals("Created fine-tuning job: " + done.id(), messages.get(messages.size() - 1));
    List<FineTuningJobCheckpoint> checkpoints =
        jobs.checkpoints().list(done.id()).autoPager().stream().toList();
    assertEquals(List.of(10L, 5L), checkpoints.stream().map(c -> c.stepNumber()).toList());
    List<FineTuningJob> ofTeam =
        jobs
            .list(
                JobListParams.builder()
                    .metadata(
                        JobListParams.Metadata.builder().putAdditionalProperty("team", "a").build())
                    .build())
            .autoPager()
            .stream()
            .toList();
    assertEquals(List.of(done.id()), ofTeam.stream().map(FineTuningJob::id).toList());
  }

  @Test
  void aJobIsPausedResumedAndCancelled() throws Exception {
    client.close();
    client = client(server, false); // which knows the call that pauses, and not the status
    JobService jobs = client.fineTuning().jobs();
    String id = create(1_000_000).id();
    await(id, FineTuningJob.Status.RUNNING);
    jobs.pause(id);
    assertEquals("paused", jobs.retrieve(id).status().asString());
    jobs.resume(id);
    await(id, FineTuningJob.Status.RUNNING);
    assertEquals(FineTuningJob.Status.CANCELLED, jobs.cancel(id).status());
  }

  /** The client checks the signature, and reads the message. */
  @Test
  void webhooksAreManagedAndTheirMessagesUnwrapped() throws Exception {
    WebhookEndpointWithSecret made =
        client
            .webhooks()
            .create(
                WebhookCreateParams.builder()
                    .name("mine")
                    .url("https://example.org/hook")
                    .addEventType(WebhookCreateParams.EventType.FINE_TUNING_JOB_SUCCEEDED)
                    .build());
    assertEquals(List.of("fine_tuning.job.succeeded"), made.eventTypes());
    WebhookEndpoint seen = client.webhooks().retrieve(made.id());
    assertEquals("mine", seen.name());
    assertEquals(1, client.webhooks().list().autoPager().stream().count());
    assertNotEquals(
        made.signingSecret(), client.webhooks().rotateSecret(made.id()).signingSecret());
    assertTrue(client.webhooks().delete(made.id()).deleted());
    assertEquals(0, client.webhooks().list().autoPager().stream().count());
  }
}
