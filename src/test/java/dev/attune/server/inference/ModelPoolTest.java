package dev.attune.server.inference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.Generator;
import dev.attune.Precision;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Sampling;
import dev.attune.run.BackendKind;
import dev.attune.run.Compute;
import dev.attune.run.GenerationService;
import dev.attune.run.PrecisionOption;
import dev.attune.run.TextListener;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Router;
import dev.attune.server.http.WebServer;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that are opened when they are needed, and adapters beside one base. */
class ModelPoolTest {
  private static final String TENANT = "local";

  @TempDir Path scratch;
  private Path base;
  private Journal journal;
  private ModelCatalog catalog;
  private final List<String> adapters = new ArrayList<>();

  @BeforeEach
  void makeModels() {
    base = ServedModels.decoder(scratch.resolve("base"));
    journal = Journal.open(scratch.resolve("journal.db"), ModelCatalog.LAYOUT);
    catalog = new ModelCatalog(journal, Map.of("tiny", base), scratch.resolve("models"));
    for (int i = 0; i < 4; i++) {
      String id = "ft:tiny:org::" + i;
      Path folder = ServedModels.adapter(scratch.resolve("models/" + i), base, i);
      journal.change(
          session -> {
            catalog.add(session, new ServedModel(id, TENANT, Instant.now(), "tiny", folder, null));
            return null;
          });
      adapters.add(id);
    }
  }

  @AfterEach
  void closeJournal() {
    journal.close();
  }

  private ModelPool pool(long adapterBytes, int concurrency) {
    return new ModelPool(
        catalog,
        new InferenceSettings(
            new Compute(BackendKind.CPU, PrecisionOption.FP32, 2),
            1 << 28,
            adapterBytes,
            1 << 20,
            concurrency,
            16,
            2));
  }

  private ServedModel model(String id) {
    return catalog.find(TENANT, id);
  }

  private static GenerationOptions options() {
    return new GenerationOptions(Sampling.greedy(), List.of(), 1, 10, null, null);
  }

  private static String write(ModelPool.TextLease lease) throws Exception {
    CompletableFuture<String> done = new CompletableFuture<>();
    lease
        .voice()
        .service()
        .submit(
            lease.voice(),
            lease.voice().prompt("once"),
            options(),
            0,
            new TextListener() {
              @Override
              public void onPiece(String piece) {}

              @Override
              public void onText(GeneratedText text) {
                done.complete(text.text());
              }

              @Override
              public void onFailure(RuntimeException e) {
                done.completeExceptionally(e);
              }
            });
    return done.get(60, TimeUnit.SECONDS);
  }

  private String alone(String id) {
    try (Generator generator =
        Generator.open(model(id).folder(), o -> o.precision(Precision.FP32))) {
      return generator.generate("once", o -> o.maxNewTokens(10)).text();
    }
  }

  /** One whose thread is over is as good as closed. */
  @Test
  void aModelThatWritesNoMoreIsOpenedAgain() throws Exception {
    try (ModelPool pool = pool(1 << 24, 2)) {
      List<String> written = new ArrayList<>();
      for (String id : List.of("tiny", adapters.get(0))) {
        try (ModelPool.TextLease lease = pool.texts(model(id))) {
          written.add(write(lease));
        }
      }
      try (ModelPool.TextLease lease = pool.texts(model("tiny"))) {
        lease.voice().service().close();
      }
      for (int i : new int[] {1, 0}) {
        try (ModelPool.TextLease lease = pool.texts(model(i == 0 ? "tiny" : adapters.get(0)))) {
          assertEquals(written.get(i), write(lease));
        }
      }
      assertEquals(1, pool.openModels());
      assertEquals(1, pool.openAdapters());
    }
  }

