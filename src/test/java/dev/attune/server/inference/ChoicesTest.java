package dev.attune.server.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Sampling;
import dev.attune.run.BackendKind;
import dev.attune.run.Compute;
import dev.attune.run.GenerationService;
import dev.attune.run.GenerationService.Voice;
import dev.attune.run.OpenOptions;
import dev.attune.run.PrecisionOption;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Route;
import dev.attune.server.http.Router;
import dev.attune.server.http.WebServer;
import dev.attune.server.models.ServedModel;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.EofException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The texts of one request, and who asked for them. */
class ChoicesTest {
  private static final int TEXTS = 20;

  @TempDir private Path scratch;

  private ServedModel decoder() {
    return new ServedModel("decoder", null, Instant.now(), null, scratch, null);
  }

  /** In the request's words, and before an answer could have begun. */
  @Test
  void proposalsThatTheBackendCannotTakeAreABadRequest() throws Exception {
    Metrics metrics = new Metrics();
    TextMetrics counted = new TextMetrics(metrics);
    try (GenerationService service =
        GenerationService.open(
            ServedModels.decoder(scratch.resolve("decoder")),
            OpenOptions.DEFAULT,
            new Compute(BackendKind.TORCH, PrecisionOption.FP32, 1),
            new GenerationService.Limits(TEXTS, 1 << 20, 0))) {
      Route route =
          new Route(
              "POST",
              "/texts",
              null,
              exchange -> {
                Voice voice = service.base();
                GenerationOptions proposing =
                    new GenerationOptions(Sampling.greedy(), List.of(), 1, 8, null, null, 2);
                try (Choices choices =
                    Choices.begin(
                        exchange,
                        voice,
                        tokens -> counted.text(decoder(), tokens),
                        List.of(voice.prompt("a")),
                        List.of(proposing),
                        1)) {
                  choices.all();
                }
              });
      Router router =
          new Router(List.of(route), authorization -> Caller.LOCAL, "127.0.0.1", metrics);
      try (WebServer server =
          WebServer.start("127.0.0.1", 0, null, Duration.ofSeconds(30), router, metrics)) {
        HttpResponse<String> response =
            HttpClient.newHttpClient()
                .send(
                    HttpRequest.newBuilder(
                            URI.create("http://127.0.0.1:" + server.address().getPort() + "/texts"))
                        .POST(HttpRequest.BodyPublishers.ofString("{}"))
                        .build(),
                    HttpResponse.BodyHandlers.ofString());
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = new ObjectMapper().readTree(response.body()).get("error");
        assertEquals("prompt_lookup_num_tokens", error.get("param").asText(), response.body());
        assertTrue(
            error.get("message").asText().startsWith("'prompt_lookup_num_tokens' is not for"),
            response.body());
      }
    }
  }

  /** Though there is always something more to be told. */
  @Test
  void aClientThatHasGoneIsSeenWhileTextsCome() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    CompletableFuture<Throwable> end = new CompletableFuture<>();
    Metrics metrics = new Metrics();
    TextMetrics counted = new TextMetrics(metrics);
    try (GenerationService service =
        GenerationService.open(
            ServedModels.decoder(scratch.resolve("decoder")),
            OpenOptions.DEFAULT,
            new Compute(BackendKind.CPU, PrecisionOption.FP32, 1),
            new GenerationService.Limits(TEXTS, 1 << 20, 0))) {
      Route route =
          new Route(
              "POST",
              "/texts",
              null,
              exchange -> {
                Voice voice = service.base();
                GenerationOptions options =
                    new GenerationOptions(Sampling.greedy(), List.of(), 1, 8, null, null);
                try (Choices choices =
                    Choices.begin(
                        exchange,
                        voice,
                        tokens -> counted.text(decoder(), tokens),
                        List.of(voice.prompt("a")),
                        List.of(options),
                        TEXTS)) {
                  begun.countDown();
                  assertTrue(gone.await(60, TimeUnit.SECONDS));
                  while (service.unfinished() > 0) {
                    Thread.sleep(10);
                  }
                  Thread.sleep(500); // until it is time to look
                  choices.next();
                  end.complete(null);
                } catch (Throwable e) {
                  end.complete(e);
                  throw e;
                }
              });
      Router router =
          new Router(List.of(route), authorization -> Caller.LOCAL, "127.0.0.1", metrics);
      try (WebServer server =
          WebServer.start("127.0.0.1", 0, null, Duration.ofSeconds(30), router, metrics)) {
        try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
          socket
              .getOutputStream()
              .write(
                  "POST /texts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
                      .getBytes(StandardCharsets.US_ASCII));
          assertTrue(begun.await(60, TimeUnit.SECONDS));
        }
        gone.countDown();
        assertInstanceOf(EofException.class, end.get(60, TimeUnit.SECONDS));
      }
    }
  }
}