  @Test
  void adaptersShareOneBaseAndTheLongestUnusedMakesRoom() throws Exception {
    try (ModelPool pool = pool(1 << 20, 8)) {
      GenerationService shared;
      try (ModelPool.TextLease lease = pool.texts(model("tiny"))) {
        shared = lease.voice().service();
      }
      for (String id : adapters) {
        try (ModelPool.TextLease lease = pool.texts(model(id))) {
          assertSame(shared, lease.voice().service());
          assertEquals(alone(id), write(lease), id);
        }
      }
      assertEquals(1, pool.openModels());
      assertEquals(4, pool.openAdapters());
    }
    long one = Files.size(scratch.resolve("models/0/adapter_model.safetensors"));
    try (ModelPool pool = pool(3 * one, 8)) {
      try (ModelPool.TextLease kept = pool.texts(model(adapters.get(0)))) {
        for (String id : adapters) {
          try (ModelPool.TextLease lease = pool.texts(model(id))) {
            assertEquals(alone(id), write(lease), id);
          }
          assertTrue(pool.openAdapters() <= 3, "within the bound");
        }
        assertEquals(alone(adapters.get(0)), write(kept), "what is in use stays");
      }
    }
  }

  @Test
  void whereAllIsInUseOthersAreToComeAgain() {
    long one = fileSize();
    try (ModelPool pool = pool(one + one / 2, 8)) {
      ServedModel second = model(adapters.get(1));
      try (ModelPool.TextLease first = pool.texts(model(adapters.get(0)))) {
        ApiException e = assertThrows(ApiException.class, () -> pool.texts(second));
        assertEquals(429, e.status(), e.getMessage());
        assertEquals(1, pool.openAdapters());
        assertTrue(first.voice().sizeBytes() <= one);
      }
      pool.texts(second).close();
    }
  }

  private long fileSize() {
    try {
      return Files.size(scratch.resolve("models/0/adapter_model.safetensors"));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aDeletedModelAnswersWhoHasIt() throws Exception {
    try (ModelPool pool = pool(1 << 20, 8)) {
      String id = adapters.get(2);
      Path folder = model(id).folder();
      String expected = alone(id);
      try (ModelPool.TextLease lease = pool.texts(model(id))) {
        catalog.remove(TENANT, id);
        assertThrows(ApiException.class, () -> model(id));
        assertTrue(Files.exists(folder), "files stay for as long as somebody uses them");
        assertEquals(expected, write(lease));
      }
      assertFalse(Files.exists(folder));
      assertEquals(0, pool.openAdapters());
    }
  }

  /** While one text is being written, the other's client hangs up. */
  @Test
  void aClientThatHangsUpFreesItsPlace() throws Exception {
    try (ModelPool pool = pool(1 << 20, 1);
        ModelPool.TextLease lease = pool.texts(model("tiny"))) {
      GenerationService service = lease.voice().service();
      Semaphore pieces = new Semaphore(0);
      CountDownLatch done = new CountDownLatch(1);
      service.submit(
          lease.voice(),
          lease.voice().prompt("once"),
          options(),
          0,
          new TextListener() {
            @Override
            public void onPiece(String piece) {
              pieces.acquireUninterruptibly();
            }

            @Override
            public void onText(GeneratedText text) {
              done.countDown();
            }

            @Override
            public void onFailure(RuntimeException e) {
              done.countDown();
            }
          });
      Metrics metrics = new Metrics();
      Router router =
          new Router(
              new CompletionsApi(catalog, pool, new TextMetrics(new Metrics())).routes(),
              authorization -> Caller.LOCAL,
              "127.0.0.1",
              metrics);
      try (WebServer server =
          WebServer.start("127.0.0.1", 0, null, Duration.ofSeconds(30), router, metrics)) {
        int port = server.address().getPort();
        String body = "{\"model\": \"tiny\", \"prompt\": \"a\", \"max_tokens\": 50}";
        try (Socket socket = new Socket("127.0.0.1", port)) {
          socket
              .getOutputStream()
              .write(
                  ("POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type:"
                          + " application/json\r\nContent-Length: "
                          + body.length()
                          + "\r\n\r\n"
                          + body)
                      .getBytes(StandardCharsets.US_ASCII));
          waitFor(() -> service.unfinished() == 2);
        }
        // At each piece of the first text, until its client was missed, the other still waits.
        waitFor(
            () -> {
              pieces.release();
              return service.unfinished() < 2 || done.getCount() == 0;
            });
        assertEquals(1, done.getCount(), "the first text goes on");
        assertEquals(1, service.unfinished());
      } finally {
        pieces.release(1000);
      }
      assertTrue(done.await(60, TimeUnit.SECONDS));
    }
  }

  private static void waitFor(BooleanSupplier condition) throws Exception {
    long end = System.nanoTime() + 60_000_000_000L;
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, "it did not come about");
      Thread.sleep(500);
    }
  }
}
